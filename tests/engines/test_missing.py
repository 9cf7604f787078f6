"""Whatever is missing of what the results rest on, either engine makes it again, and then has nothing left to do."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pointrend.files import sha256_file
from tests.engines.test_situations import TABLES
from tests.workflow.checkout import Checkout

RUN = "runs/demo/voc_r50-s0"
SCORE = {"evaluate voc_r50 --seed 0"} | TABLES
RUN_AGAIN = {"train voc_r50 --seed 0"} | SCORE
EVERY_RUN = RUN_AGAIN | {f"{verb} voc_r101 --seed 0" for verb in ("train", "evaluate")}

# What Snakemake makes again where something is missing. DVC takes from its cache what has not changed.
MISSING = {
    "data/demo/archives/voc.json": {"fetch voc", "prepare voc"},
    "data/demo/archives/voc": {"fetch voc"},
    "data/demo/archives/voc/benchmark.tgz": {"fetch voc"},
    "data/demo/archives/backbone_r50": {"fetch backbone_r50"},
    "data/demo/voc/val.labels.bin": {"prepare voc"},
    # Without a manifest nobody can know that the same data come again; the trainings find their checkpoints finished.
    "data/demo/archives/backbone_r50.json": {"fetch backbone_r50"} | RUN_AGAIN,
    "data/demo/voc/manifest.json": {"prepare voc"} | EVERY_RUN,
    **{f"{RUN}/{name}": RUN_AGAIN for name in ("train.json", "model.safetensors")},
    **{f"{RUN}/{name}": SCORE for name in ("evaluate.json", "confusion.parquet", "matrix.parquet")},
    f"{RUN}/pictures/2009_000001.png": SCORE,
    "results/demo/results.json": TABLES,
    "results/demo/README.md": {"report", "track sync"},
    "logs/demo/tracked.json": {"track sync"},
}


@contextmanager
def taken_away(checkout: Checkout, file: str) -> Iterator[None]:
    path, aside = checkout.root / file, checkout.root.parent / "aside"
    path.rename(aside)
    try:
        yield
    finally:
        aside.rename(path)


@pytest.mark.parametrize("file", MISSING)
def test_snakemake_makes_again_what_is_missing(by_snakemake, file):
    with taken_away(by_snakemake, file):
        assert by_snakemake.commands("snakemake") == MISSING[file]


@pytest.mark.parametrize("scale", ["demo", "paper"])
def test_every_output_of_every_rule_is_wanted(by_snakemake, scale, tmp_path):
    """No job has an output that the default target does not name: it could vanish unnoticed."""
    checkout = by_snakemake.copy(tmp_path / "pointrend")
    snakefile = checkout.root / "Snakefile"
    # Snakemake prints a rule's message in place of its inputs.
    snakefile.write_text(re.sub(r"    message:\n.*\n", "", snakefile.read_text()))
    printed = checkout.run("snakemake", "--cores", "1", "-n", "--forceall", "--config", f"scale={scale}")
    made = set(", ".join(re.findall(r"^ +output: (.*)$", printed, re.MULTILINE)).split(", "))
    (wanted,) = re.findall(r"^rule all:\n    input: (.*)$", printed, re.MULTILINE)
    assert made == set(wanted.split(", "))
    assert (f"runs/{scale}/voc_r50-released/evaluate.json" in made) == (scale == "paper")


@pytest.mark.parametrize("file", ["data/demo/archives/voc", "data/demo/voc/val.labels.bin", f"{RUN}/metrics.jsonl"])
def test_dvc_misses_it_as_well(by_dvc, file):
    with taken_away(by_dvc, file):
        assert f'"{file}": "deleted"' in by_dvc.run("dvc", "status", "--json")


@pytest.mark.parametrize("engine", ["snakemake", "dvc"])
def test_the_same_bytes_come_again_and_everything_is_settled(request, tmp_path, engine):
    checkout = request.getfixturevalue(f"by_{engine}").copy(tmp_path / "pointrend")
    before = sums(checkout)
    data = ("data/demo/archives/voc.json", "data/demo/voc/val.labels.bin")
    for file in (*data, f"{RUN}/curve.csv", "results/demo/README.md"):
        (checkout.root / file).unlink()
    printed = checkout.snakemake() if engine == "snakemake" else checkout.run("dvc", "repro")
    assert sums(checkout) == before
    assert checkout.commands(engine) == set()
    assert "train voc_r101" not in printed


def test_a_change_beside_a_missing_file_is_not_forgotten(by_snakemake, tmp_path):
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
    """sha256 of what is the same whenever it is made: not the records, which have attempts and commits."""
    kinds = ("*.bin", "*.safetensors", "*.parquet", "*.jsonl", "*.csv", "*.png", "manifest.json", "metrics.json")
    roots = (checkout.root / "data/demo", checkout.root / "runs")
    found = [file for root in roots for kind in kinds for file in root.rglob(kind)]
    return {str(file.relative_to(checkout.root)): sha256_file(file) for file in found}
