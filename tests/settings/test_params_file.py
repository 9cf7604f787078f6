"""Words of YAML whose meaning depends on who reads them: our parser (YAML 1.1) and DVC's (YAML 1.2) must agree."""

import itertools
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.utils.serialize import parse_yaml

from pointrend.settings.params_file import AMBIGUOUS, parse_override, read_yaml

ROOT = Path(__file__).parents[2]
LETTERS = "018_:.eo+-"
WORDS = """
yes No ON off y N true FALSE null ~ Null on/off 010 060 -010 08 0o10 0b11 0x1F 1_000 1:30 190:20:30.5
1e3 1E3 1e-3 1.e3 1.0e3 1.0e+3 1.0E-3 -1e3 1_0e3 .5 -.5 +.5e-3 .inf -.inf .NaN .5e3 12e03 = <
2001-01-01 2001-1-1 6cd6e144 2cccc1ad 12345678 1234e567 0x 0o8 1.2.3 1-2 a:b 0. 00 0 -0 +0 1_ 0_ _0 -_1 ._5
"""


def reading(parse: Callable[[str], Any], word: str) -> tuple[str, Any] | None:
    """Kind and value of a word, None where it is refused; NaN equals itself."""
    try:
        value = parse(f"x: {word}")["x"]
    except Exception:  # whatever the parsers raise
        return None
    return type(value).__name__, str(value) if isinstance(value, float) else value


def differ(word: str) -> bool:
    """Whether both parsers take a word, and not for the same; what one refuses is no silent difference."""
    ours, theirs = reading(yaml.safe_load, word), reading(lambda text: parse_yaml(text, "params.yaml"), word)
    return None not in (ours, theirs) and ours != theirs


@pytest.mark.parametrize("word", WORDS.split())
def test_a_word_is_refused_if_and_only_if_dvc_reads_it_differently(word):
    assert bool(AMBIGUOUS.fullmatch(word)) == (differ(word) or word == "00"), word


def test_no_short_word_of_digits_and_signs_means_two_things():
    words = ["".join(letters) for length in (1, 2, 3) for letters in itertools.product(LETTERS, repeat=length)]
    words += ["".join(random.Random(seed).choices(LETTERS, k=4)) for seed in range(700)]
    both = [word for word in words if not AMBIGUOUS.fullmatch(word) and differ(word)]
    assert both == []


def test_the_projects_own_params_mean_the_same_to_dvc():
    text = (ROOT / "params.yaml").read_text()
    assert read_yaml(ROOT / "params.yaml") == parse_yaml(text, "params.yaml")


def test_quotes_settle_it():
    assert parse_override("x='010'") == ("x", "010")
    assert parse_override('x="yes"') == ("x", "yes")
