"""No way to a wrong number that is called comparable: each ends in the right number or in a named reason."""

import pytest

from tests.trust.attacks import on_backups, on_code, on_commands, on_folders, on_settings
from tests.trust.attacks.base import make_base, truth_of

MODULES = (on_settings, on_folders, on_backups, on_commands, on_code)
ATTACKS = [attack for module in MODULES for attack in module.ATTACKS]


@pytest.fixture(scope="module")
def faults(tmp_path_factory):
    """What is wrong after an attack on a copy of one checkout."""
    base = make_base(tmp_path_factory.mktemp("honest") / "base")
    truth = truth_of(base)
    return lambda attack: attack.faults(base, truth)


def test_every_attack_has_a_name_and_an_end():
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) >= 110
    assert all(attack.ends for attack in ATTACKS)


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_an_attack_ends_in_the_right_number_or_a_named_reason(attack, faults):
    assert faults(attack) == []
