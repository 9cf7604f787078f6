"""Where the engines are started, and which environment they refuse: their jobs must see what they see."""

import os
import shutil
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from pointrend.checkout.code_digest import PACKAGE
from pointrend.engines import slurm
from pointrend.engines.environment import check_folder, check_params_variable, check_stage
from pointrend.errors import MachineError, ParamsError
from tests.workflow.checkout import Checkout

BIN = Path(sys.executable).parent


@pytest.fixture
def checkout(tmp_path):
    return Checkout.of_voc(tmp_path / "pointrend")


def said(checkout: Checkout, folder: Path, *command: str, expect: int = 1, **environment: str) -> list[str]:
    """What a command that must succeed or fail prints, in ``folder`` and with more in its environment."""
    env = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONPATH": str(checkout.root), **environment}
    ran = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=100)
    assert bool(ran.returncode) == expect
    return (ran.stdout + ran.stderr).splitlines()


def test_the_variable_must_name_the_file_that_engines_read(tmp_path, monkeypatch):
    (tmp_path / "params.yaml").touch()
    monkeypatch.chdir(tmp_path)
    for value in ("", "params.yaml", f"{tmp_path}/params.yaml"):
        monkeypatch.setenv("POINTREND_PARAMS", value)
        check_params_variable(tmp_path)
    for value in ("other.yaml", "/nowhere/params.yaml"):
        monkeypatch.setenv("POINTREND_PARAMS", value)
        with pytest.raises(ParamsError, match="unset POINTREND_PARAMS"):
            check_stage("snakemake", tmp_path)


@pytest.mark.parametrize("engine", ["snakemake", "dvc"])
def test_each_engine_refuses_another_params_file_in_one_line(checkout, engine):
    checkout.git("init", "--quiet")
    other = checkout.root.parent / "other.yaml"
    shutil.copy(checkout.root / "params.yaml", other)
    command = ("snakemake", "-n") if engine == "snakemake" else ("dvc", "repro")
    lines = said(checkout, checkout.root, *command, POINTREND_PARAMS=str(other))
    (line,) = (line for line in lines if line.startswith("error: "))
    assert line.startswith(f"error: POINTREND_PARAMS names {other}, but Snakemake and DVC use {checkout.root}/params")
    assert not (checkout.root / "data").exists()
    if engine == "snakemake":
        assert lines == [line]


def test_dvc_goes_by_the_code_of_the_checkout(checkout):
    check_stage("dvc", PACKAGE.parent)
    check_stage("dvc", checkout.root)  # another copy of the same code
    changed = checkout.root / "pointrend/model/points.py"
    changed.write_text(changed.read_text() + "# changed\n")
    check_stage("snakemake", checkout.root)  # which records the code that runs, wherever it is
    with pytest.raises(MachineError, match="activate the environment of this checkout") as error:
        check_stage("dvc", checkout.root)
    assert str(PACKAGE / "model/points.py") in error.value.what
    checkout.git("init", "--quiet")
    lines = said(checkout, checkout.root, "dvc", "repro", PYTHONPATH=str(PACKAGE.parent))
    assert [line for line in lines if line.startswith("error: ")] == [f"error: {error.value}"]


def test_a_folder_that_is_no_checkout_is_one_line(checkout, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (line,) = said(checkout, elsewhere, "snakemake", "-n", "--snakefile", str(checkout.root / "Snakefile"))
    told = f"so the workflow cannot run there; go to the project's folder: cd {checkout.root}"
    assert line == f"error: {elsewhere} has no params.yaml, {told}"
    (line,) = said(checkout, checkout.root, "snakemake", "-n", "--directory", str(elsewhere))
    assert line == f"error: {elsewhere} has no params.yaml, {told}"
    (elsewhere / "params.yaml").touch()
    with pytest.raises(ParamsError, match=f"{elsewhere} has no published, {told}"):
        check_folder(elsewhere, checkout.root)
    words = ("--cores", "1", "--snakefile", str(checkout.root / "Snakefile"), "--directory", str(checkout.root))
    assert "rule train:" in "".join(said(checkout, elsewhere, "snakemake", "-n", *words, expect=0))
    assert list(elsewhere.iterdir()) == [elsewhere / "params.yaml"]


def test_a_slurm_that_does_not_answer_is_one_line_before_any_job(checkout, tmp_path):
    program(tmp_path, "echo 'sinfo: fatal: no configuration' >&2; exit 1")
    words = ("--cores", "1", "--profile", "workflow/profiles/slurm", "--config", "scale=demo")
    path = f"{tmp_path}:{BIN}:{os.environ['PATH']}"
    lines = said(checkout, checkout.root, "snakemake", *words, PATH=path)
    (line,) = (line for line in lines if line.startswith("error: "))
    told = "Slurm does not answer: sinfo: fatal: no configuration; run: pointrend doctor, or leave out --profile slurm"
    assert line == f"error: {told}"
    assert "Traceback" not in "\n".join(lines)
    assert not (checkout.root / "data").exists()


@pytest.mark.parametrize(
    ("script", "what"),
    [
        ("echo gpu", ""),
        ("exec sleep 60", "Slurm does not answer: no output from sinfo for 0.5 s"),
        ("echo one >&2; echo two >&2; exit 1", "Slurm does not answer: two"),
        ("exit 7", "Slurm does not answer: Command"),
        (None, "Slurm is not installed on this machine: no sinfo on the PATH"),
    ],
)
def test_a_slurm_that_answers_and_every_way_not_to(tmp_path, monkeypatch, script, what):
    monkeypatch.setattr(slurm, "ANSWER_SECONDS", 0.5)
    monkeypatch.setenv("PATH", f"{tmp_path}" if script is None else f"{tmp_path}:/usr/bin:/bin")
    if script is not None:
        program(tmp_path, script)
    with pytest.raises(MachineError) if what else nullcontext() as error:
        slurm.check_slurm()
    assert not what or error.value.what.startswith(what)


def program(folder: Path, script: str) -> None:
    (folder / "sinfo").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "sinfo").chmod(0o755)
