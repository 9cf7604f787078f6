"""The DAG as each engine sees it, in one form: what a command writes, and which commands it waits for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import networkx as nx
from dvc.repo import Repo

from tests.workflow.checkout import Checkout


@dataclass(frozen=True)
class Dag:
    """Commands with what they write, and edges between commands (first, then), implied edges left out."""

    outputs: dict[str, tuple[str, ...]]
    edges: set[tuple[str, str]]


def of_dvc(checkout: Checkout) -> Dag:
    """The DAG of dvc.yaml."""
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


def first_difference(dvc: Dag, snakemake: Dag) -> str:
    """One line about the first thing that is not the same; empty where nothing is."""
    for command in sorted(dvc.outputs.keys() | snakemake.outputs.keys()):
        for engine, dag in (("dvc", dvc), ("snakemake", snakemake)):
            if command not in dag.outputs:
                return f"{engine} has no command {command!r}"
        for ours, theirs in zip_longest(dvc.outputs[command], snakemake.outputs[command]):
            if ours != theirs:
                return f"{command!r} writes {ours} under dvc, {theirs} under snakemake"
    for edge in sorted(dvc.edges ^ snakemake.edges):
        engine = "dvc" if edge in dvc.edges else "snakemake"
        return f"only under {engine} {edge[1]!r} waits for {edge[0]!r}"
    return ""


def dvc_triggers(root: Path, command: str) -> tuple[set[str], set[str]]:
    """Paths in params.yaml, and source files, whose change redoes a command under DVC."""
    with Repo(str(root)) as repo:
        (stage,) = (stage for stage in repo.index.stages if _command(stage) == command)
        paths = {path for dep in stage.params for path in dep.params}
        files = {dep.def_path for dep in stage.deps if str(dep.def_path).startswith("pointrend/")}
    return paths, files
