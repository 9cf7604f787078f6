"""The bridges tell an engine only what is true: they refuse with one line that names what is missing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workflow.checkout import Checkout


def remove(file: str) -> Callable[[Path], None]:
    return lambda root: (root / file).unlink()


def spoil(file: str) -> Callable[[Path], None]:
    """Other bytes under the same name, with an old time, so that Snakemake sees nothing."""

    def change(root: Path) -> None:
        path = root / file
        times, content = path.stat(), path.read_bytes()
        path.unlink()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        os.utime(path, (times.st_atime, times.st_mtime))

    return change


def other_lr(root: Path) -> None:
    path = root / "params.yaml"
    path.write_text(path.read_text().replace("lr: 0.06", "lr: 0.05"))


def nothing(root: Path) -> None:
    """Change nothing."""


RUN = "runs/demo/voc_r50-s0"
REFUSALS = [
    ("by_snakemake", nothing, "snakemake", "dvc would still run", "fetch@demo-voc"),
    ("by_dvc", nothing, "dvc", "snakemake has no record", "compare evaluate fetch prepare report track train"),
    ("dvc_told", other_lr, "dvc", "snakemake would still run pointrend --scale demo train voc_r", "and 4 more"),
    ("dvc_told", other_lr, "snakemake", "dvc would still run train@demo-voc-r50-0", "scales.demo.recipe"),
    ("by_snakemake", remove(f"{RUN}/confusion.parquet"), "dvc", f"{RUN}/confusion.parquet is not there", ""),
    ("by_snakemake", spoil(f"{RUN}/model.safetensors"), "dvc", f"{RUN}/model.safetensors is not the one", "train.json"),
    ("by_snakemake", remove("data/demo/voc/val.labels.bin"), "dvc", "data/demo/voc/val.labels.bin is not there", ""),
    ("by_dvc", remove(f"{RUN}/model.safetensors"), "snakemake", "dvc would still run", "model.safetensors: deleted"),
    ("by_dvc", spoil(f"{RUN}/confusion.parquet"), "snakemake", "dvc would still run", "confusion.parquet: modified"),
]


@pytest.mark.parametrize(("state", "change", "engine", "what", "detail"), REFUSALS)
def test_a_bridge_refuses_what_is_not_whole(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    state: str,
    change: Callable[[Path], None],
    engine: str,
    what: str,
    detail: str,
) -> None:
    checkout = request.getfixturevalue(state).copy(tmp_path / "pointrend")
    change(checkout.root)
    (line,) = checkout.run("pointrend", "bridge", engine, expect=3).splitlines()
    assert line.startswith(f"error: {what}")
    assert detail in line


def test_other_archives_than_those_that_were_fetched_are_refused(dvc_told: Checkout, tmp_path: Path) -> None:
    checkout = dvc_told.copy(tmp_path / "pointrend")
    manifest = checkout.root / "data/demo/archives/voc.json"
    text = manifest.read_text().replace('"set": "demo"', '"set": "official"')
    manifest.unlink()
    manifest.write_text(text)
    checkout.run("dvc", "commit", "--force")
    (line,) = checkout.run("pointrend", "bridge", "snakemake", expect=3).splitlines()
    assert line.startswith("error: data/demo/archives/voc.json is of the archives official, not demo")


def test_values_that_dvc_cannot_know_are_refused(dvc_told: Checkout) -> None:
    for words in (("--set", "lr=0.1"), ("--scale", "pilot")):
        (line,) = dvc_told.run("pointrend", *words, "bridge", "dvc", expect=2).splitlines()
        assert line.startswith("error: DVC runs what params.yaml says")
