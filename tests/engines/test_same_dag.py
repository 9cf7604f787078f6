"""dvc.yaml and the Snakefile describe one DAG: the same commands, files, edges and triggers."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import networkx as nx
import pytest
from dvc.repo import Repo

from pointrend.engines.dvc import dvc_yaml
from pointrend.engines.stages import STAGES
from pointrend.engines.workflow import Workflow, stage_fields
from tests.tiny import ROOT, put
from tests.workflow.checkout import Checkout, keep_dataset


@dataclass(frozen=True)
class Dag:
    """Commands with what they write, and edges between commands (first, then), implied edges left out."""

    outputs: dict[str, tuple[str, ...]]
    edges: set[tuple[str, str]]


def of_dvc(checkout: Checkout) -> Dag:
    with Repo(str(checkout.root)) as repo:
        graph = nx.DiGraph((_command(before), _command(stage)) for stage, before in repo.index.graph.edges)
        outputs = {_command(stage): [out.def_path for out in stage.outs] for stage in repo.index.stages}
    return _dag(outputs, graph)


def _command(stage: Any) -> str:
    """What a stage of DVC runs after params.yaml has been checked."""
    check, command = stage.cmd
    assert check == "pointrend plan --check"
    return command


def of_snakemake(checkout: Checkout, *config: str) -> Dag:
    """The DAG of the Snakefile, from what a dry run of everything prints."""
    more = ["--config", *config] if config else []
    printed = checkout.run("snakemake", "--cores", "2", "-n", "-p", "--forceall", *more)
    blocks = [dict(re.findall(r"^ *(input|output|Shell command): (.*)$", text, re.M)) for text in printed.split("\n\n")]
    jobs = [block for block in blocks if "output" in block]
    outputs = {job["Shell command"]: job["output"].split(", ") for job in jobs}
    writer = {file: command for command, files in outputs.items() for file in files}
    graph = nx.DiGraph()
    for job in jobs:
        inputs = job.get("input", "").split(", ")
        graph.add_edges_from((writer[file], job["Shell command"]) for file in inputs if file in writer)
    return _dag(outputs, graph)


def _dag(outputs: dict[str, list[str]], graph: Any) -> Dag:
    edges = set(nx.transitive_reduction(graph).edges)
    return Dag({command: tuple(sorted(files)) for command, files in outputs.items()}, edges)


@pytest.fixture
def checkout(tmp_path):
    checkout = Checkout(tmp_path / "pointrend")
    checkout.git("init", "--quiet")
    return checkout


PUBLISHED = {"published_scales": ["paper"], "scale": "paper"}
CHANGES: dict[str, tuple[Callable[[dict[str, Any]], None], int]] = {
    "as it is": (lambda params: None, 23),
    "two runs": (lambda params: keep_dataset(params, "voc"), 11),
    "three seeds": (lambda params: params.update(seeds=[0, 1, 5]), 47),
    "paper": (lambda params: params.update(PUBLISHED), 53),
}


@pytest.mark.parametrize(("change", "commands"), CHANGES.values(), ids=CHANGES)
def test_the_two_dags_are_equal(checkout, change, commands):
    params = checkout.params()
    change(params)
    checkout.write_params(params)
    dvc = of_dvc(checkout)
    assert dvc == of_snakemake(checkout)
    assert len(dvc.outputs) == commands


def test_values_on_the_command_line_select_the_same(checkout):
    whole, params = checkout.params(), checkout.params() | PUBLISHED
    keep_dataset(params, "voc")
    checkout.write_params(params)
    dvc = of_dvc(checkout)
    checkout.write_params(whole)
    assert dvc == of_snakemake(checkout, "scale=paper", "runs=voc_r50,voc_r101")


def test_dvc_yaml_is_the_one_that_the_table_gives():
    assert (ROOT / "dvc.yaml").read_text() == dvc_yaml(), "dvc.yaml has drifted from the table: run `make dvc`"


@pytest.mark.parametrize("stage", STAGES)
def test_what_a_stage_follows_from_includes_what_its_inputs_follow_from(stage):
    """So each engine can report from params.yaml alone everything that it would run."""
    for need in STAGES[stage].needs:
        unknown = set(STAGES[need].values) - set(STAGES[stage].values)
        assert unknown == set()
    assert all((ROOT / unit.format(dataset="voc")).exists() for unit in STAGES[stage].units)


@pytest.mark.parametrize(
    ("stage", "of", "path", "value"),
    [
        ("fetch", {"name": "voc"}, "datasets.voc.archives", []),
        ("fetch", {"name": "backbone_r101"}, "backbones.r101.pretrained.sha256_prefix", "00000000"),
        ("prepare", {"dataset": "ade20k"}, "scales.paper.limit", 7),
        ("train", {"run": "cityscapes_r50"}, "runs.cityscapes_r50.lr", 0.5),
        ("evaluate", {"run": "voc_r50"}, "scales.paper.pictures", 1),
        ("evaluate_released", {"run": "ade20k_r101"}, "scales.paper.pictures", 1),
        ("audit", {"run": "cityscapes_r50"}, "backbones.r50.depth", 101),
        ("compare", {}, "seeds", [3]),
        ("track", {}, "operation.tracking", True),
    ],
)
def test_another_value_in_params_is_another_digest(checkout, stage, of, path, value):
    params = checkout.params() | PUBLISHED
    checkout.write_params(params)
    before = Workflow.from_config({}, checkout.root).digest(stage, **of)
    assert Workflow.from_config({}, checkout.root).digest(stage, **of) == before
    put(params, path, value)
    checkout.write_params(params)
    assert Workflow.from_config({}, checkout.root).digest(stage, **of) != before


@pytest.mark.parametrize("scale", ["demo", "pilot"])
def test_scales_where_nothing_is_published_have_no_stages_of_them(checkout, scale):
    checkout.write_params(checkout.params() | {"scale": scale})
    assert not [command for command in of_dvc(checkout).outputs if "released" in command or "audit" in command]
    line = checkout.run("snakemake", "--cores", "1", "-n", "released", expect=2)
    assert line.startswith(f"error: scale {scale} has no released weights of voc_r50; name another scale, for example ")
    assert line.count("\n") == 1


def test_every_path_exists_at_every_scale(checkout):
    """DVC refuses to run a stage whose params are missing."""
    values = checkout.params()
    for scale in values["scales"]:
        wanted = Workflow.from_config({"scale": scale}, checkout.root)
        runs = [stage_fields(wanted.project, run=run) for run in (*wanted.runs, *wanted.released)]
        for stage in STAGES.values():
            if stage.published and not wanted.released:
                continue
            for path in {path.format(**fields) for path in stage.values for fields in runs}:
                found = values
                for key in path.split("."):
                    assert key in found, path
                    found = found[key]
