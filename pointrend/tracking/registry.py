"""The model registry: only models whose number is consistent with the published one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from pointrend.settings.definition import DEMO
from pointrend.tracking.content import Row

MODEL_FOLDER = "model"  # of the weights among a run's artifacts
CONSISTENT, REPRODUCED = "consistent", "reproduced"
CONTRADICTED = ("below", "above")  # verdicts on a run as a whole with which none of its models is registered


def alias_for(rows: Sequence[Row]) -> tuple[str | None, list[int]]:
    """The alias for the models of one run, and the seeds that earn it, from the rows of results.json.

    A model needs the verdict ``consistent`` itself; that of the demo is not on the published number. The verdict on
    the run as a whole, if any, must not contradict; ``reproduced`` becomes the alias.
    """
    whole = next((row["verdict"] for row in rows if row["kind"] == "seeds"), None)
    trained = [row for row in rows if row["kind"] == "trained" and row["setting"].get("scale") != DEMO]
    seeds = [row["seed"] for row in trained if row["verdict"] == CONSISTENT]
    if whole in CONTRADICTED or not seeds:
        return None, []
    return (REPRODUCED if whole == REPRODUCED else CONSISTENT), seeds


def register(client: MlflowClient, run: str, children: Mapping[int, Run], rows: Sequence[Row]) -> None:
    """Register the models of ``run`` that earn it, as ``pointrend-<run>``; ``children`` are its trainings by seed.

    The alias names the model of the lowest seed, whatever its score, so that no seed is chosen for its number. An alias
    that the results no longer support is removed; versions stay.
    """
    name = f"pointrend-{run}"
    alias, seeds = alias_for(rows)
    earned = [seed for seed in seeds if seed in children]
    known = _aliases(client, name)
    if known is None and not earned:
        return
    if known is None:
        client.create_registered_model(name, {"pointrend.run": run})
    versions = {version.run_id: version.version for version in client.search_model_versions(f"name = '{name}'")}
    for seed in earned:
        info, fingerprint = children[seed].info, children[seed].data.tags["pointrend.fingerprint"]
        if info.run_id not in versions:
            source = f"{info.artifact_uri}/{MODEL_FOLDER}"
            tags = {"pointrend.seed": str(seed), "pointrend.fingerprint": fingerprint}
            made = client.create_model_version(name, source, info.run_id, tags=tags, await_creation_for=0)
            versions[info.run_id] = made.version
    wanted = {alias: str(versions[children[min(earned)].info.run_id])} if alias and earned else {}
    for word in (CONSISTENT, REPRODUCED):
        version = str((known or {}).get(word, "")) or None
        if version and word not in wanted:
            client.delete_registered_model_alias(name, word)
        elif wanted.get(word) != version:
            client.set_registered_model_alias(name, word, wanted[word])


def _aliases(client: MlflowClient, name: str) -> Mapping[str, str] | None:
    """Versions by alias of a registered model, None if the model does not exist."""
    try:
        return dict(client.get_registered_model(name).aliases)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
