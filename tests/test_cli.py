"""The command line: one-line errors, exit codes, quick help."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest

from pointrend.cli import VERBS, main, top_parser, verb_parser
from pointrend.errors import CheckFailed

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def in_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an empty checkout: only params.yaml and published/."""
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    (tmp_path / "published").symlink_to(ROOT / "published")
    monkeypatch.chdir(tmp_path)
    for name in ("POINTREND_SCALE", "POINTREND_PINS", "POINTREND_ARCHIVES", "POINTREND_PARAMS"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("trian voc_r50", "there is no verb 'trian' (did you mean 'train'?)"),
        ("train voc_r5", "there is no run 'voc_r5' (did you mean 'voc_r50'?)"),
        ("prepare voq", "there is no dataset 'voq' (did you mean 'voc'?)"),
        ("fetch backbone_r5", "there is no archive to fetch 'backbone_r5' (did you mean 'backbone_r50'?)"),
        ("--scale papr train voc_r50", "there is no scale 'papr' (did you mean 'paper'?)"),
        ("--set lrr=1 train voc_r50", "there is no key 'lrr' (did you mean 'lr'?)"),
        ("--set lr train voc_r50", "--set 'lr' is not KEY=VALUE"),
        ("--params nowhere.yaml plan", "nowhere.yaml does not exist"),
        ("train voc_r50", "run: pointrend --scale demo prepare voc"),
        ("describe voc", "run: pointrend --scale demo prepare voc"),
        ("prepare voc", "run: pointrend --scale demo fetch voc"),
        ("report", "results.json is not there"),
        ("evaluate voc_r50 --out x", "--out goes with --weights"),
        ("compare --seeds 1,x", "--seeds '1,x': 'x' is not a whole number"),
        ("plan --step-ms r5=10", "there is no run or backbone 'r5' (did you mean 'r50'?)"),
        ("plan --step-ms r50=fast", "--step-ms 'r50=fast' is not NAME=MILLISECONDS"),
        ("plan --step-ms r50=-1", "--step-ms 'r50=-1' is not NAME=MILLISECONDS"),
        ("train VOC_R50", "there is no run 'VOC_R50' (did you mean 'voc_r50'?)"),
        ("compare --scale papr", "there is no scale 'papr' (did you mean 'paper'?)"),
        (
            "--set gpus=two plan",
            "(got 'two'); correct it where it was set, in params.yaml, with --set or --config",
        ),
        ("--scale pilot report", "run: pointrend --scale pilot compare; snakemake --cores all runs"),
        ("bench lodaer", "there is no benchmark 'lodaer' (did you mean 'loader'?)"),
    ],
)
def test_wrong_input_is_one_line_and_exit_2(arguments: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments.split()) == 2
    shown, error = capsys.readouterr()
    assert shown == ""
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert words in error


def test_a_failed_check_exits_3(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def drifted(*_: object) -> None:
        raise CheckFailed("the table has\ndrifted", "write it again")

    monkeypatch.setattr("pointrend.commands.compare.run", drifted)
    assert main(["compare"]) == 3
    assert capsys.readouterr().err == "error: the table has drifted; write it again\n"


def test_a_traceback_goes_to_the_log_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "voc"]) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert "Traceback" in (tmp_path / "logs/demo/prepare-voc.log").read_text()


def help_of(*verb: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stopped:
        main([*verb, "--help"])
    assert stopped.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_every_verb_ends_with_examples_that_parse(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, _, examples = help_of(verb, capsys=capsys).partition("\nexamples:\n")
    for example in examples.splitlines():
        program, *words = shlex.split(example)
        options = top_parser().parse_args(words)
        assert (program, options.verb) == ("pointrend", verb)
        verb_parser(import_module(f"pointrend.commands.{verb}")).parse_args(options.rest, options)
        named = [word for word in options.rest if word.startswith(("docs/", "tests/"))]
        assert all((ROOT / name).exists() for name in named), example
    assert examples


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_no_line_of_a_help_is_wider_than_a_terminal(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert [line for line in help_of(*verb.split(), capsys=capsys).splitlines() if len(line) > 80] == []


@pytest.mark.parametrize(
    "words",
    [
        "--scale pilot --set gpus=2 --set batch_size=8 plan",
        "plan --scale pilot --set gpus=2 --set batch_size=8",
        "--scale paper --set gpus=2 plan --scale pilot --set batch_size=8 --quiet",
    ],
)
def test_options_stand_before_or_after_the_verb(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words.split()) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("scale pilot, ")
    assert re.search(r"^voc_r50 +2 +8 ", shown, re.MULTILINE)


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"pointrend {version('pointrend')}\n"


def test_the_help_of_the_program_ends_with_examples_that_parse(capsys: pytest.CaptureFixture[str]) -> None:
    _, _, examples = help_of(capsys=capsys).partition("\nexamples:\n")
    verbs = [top_parser().parse_args(shlex.split(example)[1:]).verb for example in examples.splitlines()]
    assert verbs == ["plan", "fetch", "train", "VERB"]


LIGHT = "import sys; from pointrend.cli import main; main(sys.argv[1:]); print(sorted(m for m in sys.modules))"


@pytest.mark.parametrize("arguments", ["compare", "report --show", "plan"])
def test_verbs_without_a_network_import_no_torch(arguments: str, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", LIGHT, *arguments.split()], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    assert "'torch'" not in ran.stdout
    assert "'mlflow'" not in ran.stdout


TORCHLESS = (
    *("fetch", "prepare", "describe", "audit", "compare", "report", "verify", "track", "bridge", "plan", "bench"),
    "doctor",
)
"""Verbs that neither import torch nor do so in what they call, but for what ``bench`` times."""
CALLED = (
    "pointrend.archives.fetch",
    "pointrend.datasets.prepare.prepare",
    "pointrend.archives.demo.build",
    "pointrend.bench.hash",
)


def test_every_verb_but_those_with_a_network_does_without_torch() -> None:
    assert sorted({*VERBS} - {*TORCHLESS}) == ["evaluate", "export", "predict", "train"]
    modules = [*(f"pointrend.commands.{verb}" for verb in TORCHLESS), *CALLED]
    code = f"import sys, {', '.join(modules)}; print([name for name in ('torch', 'mlflow') if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout == "[]\n"
