"""No way to a wrong number that is called comparable; ``python -m tests.trust.honest`` tries the slow ones as well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from tests.trust.attacks.attack import KINDS, Attack, Outcome
from tests.trust.document import DOCUMENT
from tests.trust.honest import ATTACKS, attempts, table

QUICK = [attack for attack in ATTACKS if not attack.slow]


@pytest.fixture(scope="module")
def attack_one(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Attack], Outcome]:
    """Tries an attack on a copy of one checkout."""
    return attempts(tmp_path_factory.mktemp("honest"))


def test_there_are_many_attacks_of_every_kind() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) >= 180
    assert Counter(attack.kind for attack in ATTACKS).keys() == set(KINDS) == {attack.kind for attack in QUICK}
    assert all(attack.ends for attack in ATTACKS)


def test_the_table_counts_every_attack() -> None:
    assert table({attack: Outcome("") for attack in ATTACKS}) in DOCUMENT.read_text(encoding="utf-8")


@pytest.mark.parametrize("attack", QUICK, ids=str)
def test_an_attack_ends_in_the_right_number_or_a_named_reason(
    attack: Attack, attack_one: Callable[[Attack], Outcome]
) -> None:
    assert attack_one(attack).faults == []
