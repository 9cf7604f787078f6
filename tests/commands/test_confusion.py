"""`pointrend confusion`: the pairs with most pixels first, from files that belong together."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from pointrend.cli import main
from pointrend.evaluation.confusion import Counts
from pointrend.evaluation.counts_file import counts_table, matrix_table, write_counts

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def scored(tmp_path, monkeypatch):
    """Seed 1 of voc_r50, and its released weights with half the pixels, of which none are mistaken."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    matrix = np.diag([4_000_000] * 21)
    matrix[15, 0], matrix[0, 15], matrix[7, 6] = 1_000_000, 2_000, 2_000
    for name, of in {"voc_r50-s1": matrix, "voc_r50-released": np.diag([2_000_000] * 21)}.items():
        write_counts(Path(f"runs/demo/{name}/confusion.parquet"), counts_table({"a": Counts.of(of)}, 21))
        write_counts(Path(f"runs/demo/{name}/matrix.parquet"), matrix_table(of))


HEAD = "truth       predicted   % of truth     pixels\n"
PERSON = "person      background       20.00  1,000,000\n"
OTHERS = "background  person            0.05      2,000\ncar         bus               0.05      2,000\n"


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("--seed 1", HEAD + PERSON + OTHERS),
        ("--seed 1 --top 2", HEAD + PERSON + OTHERS.partition("\n")[0] + "\n"),
        ("--released", "truth  predicted  % of truth  pixels\n"),
    ],
)
def test_pairs_are_listed_by_their_pixels(words, shown, capsys):
    assert main(["confusion", "voc_r50", *words.split()]) == 0
    assert capsys.readouterr().out == shown


@pytest.mark.parametrize(
    ("words", "error", "code"),
    [
        ("voc_r50", "runs/demo/voc_r50-s0/confusion.parquet does not exist; evaluate that run first", 2),
        ("voc_r50 --seed 1 --released", "not allowed with argument --seed", 2),
        ("voc_r50 --top 0", "'0' is not a whole number above 0", 2),
        ("ade20k_r50 --seed 1", "confusion.parquet has 21 classes, not 150; evaluate that run again", 2),
        ("voc_r101 --seed 1", "matrix.parquet gives true_positive 2000000 for class 0", 3),
    ],
)
def test_what_cannot_be_listed_is_one_line(words, error, code, capsys):
    shutil.copytree("runs/demo/voc_r50-s1", "runs/demo/ade20k_r50-s1")
    shutil.copytree("runs/demo/voc_r50-s1", "runs/demo/voc_r101-s1")
    shutil.copy("runs/demo/voc_r50-released/matrix.parquet", "runs/demo/voc_r101-s1")
    assert main(["confusion", *words.split()]) == code
    shown = capsys.readouterr().err
    assert error in shown
    assert shown.count("\n") == 1
