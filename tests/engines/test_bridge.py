"""The bridges tell an engine only what is true: they refuse with one line that names what is missing."""

from collections.abc import Callable

import pytest

from tests.engines.test_missing import RUN
from tests.engines.test_records import last_bit, older
from tests.workflow.checkout import Checkout


def remove(file: str) -> Callable[[Checkout], None]:
    return lambda checkout: (checkout.root / file).unlink()


def spoil(file: str) -> Callable[[Checkout], None]:
    """Other bytes under the same name, with an old time, so that Snakemake notices nothing."""
    return older(file, last_bit)


def other_lr(checkout: Checkout) -> None:
    path = checkout.root / "params.yaml"
    path.write_text(path.read_text().replace("lr: 0.06", "lr: 0.05"))


AGAIN = "snakemake would still run pointrend --scale demo "
REFUSALS = [
    ("by_snakemake", id, "snakemake", "dvc would still run", "fetch@demo-voc"),
    ("by_dvc", id, "dvc", "snakemake has no record", "compare evaluate fetch prepare report track train"),
    ("dvc_told", other_lr, "dvc", "snakemake would still run pointrend --scale demo train voc_r", "and 4 more"),
    ("dvc_told", other_lr, "snakemake", "dvc would still run train@demo-voc-r50-0", "scales.demo.recipe"),
    ("by_snakemake", remove(f"{RUN}/confusion.parquet"), "dvc", AGAIN, f"{RUN}/confusion.parquet does not exist"),
    ("by_snakemake", spoil(f"{RUN}/model.safetensors"), "dvc", AGAIN, f"{RUN}/model.safetensors is not the one"),
    ("by_snakemake", remove("data/demo/voc/val.labels.bin"), "dvc", AGAIN, "voc/val.labels.bin does not exist"),
    ("by_dvc", remove(f"{RUN}/model.safetensors"), "snakemake", "dvc would still run", "model.safetensors: deleted"),
    ("by_dvc", spoil(f"{RUN}/confusion.parquet"), "snakemake", "dvc would still run", "confusion.parquet: modified"),
]


@pytest.mark.parametrize("case", REFUSALS)
def test_a_bridge_refuses_what_is_not_whole(request, tmp_path, case):
    state, change, engine, what, detail = case
    checkout = request.getfixturevalue(state).copy(tmp_path / "pointrend")
    change(checkout)
    (line,) = checkout.run("pointrend", "bridge", engine, expect=3).splitlines()
    assert line.startswith(f"error: {what}")
    assert detail in line


def test_other_archives_than_those_that_were_fetched_are_refused(dvc_told, tmp_path):
    checkout = dvc_told.copy(tmp_path / "pointrend")
    manifest = checkout.root / "data/demo/archives/voc.json"
    text = manifest.read_text().replace('"set": "demo"', '"set": "official"')
    manifest.unlink()
    manifest.write_text(text)
    checkout.run("dvc", "commit", "--force")
    (line,) = checkout.run("pointrend", "bridge", "snakemake", expect=3).splitlines()
    assert line.startswith("error: data/demo/archives/voc.json is of the archives official, not demo")


def test_values_that_dvc_cannot_know_are_refused(dvc_told):
    for words in (("--set", "lr=0.1"), ("--scale", "pilot")):
        (line,) = dvc_told.run("pointrend", *words, "bridge", "dvc", expect=2).splitlines()
        assert line.startswith("error: DVC runs the setting in params.yaml")


OTHER_SETTING = f"{RUN}/train.json is of another setting: lr 0.06, now 0.05; "


def test_an_engine_that_was_told_to_believe_another_setting_is_not_believed(dvc_told, tmp_path):
    touched = dvc_told.copy(tmp_path / "touched")
    other_lr(touched)
    lock = (touched.root / "dvc.lock").read_bytes()
    touched.run("snakemake", "--cores", "1", "--touch")
    (line,) = touched.run("pointrend", "bridge", "dvc", expect=3).splitlines()
    assert line.startswith(f"error: {AGAIN}train voc_r")
    assert ".json is of another setting: lr 0.06, now 0.05; " in line
    assert (touched.root / "dvc.lock").read_bytes() == lock

    committed = dvc_told.copy(tmp_path / "committed")
    other_lr(committed)
    committed.run("dvc", "commit", "--force")
    (line,) = committed.run("pointrend", "bridge", "snakemake", expect=3).splitlines()
    stage = "dvc repro --force train@demo-voc-r50-0"
    assert line == f"error: {OTHER_SETTING}dvc commit accepted it unchecked: run {stage}, then this again"
    committed.run(*stage.split())
    assert "train.json is of another setting" not in committed.run("pointrend", "bridge", "snakemake", expect=3)


def test_files_that_snakemake_is_too_quick_to_read_are_read_by_the_bridge(by_snakemake, tmp_path):
    checkout = by_snakemake.copy(tmp_path / "pointrend")
    spoil(f"{RUN}/model.safetensors")(checkout)
    records = checkout.root / "pointrend/engines/records.py"
    records.write_text(records.read_text().replace("SMALL = 1_000_000", "SMALL = 100_000"))
    assert checkout.commands("snakemake") == set()
    (line,) = checkout.run("pointrend", "bridge", "dvc", expect=3).splitlines()
    assert line.startswith(f"error: {RUN}/model.safetensors is not the one that {RUN}/train.json names; remove it")
