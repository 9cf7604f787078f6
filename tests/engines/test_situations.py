"""Which engine ran, what changed since, which engine comes next, and what it must do. docs/engines.md has the table."""

from collections.abc import Callable

import pytest

from pointrend.files import sha256_file
from tests.mirrors import set_urls
from tests.tiny import put
from tests.workflow.checkout import Checkout

Change = Callable[[Checkout], None]
TRAIN = {"train voc_r50 --seed 0", "train voc_r101 --seed 0"}
EVALUATE = {command.replace("train", "evaluate") for command in TRAIN}
TABLES = {"compare", "report", "track sync"}
BACKBONES = {"fetch backbone_r50", "fetch backbone_r101"}
EVERYTHING = BACKBONES | {"fetch voc", "prepare voc"} | TRAIN | EVALUATE | TABLES
ONE_RUN = {"train voc_r50 --seed 0", "evaluate voc_r50 --seed 0"} | TABLES
ANOTHER_SEED = {f"{verb} {run} --seed 1" for verb in ("train", "evaluate") for run in ("voc_r50", "voc_r101")} | TABLES


def params(path: str, value: object) -> Change:
    """Another value at a path of params.yaml."""

    def change(checkout: Checkout) -> None:
        whole = checkout.params()
        put(whole, path, value)
        checkout.write_params(whole)

    return change


def source(file: str) -> Change:
    def change(checkout: Checkout) -> None:
        with open(checkout.root / file, "a") as stream:
            stream.write("\n# changed\n")

    return change


def workers_and_urls(checkout: Checkout) -> None:
    whole = checkout.params()
    whole["operation"] |= {"workers": 1, "checkpoint_minutes": 7, "log_every": 2}
    checkout.write_params(whole)
    set_urls({"benchmark.tgz": ["https://example.org/elsewhere.tar"]}, checkout.root)


SOURCES = {
    "page": "pointrend/results/page/render.py",
    "network": "pointrend/model/points.py",
    "drawing": "pointrend/archives/demo/scenes.py",
}
CHANGES: dict[str, Change] = {
    "nothing": lambda checkout: None,
    "lr of one run": params("runs.voc_r50.lr", 0.01),
    "another seed": params("seeds", [0, 1]),
    "workers and URLs": workers_and_urls,
    "tracking": params("operation.tracking", True),
    "count of pictures": params("scales.demo.pictures", 2),
    **{name: source(file) for name, file in SOURCES.items()},
}
# `dvc repro --dry` stops at the first stage whose inputs do not exist yet without the first option, and without the
# second it does not name what follows from a changed output; `snakemake -n` always does.
NEW_STAGES, DOWNSTREAM = ("--allow-missing", "--force-downstream"), ("--force-downstream",)
# Who has run, what has changed since, and what both engines run then.
BOTH = [
    ("dvc_told", "nothing", set()),
    ("dvc_told", "lr of one run", ONE_RUN),
    ("dvc_told", "workers and URLs", set()),
    ("dvc_told", "tracking", {"track sync"}),
    ("dvc_told", "page", TABLES),
    ("snakemake_told", "nothing", set()),
    ("snakemake_told", "lr of one run", ONE_RUN),
    ("snakemake_told", "count of pictures", EVALUATE | TABLES),
    ("by_dvc", "lr of one run", ONE_RUN),  # snakemake: from the records of the training
]
# The same for one engine, with options of its command.
SITUATIONS = [
    *((state, change, engine, (), expected) for state, change, expected in BOTH for engine in ("dvc", "snakemake")),
    ("by_snakemake", "nothing", "snakemake", (), set()),
    ("by_snakemake", "nothing", "dvc", (), EVERYTHING),
    ("by_dvc", "nothing", "dvc", (), set()),
    ("by_dvc", "page", "snakemake", (), set()),  # blind, which is what the bridge is for
    ("dvc_told", "another seed", "dvc", NEW_STAGES, ANOTHER_SEED),
    ("dvc_told", "another seed", "snakemake", (), ANOTHER_SEED),
    ("snakemake_told", "network", "dvc", (), TRAIN | EVALUATE),
    ("snakemake_told", "network", "dvc", DOWNSTREAM, TRAIN | EVALUATE | TABLES),
    ("snakemake_told", "network", "snakemake", (), TRAIN | EVALUATE | TABLES),
    ("snakemake_told", "drawing", "dvc", DOWNSTREAM, EVERYTHING - BACKBONES),
    ("snakemake_told", "drawing", "snakemake", (), EVERYTHING - BACKBONES),
]


@pytest.mark.parametrize(("state", "change", "engine", "words", "expected"), SITUATIONS)
def test_what_comes_next(
    request,
    state,
    change,
    engine,
    words,
    expected,
):
    checkout: Checkout = request.getfixturevalue(state)
    before = {
        file: (checkout.root / file).read_bytes()
        for file in ("params.yaml", "published/mirrors.json", *SOURCES.values())
    }
    try:
        CHANGES[change](checkout)
        assert checkout.commands(engine, *words) == expected
    finally:
        for file, content in before.items():
            (checkout.root / file).write_bytes(content)


def test_both_engines_make_the_same_bytes(by_snakemake, by_dvc):
    for run in ("voc_r50", "voc_r101"):
        for file in ("model.safetensors", "confusion.parquet", "metrics.json", "curve.csv"):
            name = f"runs/demo/{run}-s0/{file}"
            assert sha256_file(by_snakemake.root / name) == sha256_file(by_dvc.root / name), name


def test_neither_engine_leaves_litter(by_snakemake, by_dvc):
    assert by_snakemake.git("status", "--porcelain") == ""
    assert by_dvc.git("status", "--porcelain") == "?? dvc.lock\n"


@pytest.mark.parametrize("engine", ["snakemake", "dvc"])
def test_each_engine_redoes_one_run_and_the_other_can_be_told(dvc_told, tmp_path, engine):
    checkout = dvc_told.copy(tmp_path / "pointrend")
    files = [checkout.root / f"runs/demo/{run}-s0/model.safetensors" for run in ("voc_r50", "voc_r101")]
    before = [sha256_file(file) for file in files]
    CHANGES["lr of one run"](checkout)
    output = checkout.snakemake() if engine == "snakemake" else checkout.run("dvc", "repro")
    other = "dvc" if engine == "snakemake" else "snakemake"
    checkout.run("pointrend", "bridge", other)
    assert checkout.commands(other) == checkout.commands(engine) == set()
    assert [sha256_file(file) == old for file, old in zip(files, before, strict=True)] == [False, True]
    assert output.count("training from iteration") == 1
    assert output.count("Scale demo: status\n  prepared  1 of 1, in data/demo/\n  trained   2 of 2") == 1
