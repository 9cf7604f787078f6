"""Whatever is missing of what the results rest on, either engine makes it again, and then has nothing left to do."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.engines.test_situations import TABLES
from tests.workflow.checkout import Checkout

RUN = "runs/demo/voc_r50-s0"
TRACK = {"track sync"}
REPORT = {"report"} | TRACK
SCORE = {"evaluate voc_r50 --seed 0"} | TABLES
RUN_AGAIN = {"train voc_r50 --seed 0"} | SCORE
EVERY_RUN = RUN_AGAIN | {f"{verb} voc_r101 --seed 0" for verb in ("train", "evaluate")}

MISSING = {
    "data/demo/archives/voc.json": {"fetch voc", "prepare voc"},
    "data/demo/archives/voc": {"fetch voc"},
    "data/demo/archives/voc/benchmark.tgz": {"fetch voc"},
    "data/demo/archives/backbone_r50": {"fetch backbone_r50"},
    "data/demo/voc/train.pictures.bin": {"prepare voc"},
    "data/demo/voc/val.labels.bin": {"prepare voc"},
    "data/demo/voc/val.index.json": {"prepare voc"},
    # Without a manifest nobody can know that the same data come again; the trainings find their checkpoints finished.
    "data/demo/archives/backbone_r50.json": {"fetch backbone_r50"} | RUN_AGAIN,
    "data/demo/voc/manifest.json": {"prepare voc"} | EVERY_RUN,
    f"{RUN}/train.json": RUN_AGAIN,
    f"{RUN}/model.safetensors": RUN_AGAIN,
    f"{RUN}/metrics.jsonl": RUN_AGAIN,
    f"{RUN}/curve.csv": RUN_AGAIN,
    f"{RUN}/evaluate.json": SCORE,
    f"{RUN}/metrics.json": SCORE,
    f"{RUN}/scores.json": SCORE,
    f"{RUN}/confusion.parquet": SCORE,
    f"{RUN}/pictures": SCORE,
    f"{RUN}/pictures/2009_000001.png": SCORE,
    "results/demo/results.json": TABLES,
    "results/demo/README.md": REPORT,
    "results/demo/index.html": REPORT,
    "logs/demo/tracked.json": TRACK,
}
"""What is missing, and what Snakemake makes again. DVC takes from its cache what has not changed."""


@contextmanager
def taken_away(checkout: Checkout, file: str) -> Iterator[None]:
    """Without a file, or a folder."""
    path, aside = checkout.root / file, checkout.root.parent / "aside"
    path.rename(aside)
    try:
        yield
    finally:
        aside.rename(path)


@pytest.mark.parametrize("file", MISSING)
def test_snakemake_makes_again_what_is_missing(by_snakemake: Checkout, file: str) -> None:
    with taken_away(by_snakemake, file):
        assert by_snakemake.commands("snakemake") == MISSING[file]


@pytest.mark.parametrize("scale", ["demo", "paper"])
def test_every_output_of_every_rule_is_wanted(by_snakemake: Checkout, scale: str) -> None:
    """No job has an output that the default target does not name: it could vanish unnoticed."""
    printed = by_snakemake.run("snakemake", "--cores", "1", "-n", "--forceall", "--config", f"scale={scale}")
    made = {file for line in re.findall(r"^ +output: (.*)$", printed, re.MULTILINE) for file in line.split(", ")}
    (wanted,) = re.findall(r"^rule all:\n    input: (.*)$", printed, re.MULTILINE)
    assert made == set(wanted.split(", "))
    assert (f"runs/{scale}/voc_r50-released/evaluate.json" in made) == (scale == "paper")


@pytest.mark.parametrize("file", ["data/demo/archives/voc", "data/demo/voc/val.labels.bin", f"{RUN}/metrics.jsonl"])
def test_dvc_misses_it_as_well(by_dvc: Checkout, file: str) -> None:
    with taken_away(by_dvc, file):
        assert f'"{file}": "deleted"' in by_dvc.run("dvc", "status", "--json")


@pytest.mark.parametrize("engine", ["snakemake", "dvc"])
def test_the_same_bytes_come_again_and_everything_is_settled(
    request: pytest.FixtureRequest, tmp_path: Path, engine: str
) -> None:
    checkout = request.getfixturevalue(f"by_{engine}").copy(tmp_path / "pointrend")
    before = sums(checkout)
    for file in ("data/demo/archives/voc.json", "data/demo/voc/val.labels.bin", f"{RUN}/curve.csv"):
        (checkout.root / file).unlink()
    (checkout.root / "results/demo/README.md").unlink()
    said = checkout.snakemake() if engine == "snakemake" else checkout.run("dvc", "repro")
    assert sums(checkout) == before
    assert checkout.commands(engine) == set()
    assert "train voc_r101" not in said


def test_a_change_beside_a_missing_file_is_not_forgotten(by_snakemake: Checkout, tmp_path: Path) -> None:
    """Restoring the data must not hide that a run is wanted with another setting, or another page."""
    checkout = by_snakemake.copy(tmp_path / "pointrend")
    params = checkout.params()
    params["runs"]["voc_r50"]["lr"] = 0.01
    checkout.write_params(params)
    with open(checkout.root / "pointrend/results/page/render.py", "a") as stream:
        stream.write("\n# changed\n")
    with taken_away(checkout, "data/demo/voc/val.labels.bin"):
        assert checkout.commands("snakemake") == {"prepare voc"} | RUN_AGAIN
    with taken_away(checkout, "data/demo/archives/voc/benchmark.tgz"):
        assert checkout.commands("snakemake") == {"fetch voc"} | RUN_AGAIN


def sums(checkout: Checkout) -> dict[str, str]:
    """sha256 of what is the same whenever it is made: not the records, which tell of attempts and commits."""
    kinds = ("*.bin", "*.safetensors", "*.parquet", "*.jsonl", "*.csv", "*.png", "manifest.json", "metrics.json")
    files = [
        file for folder in ("data/demo", "runs") for kind in kinds for file in (checkout.root / folder).rglob(kind)
    ]
    return {str(file.relative_to(checkout.root)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
