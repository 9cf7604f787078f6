"""Whether the scores of a run are those of all its planned trainings: no seed left out, added or trained twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pointrend.checkout.starts import Entry, Place, Starts, sealed_seeds
from pointrend.errors import CheckFailed
from pointrend.results.run_files import NOT_EVALUATED
from pointrend.results.verdict import UNVERIFIED

Row = Mapping[str, Any]
Entries = Mapping[Place, Entry]


@dataclass(frozen=True)
class Account:
    """What the record of starts says about the trainings of a run.

    Attributes:
        sealed: the planned ``seeds`` in their order; ``sha256`` and ``time`` of the entry with them; how many
            ``starts`` followed it; sha256 of the ``last`` entry about these trainings; with how many ``other``
            settings, data or code the run was trained. None where the record has no start of these trainings.
        faults: why the scores do not count.
    """

    sealed: dict[str, Any] | None
    faults: list[str]

    def of(self, row: Row) -> dict[str, Any]:
        """What a row of kind ``trained`` states of it."""
        if row["miou"] is None or not self.faults:
            return {"sealed": self.sealed}
        reasons = list(dict.fromkeys([*self.faults, *row["reasons"]]))
        return {"sealed": self.sealed, "comparable": False, "difference": None, "reasons": reasons}


def accounts(rows: Sequence[Row], starts: Starts) -> dict[str, Account]:
    """The account of every run of which ``rows`` of kind ``trained`` have a score."""
    trained = [row for row in rows if row["kind"] == "trained"]
    runs = dict.fromkeys(row["run"] for row in trained if row["miou"] is not None)
    try:
        entries = starts.entries()
    except CheckFailed as broken:
        return dict.fromkeys(runs, Account(None, [broken.what]))
    return {run: _account([row for row in trained if row["run"] == run], entries) for run in runs}


def with_accounts(rows: Sequence[dict[str, Any]], starts: Starts) -> list[dict[str, Any]]:
    """``rows`` with what the record of starts says: ``sealed``, and no difference where a score does not count."""
    found = accounts(rows, starts)
    ours = (found.get(row["run"]) if row["kind"] == "trained" else None for row in rows)
    return [row | account.of(row) if account else row for row, account in zip(rows, ours, strict=True)]


def _account(rows: Sequence[Row], entries: Entries) -> Account:
    begun = {row["seed"]: entries.get(_start(row)) for row in rows if row["miou"] is not None}
    faults = [f"the record of starts does not have the training of seed {seed}" for seed in begun if not begun[seed]]
    series = next((entry["series"] for entry in begun.values() if entry), None)
    ours = {place: entry for place, entry in entries.items() if entry["series"] == series}
    sealed = sealed_seeds(ours)
    if sealed is None:
        return Account(None, faults)
    place, list_ = sealed
    planned, starts = list_["seeds"], [entry for entry in ours.values() if entry["kind"] == "start"]
    plan = f"{', '.join(map(str, planned))}, the seeds planned at {list_['time']}"
    faults += [f"seed {seed} is not one of {plan}" for seed in begun if seed not in planned]
    faults += [f"seed {seed} is left out of {plan}" for seed in _left_out(planned, rows, starts)]
    faults += [fault for seed in planned for fault in _tries(seed, ours.values())]
    ended = {entry["seed"] for entry in ours.values() if entry["kind"] == "end"}
    faults += [f"seed {row['seed']} was trained, and its files are gone" for row in rows if _gone(row, ended)]
    others = {entry["series"] for entry in entries.values() if (entry["run"], entry["kind"]) == (rows[0]["run"], "end")}
    about = {"seeds": planned, "sha256": place.sha256, "time": list_["time"], "starts": len(starts)}
    return Account({**about, "last": max(ours).sha256, "other": len(others - {series})}, faults)


def _start(row: Row) -> Place:
    """The last start of a training with a score."""
    start = row["provenance"]["start"]
    return Place(**start) if start else Place(0, "")


def _left_out(planned: Sequence[int], rows: Sequence[Row], starts: Sequence[Entry]) -> list[int]:
    """Planned seeds without a row that were started, or that come before one with a score."""
    shown, started = {row["seed"] for row in rows}, {entry["seed"] for entry in starts}
    scored = [planned.index(row["seed"]) for row in rows if row["miou"] is not None and row["seed"] in planned]
    last = max(scored, default=0)
    return [seed for n, seed in enumerate(planned) if seed not in shown and (seed in started or n < last)]


def _tries(seed: int, entries: Iterable[Entry]) -> list[str]:
    """Whether a seed was tried more than once: a try begins where a training does not go on from where it could have.

    A training that ends once more with the same weights was only repeated.
    """
    tries: list[dict[str, Any]] = []
    latest: dict[str, dict[str, Any]] = {}  # the latest try with a fingerprint, which includes the number of GPUs
    for entry in (entry for entry in entries if entry.get("seed") == seed):
        one, iteration = latest.get(entry["fingerprint"]), entry.get("iteration", 1)
        if entry["kind"] == "start" and (one is None or iteration < one["reached"]):
            if one is None and iteration > 0:
                return [f"the record of starts does not have the beginning of seed {seed}"]
            one = latest[entry["fingerprint"]] = {"reached": 0, "time": entry["time"], "weights": len(tries)}
            tries.append(one)
        if one is not None:
            one["reached"] = max(one["reached"], iteration)
            one["weights"] = entry.get("model_sha256", one["weights"])
    tries = [one for one in tries if one["reached"] > 0]
    if len({one["weights"] for one in tries}) <= 1:
        return []
    return [f"seed {seed} was trained {len(tries)} times, from {' and from '.join(one['time'] for one in tries)}"]


def _gone(row: Row, ended: set[int]) -> bool:
    """Whether a training that ended has left neither a score nor a reason why there is none."""
    known = row["verdict"] == UNVERIFIED.word or NOT_EVALUATED in row["reasons"]
    stale = any(reason.startswith("stale: ") for reason in row["reasons"])
    return row["miou"] is None and row["seed"] in ended and not (known or stale)
