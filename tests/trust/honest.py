"""Ways to come to a wrong number that is called comparable: each must end in the right number or in a named reason.

``python -m tests.trust.honest`` tries all, ``python -m tests.trust.honest NAME...`` some, by a part of their names or
by their kind; ``--write`` puts the table into docs/reliability.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

from tests.trust.attacks import on_backups, on_code, on_commands, on_folders, on_settings
from tests.trust.attacks.attack import KINDS, RIGHT, Attack, Outcome, attempt
from tests.trust.attacks.base import make_base, truth_of
from tests.trust.campaign import markdown
from tests.trust.document import write_table

MODULES = (on_settings, on_folders, on_backups, on_commands, on_code)
ATTACKS: tuple[Attack, ...] = tuple(
    sorted((attack for module in MODULES for attack in module.ATTACKS), key=lambda attack: KINDS.index(attack.kind))
)


def chosen(names: Iterable[str]) -> list[Attack]:
    """The attacks of these kinds, or with these parts of names; all without."""
    wanted = tuple(names)
    found = [
        attack
        for attack in ATTACKS
        if not wanted or any(attack.kind == word or (word in attack.name and word not in KINDS) for word in wanted)
    ]
    if not found:
        raise SystemExit(f"no attack is called {', '.join(wanted)}")
    return found


def attempts(folder: Path) -> Callable[[Attack], Outcome]:
    """Tries an attack; the checkouts that are attacked are made when they are first needed."""
    base_of = cache(lambda made_by: make_base(folder / made_by, made_by))
    return lambda attack: attempt(attack, base_of(attack.base), truth_of(base_of(attack.base)))


def table(outcomes: Mapping[Attack, Outcome]) -> str:
    """How many attacks of each kind ended how, as a Markdown table."""
    rows: list[tuple[object, ...]] = [("kind", "attacks", "right numbers", "a named reason", "defects")]
    for kind in KINDS:
        of_kind = {attack: outcome for attack, outcome in outcomes.items() if attack.kind == kind}
        right = sum(attack.ends == RIGHT for attack in of_kind)
        defects = sum(bool(outcome.faults) for outcome in of_kind.values())
        rows.append((kind, len(of_kind), right, len(of_kind) - right, defects))
    return markdown(*rows)


def used() -> float:
    """Seconds of processors that this process and those that it has started have used."""
    return sum(os.times()[:4])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--write", action="store_true", help="put the table into docs/reliability.md")
    options = parser.parse_args()
    outcomes: dict[Attack, Outcome] = {}
    with tempfile.TemporaryDirectory() as folder:
        attack_one = attempts(Path(folder))
        for attack in chosen(options.names):
            start = used()
            outcome = outcomes[attack] = attack_one(attack)
            ended = f"{attack.kind}: {attack.name}: {outcome.says} ({used() - start:.1f} s)"
            print(ended, *(f"  DEFECT: {fault}" for fault in outcome.faults), sep="\n", flush=True)
    defects = sum(bool(outcome.faults) for outcome in outcomes.values())
    print(f"{defects} defects")
    if options.write:
        write_table("honest", table(outcomes))
    return 1 if defects else 0


if __name__ == "__main__":
    sys.exit(main())
