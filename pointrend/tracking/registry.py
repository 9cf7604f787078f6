"""The model registry: models whose number is consistent with the published one, and only those."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

Row = Mapping[str, Any]

MODEL_FOLDER = "model"
"""Where the weights lie among a run's artifacts."""
CONSISTENT, REPRODUCED = "consistent", "reproduced"
CONTRADICTED = ("below", "above")
"""Verdicts on a run as a whole with which none of its models is registered."""


def alias_for(rows: Sequence[Row]) -> tuple[str | None, list[int]]:
    """What the models of one run may be called, and the seeds that earn it, from the rows of results.json.

    A model needs the verdict ``consistent`` itself. The verdict on the run as a whole, where there is one, must not
    contradict, and makes ``reproduced`` of it.
    """
    whole = next((row["verdict"] for row in rows if row["kind"] == "seeds"), None)
    seeds = [row["seed"] for row in rows if row["kind"] == "trained" and row["verdict"] == CONSISTENT]
    if whole in CONTRADICTED or not seeds:
        return None, []
    return (REPRODUCED if whole == REPRODUCED else CONSISTENT), seeds


def register(client: MlflowClient, run: str, children: Mapping[int, Run], rows: Sequence[Row]) -> None:
    """Register the models of ``run`` that earn it, as ``pointrend-<run>``; ``children`` are its trainings by seed.

    The alias names the model of the lowest seed, whatever its score, so that no seed is picked for its number. An alias
    that the results no longer bear out is taken away; versions stay.
    """
    name = f"pointrend-{run}"
    alias, seeds = alias_for(rows)
    earned = [seed for seed in seeds if seed in children]
    known = _registered(client, name)
    if known is None and not earned:
        return
    if known is None:
        client.create_registered_model(name, {"pointrend.run": run})
        known = {}
    versions = {version.run_id: version.version for version in client.search_model_versions(f"name = '{name}'")}
    for seed in earned:
        info = children[seed].info
        if info.run_id not in versions:
            source = f"{info.artifact_uri}/{MODEL_FOLDER}"
            tags = {
                "pointrend.seed": str(seed),
                "pointrend.fingerprint": children[seed].data.tags["pointrend.fingerprint"],
            }
            made = client.create_model_version(name, source, info.run_id, tags=tags, await_creation_for=0)
            versions[info.run_id] = made.version
    wanted = {alias: str(versions[children[min(earned)].info.run_id])} if alias and earned else {}
    for stale in (CONSISTENT, REPRODUCED):
        if stale in known and stale not in wanted:
            client.delete_registered_model_alias(name, stale)
    for word, version in wanted.items():
        if str(known.get(word)) != version:
            client.set_registered_model_alias(name, word, version)


def _registered(client: MlflowClient, name: str) -> dict[str, Any] | None:
    """Versions by alias of a registered model, None where there is no such model."""
    try:
        return dict(client.get_registered_model(name).aliases)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
