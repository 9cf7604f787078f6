"""The findings of `pointrend doctor`, and its advice."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pointrend.cli import main
from pointrend.engines.doctor.cluster import check_shared, check_slurm, file_system, slurm_version
from pointrend.engines.doctor.finding import Finding
from pointrend.engines.doctor.machine import check_cuda, check_disk, check_git, check_shared_memory
from pointrend.engines.doctor.outside import check_archives, check_tracking
from pointrend.settings.project import Project
from tests.mirrors import set_urls
from tests.tiny import ROOT

CONFIG = "AccountingStorageType = accounting_storage/{accounting}\nKillWait = {wait} sec\nMinJobAge = {age} sec"


@pytest.fixture(autouse=True)
def in_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty checkout, with no program of this machine on the PATH and nothing set."""
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    shutil.copytree(ROOT / "published", tmp_path / "published")
    (tmp_path / "bin").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin/no-slurm:/bin/no-slurm")
    ours = (f"POINTREND_{name}" for name in ("SCALE", "ARCHIVES", "PINS"))
    for name in (*ours, "MLFLOW_TRACKING_URI", "CITYSCAPES_USERNAME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def paper(tmp_path: Path) -> Project:
    return Project.load(tmp_path / "params.yaml", "paper")


def program(name: str, *answers: tuple[str, str]) -> None:
    """A program that prints what is given for arguments that hold a word, and else fails."""
    cases = "".join(f"case \"$*\" in *{word}*) printf '%s\\n' '{text}'; exit 0;; esac\n" for word, text in answers)
    Path("bin", name).write_text(f"#!/bin/sh\n{cases}exit 1\n")
    Path("bin", name).chmod(0o755)


@pytest.fixture
def findings(capsys: pytest.CaptureFixture[str]) -> Callable[[str], dict[str, dict[str, str]]]:
    """The findings by name at a scale that lacks something, as JSON."""

    def found(scale: str) -> dict[str, dict[str, str]]:
        assert main(["--scale", scale, "doctor", "--json"]) == 3
        report = json.loads(capsys.readouterr().out)
        assert (report["scale"], report["ok"]) == (scale, False)
        return {finding["name"]: finding for finding in report["findings"]}

    return found


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def slurm(accounting: str = "none", wait: int = 30, age: int = 300, hosts: tuple[str, ...] = ("gpu01",)) -> None:
    program("sinfo", ("--version", "slurm 22.05.8"), ("%D", "gpu* 2 gpu:4 1-00:00:00"), ("%P", "gpu*"))
    nodes = " ".join(f"NodeHostName={host}" for host in hosts)
    program("scontrol", ("config", CONFIG.format(accounting=accounting, wait=wait, age=age)), ("nodes", nodes))
    program("sacct", ("--version", "slurm 22.05.8"))


def test_a_download_without_git_is_told_what_dvc_needs(tmp_path: Path) -> None:
    (finding,) = check_git(tmp_path)
    assert finding.state == "note"
    assert "dvc config --local core.no_scm true" in finding.do
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config.local").write_text("[core]\n    no_scm = true\n")
    assert check_git(tmp_path) == []
    (tmp_path / ".dvc/config.local").unlink()
    (tmp_path / ".git").mkdir()
    assert check_git(tmp_path / "inside") == []


def test_the_demo_needs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--scale", "demo", "doctor"]) == 0
    printed = capsys.readouterr().out
    assert "no GPU, and scale demo needs none" in printed
    assert printed.endswith("nothing is missing for scale demo\nnext: snakemake --cores all --config scale=demo\n")


def test_the_published_recipe_needs_gpus_and_an_account(
    findings: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--scale", "paper", "doctor"]) == 3
    printed = capsys.readouterr()
    assert "lacks: cuda, " in printed.err
    assert "archives of cityscapes" in printed.err
    assert "CITYSCAPES_USERNAME" in printed.out
    text = " ".join(printed.out.split())
    assert "or leave this dataset out: --config runs=voc_r50,voc_r101,ade20k_r50,ade20k_r101 " in text
    assert "scored without a GPU: snakemake --cores all released --config scale=paper " in text
    assert [line for line in printed.out.splitlines() if len(line) > 80 and " " in line.strip()] == []
    states = {name: finding["state"] for name, finding in findings("paper").items()}
    assert (states["cuda"], states["archives of voc"], states["slurm"]) == ("missing", "note", "note")


def test_gpus(paper: Project) -> None:
    program("nvidia-smi", ("query", "A100, 40 GB"))
    assert check_cuda(paper, cluster=False).do == "use --config gpus=1; the batch size stays the same"
    assert check_cuda(paper, cluster=True).state == "note"
    program("nvidia-smi", ("query", "\n".join(["A100, 40 GB"] * 4)))
    assert check_cuda(paper, cluster=False).state == "ok"


@pytest.mark.parametrize(("store", "state"), [("raw", "missing"), ("compact", "ok")])
def test_too_little_disk(store: str, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=80e9))
    assert check_disk(Project.load(Path("params.yaml"), "paper", (f"store={store}",))).state == state


@pytest.mark.parametrize("variable", ["HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"])
def test_a_home_that_cannot_be_written_is_named(
    variable: str, findings: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, "/dev/null/x")
    home = findings("demo")["home"]
    assert (home["state"], "/dev/null/x" in home["found"]) == ("missing", True)
    assert "set HOME or XDG_C" in home["do"]
    assert variable in home["do"]


def test_an_archive_without_a_url_needs_no_account(paper: Project) -> None:
    set_urls({"benchmark.tgz": []})
    found = by_name(check_archives(paper))
    assert found["archives of voc"].state == "missing"
    assert found["archives of voc"].do.startswith("add URLs to published/mirrors.json, or set POINTREND_ARCH")
    assert found["archives of cityscapes"].do.startswith("set CITYSCAPES_USERNAME and CITYSCAPES_PASSWORD, or")


def test_too_little_shared_memory(paper: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    docker = 2**26
    for size, cluster, state in (
        (2**28, False, "ok"),
        (None, False, "ok"),
        (docker, True, "note"),
        (docker, 0, "missing"),
    ):
        monkeypatch.setattr("pointrend.engines.doctor.machine.whole_bytes", lambda size=size: size)
        found = check_shared_memory(paper, cluster)
        assert found.state == state
    assert found.found.endswith(" has 67 MB, about 168 MB needed for batches on their way")
    assert "--shm-size" in found.do


def test_no_slurm_and_slurm_with_and_without_accounting() -> None:
    assert slurm_version() is None
    assert [finding.state for finding in check_slurm(None)] == ["note"]
    slurm()
    version = slurm_version()
    assert version == "slurm 22.05.8"
    found = by_name(check_slurm(version))
    assert found["slurm"].found == "slurm 22.05.8: gpu* (2 nodes, gpu:4, at most 1-00:00:00)"
    assert found["status"].found.startswith("squeue: no accounting")
    assert found["preemption"].state == "ok"
    slurm(accounting="slurmdbd", wait=5)
    found = by_name(check_slurm(version))
    assert "slurm-status-command: sacct" in found["status"].do
    assert found["preemption"].state == "note"
    slurm(age=20)
    assert by_name(check_slurm(version))["status"].state == "missing"


MOUNTS = {"/": "ext4", "/home": "nfs4", "/home/me/local disk": "xfs"}


def test_a_checkout_that_other_nodes_do_not_see(monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = [SimpleNamespace(mountpoint=folder, fstype=kind) for folder, kind in MOUNTS.items()]
    monkeypatch.setattr("psutil.disk_partitions", lambda all: mounts)
    monkeypatch.setattr("socket.gethostname", lambda: "gpu01.cluster")
    assert file_system(Path("/home/me/local disk/x")) == "xfs"
    assert check_shared(Path("/home/me"), "slurm").state == "ok"
    assert check_shared(Path("/scratch"), None).state == "ok"
    slurm(hosts=("gpu01", "gpu02"))
    finding = check_shared(Path("/scratch"), "slurm")
    assert finding.state == "missing"
    assert finding.found == "/scratch is on a local file system (ext4): gpu02 will not see it"
    slurm(hosts=("gpu01",))
    assert check_shared(Path("/scratch"), "slurm").state == "ok"


def test_archives_at_hand(paper: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert by_name(check_archives(paper))["archives of cityscapes"].state == "missing"
    for pin in paper.archives_of("cityscapes"):
        (tmp_path / pin.name).touch()
    monkeypatch.setenv("POINTREND_ARCHIVES", str(tmp_path))
    at_hand = Project.load(tmp_path / "params.yaml", "paper")
    assert by_name(check_archives(at_hand))["archives of cityscapes"].state == "note"


@pytest.mark.parametrize(
    ("uri", "status", "state", "found"),
    [
        (None, None, "ok", "no MLFLOW_TRACKING_URI: mlflow.db in the checkout"),
        ("http://me:secret@server:5000/", 200, "ok", "http://server:5000/ answers"),
        ("http://me:secret@server:5000/", 401, "missing", "http://server:5000/ requires credentials (401)"),
        ("http://me:secret@server:5000/", 500, "missing", "http://server:5000/ answers 500"),
        ("http://me:secret@127.0.0.1:9", None, "missing", "http://127.0.0.1:9 does not answer (ConnectionError)"),
        (
            "postgresql+psycopg2://me:secret@host/db?token=secret",
            None,
            "note",
            "postgresql+psycopg2://host/db is not",
        ),
    ],
)
def test_a_tracking_server(
    uri: str | None, status: int | None, state: str, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def get(asked: str, timeout: float) -> SimpleNamespace:
        assert (asked, timeout) == ("http://me:secret@server:5000/health", 5)
        return SimpleNamespace(status_code=status, ok=status == 200)

    if uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    if status:
        monkeypatch.setattr("requests.get", get)
    finding = check_tracking()
    assert finding.state == state
    assert finding.found.startswith(found)
    assert "secret" not in finding.found + finding.do
