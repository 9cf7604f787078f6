"""What `pointrend doctor` finds, and what it tells to do."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from pointrend.cli import main
from pointrend.engines.doctor.cluster import check_shared, check_slurm, file_system, slurm_version
from pointrend.engines.doctor.machine import check_cuda, check_disk, check_git, check_shared_memory
from pointrend.engines.doctor.outside import check_archives, check_tracking, redacted
from pointrend.settings.project import Project
from tests.mirrors import set_urls

ROOT = Path(__file__).parents[2]
CONFIG = "AccountingStorageType = accounting_storage/{accounting}\nKillWait = {wait} sec\nMinJobAge = {age} sec"


@pytest.fixture(autouse=True)
def in_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty checkout, with no program of this machine on the PATH and nothing set."""
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    shutil.copytree(ROOT / "published", tmp_path / "published")
    (tmp_path / "bin").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin/no-slurm:/bin/no-slurm")
    for name in (
        "POINTREND_SCALE",
        "POINTREND_ARCHIVES",
        "POINTREND_PINS",
        "MLFLOW_TRACKING_URI",
        "CITYSCAPES_USERNAME",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def paper(tmp_path: Path) -> Project:
    return Project.load(tmp_path / "params.yaml", "paper")


def program(name: str, *answers: tuple[str, str]) -> None:
    """A program that prints what is given for arguments that hold a word, and else fails."""
    cases = "".join(f"case \"$*\" in *{word}*) printf '%s\\n' '{text}'; exit 0;; esac\n" for word, text in answers)
    Path("bin", name).write_text(f"#!/bin/sh\n{cases}exit 1\n")
    Path("bin", name).chmod(0o755)


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
    assert printed.endswith("nothing is missing for scale demo; next: snakemake --cores all --config scale=demo\n")


def test_the_published_recipe_needs_gpus_and_an_account(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--scale", "paper", "doctor"]) == 3
    printed = capsys.readouterr()
    assert "lacks: cuda, " in printed.err
    assert "archives of cityscapes" in printed.err
    assert "CITYSCAPES_USERNAME" in printed.out
    assert "or do without: --config runs=voc_r50,voc_r101,ade20k_r50,ade20k_r101\n" in printed.out
    assert "scored without one, too: snakemake --cores all released --config scale=paper\n" in printed.out
    assert main(["--scale", "paper", "doctor", "--json"]) == 3
    report = json.loads(capsys.readouterr().out)
    states = {finding["name"]: finding["state"] for finding in report["findings"]}
    assert (report["scale"], report["ok"]) == ("paper", False)
    assert (states["cuda"], states["archives of voc"], states["slurm"]) == ("missing", "note", "note")


def test_gpus(paper: Project) -> None:
    program("nvidia-smi", ("query", "A100, 40 GB"))
    assert check_cuda(paper, cluster=False).do == "--config gpus=1: the batch stays the same"
    assert check_cuda(paper, cluster=True).state == "note"
    program("nvidia-smi", ("query", "\n".join(["A100, 40 GB"] * 4)))
    assert check_cuda(paper, cluster=False).state == "ok"


def test_too_little_disk(paper: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10e9}))
    assert check_disk(paper).state == "missing"
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1e12}))
    assert check_disk(paper).state == "ok"


@pytest.mark.parametrize("variable", ["HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"])
def test_a_home_that_cannot_be_written_is_named(
    variable: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, "/dev/null/x")
    assert main(["--scale", "demo", "doctor", "--json"]) == 3
    findings = {finding["name"]: finding for finding in json.loads(capsys.readouterr().out)["findings"]}
    assert findings["home"]["state"] == "missing"
    assert "/dev/null/x" in findings["home"]["found"]
    assert "set HOME or XDG_C" in findings["home"]["do"]
    assert variable in findings["home"]["do"]


def test_an_archive_without_a_url_needs_no_account(capsys: pytest.CaptureFixture[str]) -> None:
    set_urls({"benchmark.tgz": []})
    assert main(["--scale", "pilot", "doctor", "--json"]) == 3
    findings = {finding["name"]: finding for finding in json.loads(capsys.readouterr().out)["findings"]}
    assert findings["archives of voc"]["state"] == "missing"
    assert findings["archives of voc"]["do"].startswith("add URLs to published/mirrors.json, or set POINTREND_ARCH")
    assert findings["archives of cityscapes"]["do"].startswith("set CITYSCAPES_USERNAME and CITYSCAPES_PASSWORD, or")


def test_too_little_shared_memory(paper: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def whole(size: int | None) -> None:
        monkeypatch.setattr("pointrend.engines.doctor.machine.whole_bytes", lambda: size)

    whole(64 * 2**20)  # what Docker gives
    found = check_shared_memory(paper, cluster=False)
    assert found.state == "missing"
    assert found.found.endswith(" has 67 MB, about 168 MB needed for batches on their way")
    assert "--shm-size" in found.do
    assert check_shared_memory(paper, cluster=True).state == "note"
    whole(2**28)
    assert check_shared_memory(paper, cluster=False).state == "ok"
    whole(None)
    assert check_shared_memory(paper, cluster=False).state == "ok"


def test_slurm_with_and_without_accounting() -> None:
    slurm()
    version = slurm_version()
    assert version == "slurm 22.05.8"
    found = {finding.name: finding for finding in check_slurm(version)}
    assert found["slurm"].found == "slurm 22.05.8: gpu* (2 nodes, gpu:4, at most 1-00:00:00)"
    assert found["status"].found.startswith("squeue: no accounting")
    assert found["preemption"].state == "ok"
    slurm(accounting="slurmdbd", wait=5)
    found = {finding.name: finding for finding in check_slurm(version)}
    assert "slurm-status-command: sacct" in found["status"].do
    assert found["preemption"].state == "note"
    slurm(age=20)
    assert {finding.name: finding for finding in check_slurm(version)}["status"].state == "missing"


def test_no_slurm() -> None:
    assert slurm_version() is None
    assert [finding.state for finding in check_slurm(None)] == ["note"]


MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
/dev/sdb1 /home/me/local\\040disk xfs rw 0 0
"""


def test_a_checkout_that_other_nodes_do_not_see(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    monkeypatch.setattr("socket.gethostname", lambda: "gpu01.cluster")
    assert file_system(Path("/home/me/local disk/x"), mounts) == "xfs"
    assert check_shared(Path("/home/me"), "slurm", mounts).state == "ok"
    assert check_shared(Path("/scratch"), None, mounts).state == "ok"
    slurm(hosts=("gpu01", "gpu02"))
    finding = check_shared(Path("/scratch"), "slurm", mounts)
    assert (finding.state, finding.found) == (
        "missing",
        "/scratch is on a local file system (ext4): gpu02 will not see it",
    )
    slurm(hosts=("gpu01",))
    assert check_shared(Path("/scratch"), "slurm", mounts).state == "ok"


def test_archives_at_hand(paper: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states = {finding.name: finding.state for finding in check_archives(paper)}
    assert states["archives of cityscapes"] == "missing"
    for pin in paper.archives_of("cityscapes"):
        (tmp_path / pin.name).touch()
    monkeypatch.setenv("POINTREND_ARCHIVES", str(tmp_path))
    at_hand = Project.load(tmp_path / "params.yaml", "paper")
    assert {finding.name: finding.state for finding in check_archives(at_hand)}["archives of cityscapes"] == "note"


@pytest.fixture
def server() -> Iterator[tuple[str, dict[str, int]]]:
    """A tracking server's address, and the status that it answers with."""
    answer = {"status": 200}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(answer["status"] if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    served = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    yield f"http://me:secret@127.0.0.1:{served.server_port}", answer
    served.shutdown()
    thread.join(10)
    served.server_close()


def test_a_tracking_server(server: tuple[str, dict[str, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    uri, answer = server
    assert check_tracking().state == "ok"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    for status, state in ((200, "ok"), (401, "missing"), (500, "missing")):
        answer["status"] = status
        finding = check_tracking()
        assert finding.state == state
        assert "secret" not in finding.found + finding.do
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    finding = check_tracking()
    assert (finding.state, finding.found) == ("missing", "http://127.0.0.1:9 does not answer (ConnectionError)")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    assert check_tracking().state == "note"


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://me:secret@host:5000/mlflow?token=x", "https://host:5000/mlflow"),
        ("postgresql+psycopg2://me:secret@host/db", "postgresql+psycopg2://host/db"),
    ],
)
def test_credentials_are_never_shown(uri: str, shown: str) -> None:
    assert redacted(uri) == shown
