"""The command line: one-line errors, exit codes, quick help."""

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
def in_a_project(tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    (tmp_path / "published").symlink_to(ROOT / "published")
    monkeypatch.chdir(tmp_path)


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
        ("describe voc --pictures", "run: pointrend --scale demo prepare voc"),
        ("prepare voc", "run: pointrend --scale demo fetch voc"),
        ("report", "results.json does not exist"),
        ("evaluate voc_r50 --out x", "--out needs --weights"),
        ("compare --seeds 1,x", "--seeds '1,x': 'x' is not a whole number"),
        ("plan --step-ms r5=10", "there is no run or backbone 'r5' (did you mean 'r50'?)"),
        ("plan --step-ms r50=fast", "--step-ms 'r50=fast' is not NAME=MILLISECONDS"),
        ("plan --step-ms r50=-1", "--step-ms 'r50=-1' is not NAME=MILLISECONDS"),
        ("train VOC_R50", "there is no run 'VOC_R50' (did you mean 'voc_r50'?)"),
        ("compare --scale papr", "there is no scale 'papr' (did you mean 'paper'?)"),
        ("--set gpus=two plan", "(got 'two'); correct it where it was set, in params.yaml, with --set or --config"),
        ("--scale pilot report", "run: pointrend --scale pilot compare; snakemake --cores all runs"),
    ],
)
def test_wrong_input_is_one_line_and_exit_2(arguments, words, capsys):
    assert main(arguments.split()) == 2
    shown, error = capsys.readouterr()
    assert shown == ""
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert words in error


def test_a_failed_check_exits_3(monkeypatch, capsys):
    def drifted(*_: object) -> None:
        raise CheckFailed("the table has\ndrifted", "write it again")

    monkeypatch.setattr("pointrend.commands.compare.run", drifted)
    assert main(["compare"]) == 3
    assert capsys.readouterr().err == "error: the table has drifted; write it again\n"


def test_a_traceback_goes_to_the_log_alone(tmp_path, capsys):
    assert main(["prepare", "voc"]) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert "Traceback" in (tmp_path / "logs/demo/prepare-voc.log").read_text()


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_every_help_fits_a_terminal_and_ends_with_examples_that_parse(verb, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as stopped:
        main([*verb.split(), "--help"])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    assert [line for line in shown.splitlines() if len(line) > 80 or re.match(r" \S", line)] == []
    examples = shown.partition("\nexamples:\n")[2].splitlines()
    assert examples
    for example in examples:
        program, *words = shlex.split(example)
        options = top_parser().parse_args(words)
        assert (program, options.verb) == ("pointrend", verb or options.verb)
        if options.verb in VERBS:
            verb_parser(import_module(f"pointrend.commands.{options.verb}")).parse_args(options.rest, options)
        named = [word for word in options.rest if word.startswith(("docs/", "tests/"))]
        assert all((ROOT / name).exists() for name in named), example


@pytest.mark.parametrize(
    "words",
    [
        "--scale pilot --set gpus=2 --set batch_size=8 plan",
        "plan --scale pilot --set gpus=2 --set batch_size=8",
        "--scale paper --set gpus=2 plan --scale pilot --set batch_size=8 --quiet",
    ],
)
def test_options_stand_before_or_after_the_verb(words, capsys):
    assert main(words.split()) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("scale pilot, ")
    assert re.search(r"^voc_r50 +2 +8 ", shown, re.MULTILINE)


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"pointrend {version('pointrend')}\n"


HEAVY = "print([name for name in ('torch', 'mlflow') if name in sys.modules])"


def loaded(code: str) -> str:
    """The last line of a program: the heavy packages that it has imported."""
    command = [sys.executable, "-c", f"{code}; {HEAVY}"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return ran.stdout.splitlines()[-1]


@pytest.mark.parametrize("arguments", ["compare", "report --show", "plan"])
def test_verbs_without_a_network_run_without_torch(arguments):
    run = f"import sys; from pointrend.cli import main; main({arguments.split()})"
    assert loaded(run) == "[]"


WITH_NETWORK = {"evaluate", "export", "predict", "train"}
CALLED = ("pointrend.archives.fetch", "pointrend.datasets.prepare.prepare", "pointrend.archives.demo.build")


def test_verbs_without_a_network_and_what_they_call_import_no_torch():
    modules = [*(f"pointrend.commands.{verb}" for verb in VERBS if verb not in WITH_NETWORK), *CALLED]
    assert loaded(f"import sys, {', '.join(modules)}") == "[]"
