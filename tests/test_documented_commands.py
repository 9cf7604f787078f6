"""Every command in the README and on the pages of the documentation is one that its program takes."""

from __future__ import annotations

import argparse
import importlib
import re
from pathlib import Path

import pytest
import yaml
from dvc.cli.parser import get_main_parser
from snakemake.cli import get_argument_parser

from pointrend.cli import VERBS, main
from pointrend.engines.workflow import Workflow
from pointrend.settings.project import Project
from tests.pages import ROOT, commands, merged, titled_blocks

PAGES = [str(page.relative_to(ROOT)) for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))]
RULES = "".join(path.read_text() for path in (ROOT / "Snakefile", *ROOT.glob("workflow/rules/*.smk")))


@pytest.fixture(scope="module")
def project_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Params with everything that docs/extending.md adds, and nothing computed."""
    folder = tmp_path_factory.mktemp("project")
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    for title, text in titled_blocks("docs/extending.md"):
        params = merged(params, yaml.safe_load(text)) if title == "params.yaml" else params
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    (folder / "published").symlink_to(ROOT / "published")
    return folder


@pytest.fixture
def parsed(project_folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Project, argparse.Namespace]]:
    """What the verbs are called with; none of them does anything."""
    calls: list[tuple[Project, argparse.Namespace]] = []
    for verb in VERBS:
        module = importlib.import_module(f"pointrend.commands.{verb}")
        monkeypatch.setattr(module, "run", lambda project, arguments: calls.append((project, arguments)))
    monkeypatch.chdir(project_folder)
    for name in ("POINTREND_SCALE", "POINTREND_PINS", "POINTREND_ARCHIVES", "POINTREND_PARAMS"):
        monkeypatch.delenv(name, raising=False)
    return calls


def of(program: str) -> list[tuple[str, ...]]:
    """Every different command of a program, without its name; those that only name it left out."""
    words = {tuple(command[1:]) for page in PAGES for command in commands(page, (program,))}
    return sorted(command for command in words if command)


@pytest.mark.parametrize("words", of("pointrend"), ids=" ".join)
def test_pointrend(
    words: tuple[str, ...], parsed: list[tuple[Project, argparse.Namespace]], capsys: pytest.CaptureFixture[str]
) -> None:
    # Only mentioned: `pointrend fetch`, `pointrend --set nodes=2 train ...`
    if words[-1] in (*VERBS, "VERB", "..."):
        assert {"VERB", *VERBS} & set(words)
        return
    assert main(words) == 0, capsys.readouterr().err
    ((project, arguments),) = parsed
    params = project.params
    known = {"run": params.runs, "dataset": params.datasets}
    known["name"] = [*params.datasets, *(f"backbone_{name}" for name in params.backbones), *project.published_files()]
    for key, names in known.items():
        assert getattr(arguments, key, None) in (None, *names)


@pytest.mark.parametrize("words", of("snakemake"), ids=" ".join)
def test_snakemake(words: tuple[str, ...], project_folder: Path) -> None:
    options = get_argument_parser(profiles=[]).parse_args(words)
    # A target after --config would be taken for one of its values.
    config = dict(word.split("=") for word in options.config or ())
    wanted = Workflow.from_config(config, project_folder)
    targets = {*re.findall(r"^rule (\w+):", RULES, re.M), *wanted.project.params.runs}
    assert set(options.targets) <= targets
    assert all((ROOT / profile / "config.yaml").is_file() for profile in options.profile or ())
    only_mentioned = len(words) == 1  # `snakemake --nocolor`
    assert options.cores or options.dryrun or options.unlock or options.report or only_mentioned


@pytest.mark.parametrize("words", of("dvc"), ids=" ".join)
def test_dvc(words: tuple[str, ...]) -> None:
    options = get_main_parser().parse_args(words)
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    targets = {target.partition("@")[0] for target in getattr(options, "targets", None) or ()}
    assert targets <= {*stages, "dvc.yaml"}


@pytest.mark.parametrize("words", of("make"), ids=" ".join)
def test_make(words: tuple[str, ...]) -> None:
    listed = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.M)
    assert listed is not None
    assert {word for word in words if "=" not in word} <= set(listed[1].split())


@pytest.mark.parametrize("words", of("pytest"), ids=" ".join)
def test_pytest(words: tuple[str, ...]) -> None:
    paths = [word.partition("::")[0] for word in words if word.startswith("tests/")]
    assert paths
    assert all((ROOT / path).exists() for path in paths)
