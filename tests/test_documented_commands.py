"""Every command in the README and on the pages of the documentation is one that its program accepts."""

import re
import shutil
from unittest.mock import Mock

import pytest
import yaml
from dvc.cli.parser import get_main_parser
from snakemake.cli import get_argument_parser

from pointrend.cli import VERBS, main
from pointrend.engines.workflow import Workflow
from tests.pages import ROOT, add_blocks, commands

PAGES = [str(page.relative_to(ROOT)) for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))]
RULES = "".join(path.read_text() for path in (ROOT / "Snakefile", *ROOT.glob("workflow/rules/*.smk")))


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "params.yaml", folder)
    shutil.copytree(ROOT / "published", folder / "published")
    (folder / "pointrend/datasets").mkdir(parents=True)
    add_blocks("docs/extending.md", folder)
    return folder


def every(program: str) -> pytest.MarkDecorator:
    """A test for each different command of a program, its words without the program's name."""
    words = {command for page in PAGES for command in commands(page, program) if command}
    return pytest.mark.parametrize("words", sorted(words), ids=" ".join)


@every("pointrend")
def test_pointrend(words, extended, monkeypatch):
    # Only mentioned: `pointrend fetch`, `pointrend COMMAND --help`, `pointrend --set nodes=2 train ...`
    if words[-1] in (*VERBS, "--help", "..."):
        assert {"COMMAND", *VERBS} & set(words)
        return
    verb = next(word for word in words if word in VERBS)
    called = Mock(return_value=None)
    monkeypatch.setattr(f"pointrend.commands.{verb}.run", called)
    monkeypatch.chdir(extended)
    assert main(words) == 0
    project, arguments = called.call_args.args
    runs, datasets, backbones = project.params.runs, project.params.datasets, project.params.backbones
    known = {"run": [*runs], "dataset": [*datasets]}
    known["name"] = [*datasets, *(f"backbone_{name}" for name in backbones), *project.published_files()]
    for key, names in known.items():
        assert getattr(arguments, key, None) in (None, *names)


@every("snakemake")
def test_snakemake(words, extended):
    options = get_argument_parser(profiles=[]).parse_args(words)
    # A target after --config fails here: it is taken for one of its values.
    config = dict(word.split("=") for word in options.config or () if word[-1] != "=")
    wanted = Workflow.from_config(config, extended)
    targets = {*re.findall(r"^rule (\w+):", RULES, re.M), *wanted.project.params.runs}
    assert set(options.targets) <= targets
    assert all((ROOT / profile / "config.yaml").is_file() for profile in options.profile or ())
    plans = options.dryrun or options.dag
    assert options.cores or plans or options.unlock or options.report or len(words) == 1  # --touch: mentioned


@every("dvc")
def test_dvc(words):
    options = get_main_parser().parse_args(words)
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    targets = {target.partition("@")[0] for target in getattr(options, "targets", None) or ()}
    assert targets <= {*stages, "dvc.yaml"}


@every("make")
def test_make(words):
    (listed,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.M)
    assert {word for word in words if "=" not in word} <= set(listed.split())


@every("pytest")
def test_pytest(words):
    assert all((ROOT / word).exists() for word in words)


@every("python")
def test_python(words):
    option, module, *rest = words
    folder = ROOT / module.replace(".", "/")
    assert option == "-m"
    assert (folder / "__main__.py").is_file() or folder.with_suffix(".py").is_file()
    assert module != "benchmarks" or all((folder / f"{what}.py").is_file() for what in rest)
