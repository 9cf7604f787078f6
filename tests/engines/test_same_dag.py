"""dvc.yaml and the Snakefile describe one DAG: the same commands, files, edges and triggers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pointrend.checkout.code_digest import PACKAGE, code_files
from pointrend.datasets.registry import module_of
from pointrend.engines.workflow import Workflow
from tests.engines.graphs import dvc_triggers, first_difference, of_dvc, of_snakemake
from tests.workflow.checkout import Checkout, keep_dataset


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A checkout under version control, in which nothing has run."""
    checkout = Checkout(tmp_path / "pointrend")
    checkout.git("init", "--quiet")
    return checkout


def as_it_is(params: dict[str, Any]) -> None:
    """The demo."""


def two_runs(params: dict[str, Any]) -> None:
    """The runs of one dataset alone."""
    keep_dataset(params, "voc")


def three_seeds(params: dict[str, Any]) -> None:
    """Every run three times."""
    params["seeds"] = [0, 1, 5]


def paper(params: dict[str, Any]) -> None:
    """The published recipe."""
    params |= {"scale": "paper", "published_scales": ["paper"]}


@pytest.mark.parametrize(("change", "commands"), [(as_it_is, 23), (two_runs, 11), (three_seeds, 47), (paper, 53)])
def test_the_two_dags_are_equal(checkout: Checkout, change: Callable[..., None], commands: int) -> None:
    params = checkout.params()
    change(params)
    checkout.write_params(params)
    dvc = of_dvc(checkout)
    assert first_difference(dvc, of_snakemake(checkout)) == ""
    assert len(dvc.outputs) == commands


def test_values_on_the_command_line_select_the_same(checkout: Checkout) -> None:
    whole, params = checkout.params(), checkout.params()
    two_runs(params)
    paper(params)
    checkout.write_params(params)
    dvc = of_dvc(checkout)
    checkout.write_params(whole)
    assert first_difference(dvc, of_snakemake(checkout, "scale=paper", "runs=voc_r50,voc_r101")) == ""


TRAIN = "'pointrend --scale demo train ade20k_r101 --seed 0'"


@pytest.mark.parametrize(
    ("file", "old", "new", "difference"),
    [
        ("dvc.yaml", "metrics.jsonl", "log.jsonl", f"{TRAIN} writes runs/demo/ade20k_r101-s0/log.jsonl under dvc"),
        ("dvc.yaml", " report\n", " report --show\n", "dvc has no command 'pointrend --scale demo report'"),
        (
            "dvc.yaml",
            "    deps:\n      - results/${item.scale}/results.json\n",
            "    deps:\n",
            "only under snakemake 'pointrend --scale demo report' waits for 'pointrend --scale demo compare'",
        ),
        (
            "workflow/rules/train.smk",
            '"train", lambda w: f"backbone_{PROJECT.setting(w.run).backbone}"',
            '"train", lambda w: "backbone_r50"',
            f"only under dvc {TRAIN} waits for 'pointrend --scale demo fetch backbone_r101'",
        ),
        ("workflow/rules/data.smk", "{POINTREND} fetch", "{POINTREND} get", "snakemake has no command"),
    ],
)
def test_the_first_difference_is_shown(checkout: Checkout, file: str, old: str, new: str, difference: str) -> None:
    path = checkout.root / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    assert first_difference(of_dvc(checkout), of_snakemake(checkout)).startswith(difference)


def test_both_engines_follow_from_the_same_values_and_code(checkout: Checkout) -> None:
    """Snakemake's digests are made from Workflow's paths and code_files; dvc.yaml must list exactly those."""
    wanted = Workflow.from_config({}, checkout.root)
    stages: dict[str, tuple[list[str], str | None, *tuple[str, ...]]] = {
        "fetch voc": (wanted.fetch_paths("voc"), "draw"),
        "fetch backbone_r101": (wanted.fetch_paths("backbone_r101"), None),
        "prepare ade20k": (wanted.prepare_paths("ade20k"), "prepare", module_of("ade20k")),
        "train cityscapes_r50 --seed 0": (wanted.train_paths("cityscapes_r50"), "train", module_of("cityscapes")),
        "evaluate cityscapes_r50 --seed 0": (
            wanted.evaluate_paths("cityscapes_r50"),
            "evaluate",
            module_of("cityscapes"),
        ),
        "compare": (wanted.compare_paths(), "compare"),
        "report": (wanted.compare_paths(), "report"),
        "track sync": (wanted.track_paths(), "track"),
    }
    for command, (paths, code, *more) in stages.items():
        files = {str(file.relative_to(PACKAGE.parent)) for file in code_files(code, *more)} if code else set()
        found = dvc_triggers(checkout.root, f"pointrend --scale demo {command}")
        assert found == (set(paths), files), f"dvc.yaml, stage of {command!r}: (paths, code) must be those on the right"


def test_both_engines_follow_from_the_same_where_something_is_published(checkout: Checkout) -> None:
    params = checkout.params()
    paper(params)
    checkout.write_params(params)
    wanted = Workflow.from_config({}, checkout.root)
    files, audit = (
        {str(file.relative_to(PACKAGE.parent)) for file in code_files(stage, module_of(dataset))}
        for stage, dataset in (("evaluate", "ade20k"), ("audit", "cityscapes"))
    )
    stages: dict[str, tuple[list[str], set[str]]] = {
        "fetch released_voc_r50": (wanted.fetch_paths("released_voc_r50"), set()),
        "evaluate ade20k_r101 --released": (wanted.evaluate_released_paths("ade20k_r101"), files),
        "fetch log_voc_r50": (wanted.fetch_paths("log_voc_r50"), set()),
        "fetch cfg_ade20k_r101": (wanted.fetch_paths("cfg_ade20k_r101"), set()),
        "audit cityscapes_r50 --record": (wanted.audit_paths("cityscapes_r50"), audit),
    }
    for command, (paths, code) in stages.items():
        assert dvc_triggers(checkout.root, f"pointrend --scale paper {command}") == (set(paths), code)


@pytest.mark.parametrize("scale", ["demo", "pilot"])
def test_scales_where_nothing_is_published_have_no_stages_of_them(checkout: Checkout, scale: str) -> None:
    checkout.write_params(checkout.params() | {"scale": scale})
    assert not [command for command in of_dvc(checkout).outputs if "released" in command or "audit" in command]
    line = checkout.run("snakemake", "--cores", "1", "-n", "released", expect=2)
    assert line.startswith(f"error: scale {scale} has no released weights of voc_r50; name another scale, for example ")
    assert line.count("\n") == 1


def test_every_path_is_there_at_every_scale(checkout: Checkout) -> None:
    """DVC refuses to run a stage whose params are missing."""
    for scale in ("demo", "pilot", "paper"):
        wanted = Workflow.from_config({"scale": scale}, checkout.root)
        values = checkout.params()
        of_runs = (path for run in wanted.runs for path in wanted.evaluate_paths(run))
        of_released = (path for run in wanted.released for path in wanted.evaluate_released_paths(run))
        for path in {*wanted.track_paths(), *of_runs, *of_released}:
            found = values
            for key in path.split("."):
                assert key in found, path
                found = found[key]
