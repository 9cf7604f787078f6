"""Which engine ran, what changed since, which engine comes next, and what it must do. docs/engines.md has the table."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workflow.checkout import Checkout

TRAIN = {"train voc_r50 --seed 0", "train voc_r101 --seed 0"}
EVALUATE = {command.replace("train", "evaluate") for command in TRAIN}
TABLES = {"compare", "report", "track sync"}
FETCH = {"fetch voc", "fetch backbone_r50", "fetch backbone_r101"}
EVERYTHING = FETCH | {"prepare voc"} | TRAIN | EVALUATE | TABLES
ONE_RUN = {"train voc_r50 --seed 0", "evaluate voc_r50 --seed 0"} | TABLES
ANOTHER_SEED = {f"{verb} {run} --seed 1" for verb in ("train", "evaluate") for run in ("voc_r50", "voc_r101")} | TABLES


def nothing(checkout: Checkout) -> None:
    """Change nothing."""


def lr_of_one_run(checkout: Checkout) -> None:
    params = checkout.params()
    params["runs"]["voc_r50"]["lr"] = 0.01
    checkout.write_params(params)


def another_seed(checkout: Checkout) -> None:
    checkout.write_params(checkout.params() | {"seeds": [0, 1]})


def workers_and_addresses(checkout: Checkout) -> None:
    params = checkout.params()
    params["operation"] |= {"workers": 1, "checkpoint_minutes": 7, "log_every": 2}
    params["places"]["benchmark.tgz"]["urls"] = ["https://example.org/elsewhere.tar"]
    checkout.write_params(params)


def tracking(checkout: Checkout) -> None:
    params = checkout.params()
    params["operation"]["tracking"] = True
    checkout.write_params(params)


def count_of_pictures(checkout: Checkout) -> None:
    params = checkout.params()
    params["scales"]["demo"]["pictures"] = 2
    checkout.write_params(params)


def page(checkout: Checkout) -> None:
    append_comment(checkout, "pointrend/results/page/render.py")


def network(checkout: Checkout) -> None:
    append_comment(checkout, "pointrend/model/points.py")


def drawing(checkout: Checkout) -> None:
    append_comment(checkout, "pointrend/archives/demo/scenes.py")


def append_comment(checkout: Checkout, file: str) -> None:
    with open(checkout.root / file, "a") as stream:
        stream.write("\n# changed\n")


CHANGED = (
    "params.yaml",
    "pointrend/results/page/render.py",
    "pointrend/model/points.py",
    "pointrend/archives/demo/scenes.py",
)
DOWNSTREAM = ("--force-downstream",)
"""With this ``dvc repro --dry`` names what follows from a changed output, too, as ``snakemake -n`` always does."""
NEW_STAGES = ("--allow-missing", "--force-downstream")
"""Without this ``dvc repro --dry`` stops at the first stage whose inputs are not made yet."""

SITUATIONS = [
    # who ran, what changed since, who comes next, what it runs
    ("by_snakemake", nothing, "snakemake", (), set()),
    ("by_snakemake", nothing, "dvc", (), EVERYTHING),
    ("by_dvc", nothing, "dvc", (), set()),
    ("by_dvc", lr_of_one_run, "dvc", (), ONE_RUN),
    ("by_dvc", lr_of_one_run, "snakemake", (), ONE_RUN),  # from the records of the training
    ("by_dvc", page, "snakemake", (), set()),  # blind, which is what the bridge is for
    ("dvc_told", nothing, "dvc", (), set()),
    ("dvc_told", nothing, "snakemake", (), set()),
    ("dvc_told", lr_of_one_run, "dvc", (), ONE_RUN),
    ("dvc_told", lr_of_one_run, "snakemake", (), ONE_RUN),
    ("dvc_told", another_seed, "dvc", NEW_STAGES, ANOTHER_SEED),
    ("dvc_told", another_seed, "snakemake", (), ANOTHER_SEED),
    ("dvc_told", workers_and_addresses, "dvc", (), set()),
    ("dvc_told", workers_and_addresses, "snakemake", (), set()),
    ("dvc_told", page, "dvc", (), {"report"}),
    ("dvc_told", page, "dvc", DOWNSTREAM, {"report", "track sync"}),
    ("dvc_told", page, "snakemake", (), {"report", "track sync"}),
    ("dvc_told", tracking, "dvc", (), {"track sync"}),
    ("dvc_told", tracking, "snakemake", (), {"track sync"}),
    ("snakemake_told", nothing, "dvc", (), set()),
    ("snakemake_told", nothing, "snakemake", (), set()),
    ("snakemake_told", lr_of_one_run, "dvc", (), ONE_RUN),
    ("snakemake_told", lr_of_one_run, "snakemake", (), ONE_RUN),
    ("snakemake_told", count_of_pictures, "dvc", (), EVALUATE | TABLES),
    ("snakemake_told", count_of_pictures, "snakemake", (), EVALUATE | TABLES),
    ("snakemake_told", network, "dvc", (), TRAIN | EVALUATE),
    ("snakemake_told", network, "dvc", DOWNSTREAM, TRAIN | EVALUATE | TABLES),
    ("snakemake_told", network, "snakemake", (), TRAIN | EVALUATE | TABLES),
    ("snakemake_told", drawing, "dvc", DOWNSTREAM, EVERYTHING - {"fetch backbone_r50", "fetch backbone_r101"}),
    ("snakemake_told", drawing, "snakemake", (), EVERYTHING - {"fetch backbone_r50", "fetch backbone_r101"}),
]


@pytest.mark.parametrize(("state", "change", "engine", "words", "expected"), SITUATIONS)
def test_what_comes_next(
    request: pytest.FixtureRequest,
    state: str,
    change: Callable[[Checkout], None],
    engine: str,
    words: tuple[str, ...],
    expected: set[str],
) -> None:
    checkout: Checkout = request.getfixturevalue(state)
    before = {file: (checkout.root / file).read_bytes() for file in CHANGED}
    try:
        change(checkout)
        assert checkout.commands(engine, *words) == expected
    finally:
        for file, content in before.items():
            (checkout.root / file).write_bytes(content)


def test_both_engines_make_the_same_bytes(by_snakemake: Checkout, by_dvc: Checkout) -> None:
    for run in ("voc_r50", "voc_r101"):
        for file in ("model.safetensors", "confusion.parquet", "metrics.json", "curve.csv"):
            name = f"runs/demo/{run}-s0/{file}"
            assert sha256(by_snakemake.root / name) == sha256(by_dvc.root / name), name


def test_neither_engine_leaves_litter(by_snakemake: Checkout, by_dvc: Checkout) -> None:
    assert by_snakemake.git("status", "--porcelain") == ""
    assert by_dvc.git("status", "--porcelain") == "?? dvc.lock\n"


@pytest.mark.parametrize("engine", ["snakemake", "dvc"])
def test_each_engine_redoes_one_run_and_the_other_can_be_told(dvc_told: Checkout, tmp_path: Path, engine: str) -> None:
    checkout = dvc_told.copy(tmp_path / "pointrend")
    files = [checkout.root / f"runs/demo/{run}-s0/model.safetensors" for run in ("voc_r50", "voc_r101")]
    before = [sha256(file) for file in files]
    lr_of_one_run(checkout)
    output = checkout.snakemake() if engine == "snakemake" else checkout.run("dvc", "repro")
    other = "dvc" if engine == "snakemake" else "snakemake"
    checkout.run("pointrend", "bridge", other)
    assert checkout.commands(other) == checkout.commands(engine) == set()
    assert [sha256(file) == old for file, old in zip(files, before, strict=True)] == [False, True]
    assert output.count("training from iteration") == 1
    assert output.count("Scale demo: status\n  prepared  1 of 1, in data/demo/\n  trained   2 of 2") == 1


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
