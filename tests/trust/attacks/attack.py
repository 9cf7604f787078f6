"""One way to a wrong number, and the judgement that is the same for all of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pointrend.errors import PointrendError
from pointrend.results.compare import read_results
from tests.trust.attacks.base import RESULTS, RUNS, SHOWN
from tests.trust.attacks.site import Site, Step

Truth = Mapping[tuple[str, str], float]
RIGHT = "the right numbers"  # how an attack may end, besides a named reason


@dataclass(frozen=True)
class Attack:
    """What is done, without forging a hash, and how it must end."""

    name: str
    ends: str  # RIGHT, or a part of a reason in results.json or of what a command prints; a|b: either
    steps: tuple[Step, ...]
    wrong: bool = False  # whether a metrics.json with a wrong mIoU must be left
    touches: bool = True  # whether a file must have changed
    then: tuple[str, ...] = SHOWN  # the verbs after the attack

    def __str__(self) -> str:
        return self.name

    def faults(self, base: Site, truth: Truth) -> list[str]:
        """What is wrong after an attack on a copy of ``base``, which is made beside it and removed."""
        site = base.copy(base.root.with_name("attacked"))
        try:
            before = site.tree() if self.touches else {}
            site.do(*self.steps)
            if self.touches and site.tree() == before:
                site.faults.append("the attack changed nothing")
            site.do(*(f"{verb} -> ?" for verb in self.then))
            rows = _rows(site)
            return [*site.faults, *_wrong_rows(rows, truth), *self._not_as_expected(site, rows, truth)]
        finally:
            site.drop("")

    def _not_as_expected(self, site: Site, rows: list[dict[str, Any]], truth: Truth) -> list[str]:
        verdicts, faults = _verdicts(rows), []
        said = (*verdicts, site.said)
        if self.ends == RIGHT:
            comparable = {(row["run"], row["kind"]) for row in rows if row["comparable"] and row["miou"] is not None}
            if not {(run, "trained") for run in RUNS} <= comparable or site.codes["verify"] != 0:
                faults.append(f"not the right numbers: {verdicts}, {site.said[-300:]}")
        elif not any(part in text for part in self.ends.split("|") for text in said):
            faults.append(f"{self.ends!r} was not said: {verdicts}, {site.said[-300:]}")
        if self.wrong and not any(_figure(site, run, kind) not in (None, truth[run, kind]) for run, kind in truth):
            faults.append("the attack left no wrong number")
        return faults


def attack(name: str, ends: str, *steps: Step, **options: Any) -> Attack:
    return Attack(name, ends, steps, **options)


def _rows(site: Site) -> list[dict[str, Any]]:
    """The rows of results.json, where everything that reads them takes them for whole."""
    try:
        return list(read_results(site.path(RESULTS))["runs"])
    except PointrendError:
        return []


def _wrong_rows(rows: list[dict[str, Any]], truth: Truth) -> list[str]:
    faults = []
    for row in rows:
        name = f"{row['run']} {row['kind']} seed {row['seed']}"
        if row["comparable"] and row["miou"] is not None:
            if row["miou"] != truth.get((row["run"], row["kind"])):
                faults.append(f"{name} is comparable with mIoU {row['miou']}, which is wrong")
        elif not row["reasons"] and row["verdict"] != "not run":
            faults.append(f"{name} is {row['verdict']} without a reason")
    return faults


def _figure(site: Site, run: str, kind: str) -> float | None:
    """The mIoU in a metrics.json, if there is one."""
    name = f"runs/paper/{run}-{'s0' if kind == 'trained' else kind}/metrics.json"
    return site.json(name)["miou"] if site.path(name).is_file() else None


def _verdicts(rows: list[dict[str, Any]]) -> list[str]:
    """What results.json says of every row: a line per reason."""
    return [f"{row['run']} {row['verdict']}: {reason}" for row in rows for reason in row["reasons"] or [""]]
