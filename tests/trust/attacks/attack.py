"""One way to a wrong number, and the judgement that is the same for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pointrend.errors import PointrendError
from pointrend.results.compare import read_results
from tests.trust.attacks.base import RESULTS, RUNS, SHOWN
from tests.trust.attacks.site import Site, Step

Truth = Mapping[tuple[str, str], float]
RIGHT = "the right numbers"  # how an attack may end, besides a named reason
KINDS = ("params", "environment", "folders", "backups", "clocks", "copies", "engines", "verbs", "code")
SHOWN_LETTERS = 100


@dataclass(frozen=True)
class Attack:
    """What is done, without forging a hash, and how it must end."""

    name: str
    kind: str
    ends: str  # RIGHT, or a part of a reason in results.json or of what a command prints; a|b: either
    steps: tuple[Step, ...]
    wrong: bool = False  # whether a metrics.json with a wrong mIoU must be left
    touches: bool = True  # whether a file must have changed
    then: tuple[str, ...] = tuple(f"{verb} -> ?" for verb in SHOWN)  # the verbs after the attack
    base: str = "hand"  # who made the results that are attacked: see make_base
    long: bool = False  # whether it takes long, by processes of its own for example
    own: bool = False  # whether the verbs after it are run by the checkout's own code

    def __str__(self) -> str:
        return self.name

    @property
    def slow(self) -> bool:
        """Whether the suite does without it."""
        return self.long or self.base == "engines"

    def meant(self, text: str) -> bool:
        """Whether this is how it must end."""
        return any(part in text for part in self.ends.split("|"))


def attacks(kind: str, **common: Any) -> Callable[..., Attack]:
    """A maker of attacks of a kind."""

    def attack(name: str, ends: str, *steps: Step, **own: Any) -> Attack:
        if "then" in own:
            own["then"] = tuple(f"{verb} -> ?" for verb in own["then"])
        return Attack(name, kind, ends, steps, **{**common, **own})

    return attack


@dataclass
class Outcome:
    """How an attack ended: what is said of it in one line, and what is wrong."""

    says: str
    faults: list[str] = field(default_factory=list)


def attempt(attack: Attack, base: Site, truth: Truth) -> Outcome:
    """Attack a copy of ``base``, which is made beside it and removed."""
    site = base.copy(base.root.with_name("attacked"))
    try:
        before = site.tree() if attack.touches else {}
        site.do(*attack.steps)
        if attack.touches and site.tree() == before:
            site.faults.append("the attack changed nothing")
        site.do(*(f"own {verb}" if attack.own else verb for verb in attack.then))
        rows = _rows(site)
        faults = [*site.faults, *_wrong_rows(rows, truth), *_not_as_expected(attack, site, rows, truth)]
        return Outcome(_in_short(attack, site, rows), faults)
    finally:
        site.drop("")


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


def _not_as_expected(attack: Attack, site: Site, rows: list[dict[str, Any]], truth: Truth) -> list[str]:
    faults = []
    if attack.ends == RIGHT:
        comparable = {(row["run"], row["kind"]) for row in rows if row["comparable"] and row["miou"] is not None}
        if not {(run, "trained") for run in RUNS} <= comparable or site.codes["verify"] != 0:
            faults.append(f"not the right numbers: {_verdicts(rows)}, {site.said[-300:]}")
    elif not any(attack.meant(text) for text in (*_verdicts(rows), site.said)):
        faults.append(f"{attack.ends!r} was not said: {_verdicts(rows)}, {site.said[-300:]}")
    if attack.wrong and not any(_figure(site, run, kind) not in (None, truth[run, kind]) for run, kind in truth):
        faults.append("the attack left no wrong number")
    return faults


def _figure(site: Site, run: str, kind: str) -> float | None:
    """The mIoU in a metrics.json, if there is one."""
    name = f"runs/paper/{run}-{'s0' if kind == 'trained' else kind}/metrics.json"
    return site.json(name)["miou"] if site.path(name).is_file() else None


def _verdicts(rows: list[dict[str, Any]]) -> list[str]:
    """What results.json says of every row: a line per reason."""
    return [f"{row['run']} {row['verdict']}: {reason}" for row in rows for reason in row["reasons"] or [""]]


def _in_short(attack: Attack, site: Site, rows: list[dict[str, Any]]) -> str:
    """What is said in the end, and by whom."""
    verify = f"verify {site.codes.get('verify', '–')}"
    if attack.ends == RIGHT:
        return f"{RIGHT}; {verify}"
    texts = [*_verdicts(rows), *site.said.splitlines()]
    said = next((text for text in texts if attack.meant(text)), attack.ends)
    said = said.replace(f"{site.root}/", "").replace(f"{site.root.parent}/", "../").replace("|", "/")
    return f"{said[:SHOWN_LETTERS]}{'…' if len(said) > SHOWN_LETTERS else ''}; {verify}"
