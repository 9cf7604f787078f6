"""Tracking to a real server that is not there, is killed, hangs and comes back: every point arrives once."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path

import pytest
from mlflow import MlflowClient

from pointrend.evaluation.described import describe
from tests.slurm.cluster import until
from tests.tracking.projects import (
    FINGERPRINT,
    START,
    consistent,
    expected,
    finish,
    growing,
    points,
    query,
    records,
    refusing,
    spool,
    tables,
    write_results,
)

CANARY = "sw0rdfish"


class Server:
    """A real `mlflow server` on loopback that can be killed, frozen and started again on the same port and data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = refusing()
        self.uri = f"http://{self.address}"
        self.database = folder / "server.db"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [
            sys.executable,
            "-m",
            "mlflow",
            "server",
            "--host",
            "127.0.0.1",
            "--port",
            self.address.partition(":")[2],
        ]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{self.database}"]
        command += ["--artifacts-destination", str(self.folder / "artifacts")]
        quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        with open(self.folder / "server.log", "ab") as log:
            self.process = subprocess.Popen(
                command, env=os.environ | quiet, stdout=log, stderr=log, start_new_session=True
            )
        until(self._answers, 120, "the server answers")

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=5) as answer:  # noqa: S310 our own server
                return answer.status == 200
        except OSError:
            return False

    def signal(self, number: int) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        if self.process is not None:
            self.signal(signal.SIGKILL)
            self.process.wait(30)
            self.process = None


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server that has not been started yet."""
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.kill()


def start(root: Path, server: Server, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pointrend", "--scale", "demo", "track", *words],
        cwd=root,
        env=os.environ
        | {"MLFLOW_TRACKING_URI": f"http://user:{CANARY}@{server.address}", "MLFLOW_HTTP_REQUEST_TIMEOUT": "4"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_follower_and_a_server_that_comes_and_goes(root, server):
    path, log = spool(growing(root), records(1, 3)), root / "logs/demo/track-follow.log"

    def failures() -> int:
        return log.read_text().count("next try in") if log.is_file() else 0

    follower = start(root, server, "follow", "--interval", "0.5", "--quiet")
    until(lambda: failures() >= 1)  # dead from the start
    server.start()
    until(lambda: points(server.database) == expected(3))

    server.kill()
    spool(path, records(1, 5))
    before = failures()
    until(lambda: failures() > before)
    server.start()
    until(lambda: points(server.database) == expected(5))

    server.signal(signal.SIGSTOP)
    spool(path, records(1, 8))
    before = failures()
    until(lambda: failures() > before)
    server.signal(signal.SIGCONT)
    until(lambda: points(server.database) == expected(8))

    # The training was killed, resumes at an earlier checkpoint, and goes through steps 5 to 8 again, at other times.
    spool(path, records(1, 4), '{"iter')
    time.sleep(1)
    spool(path, records(1, 4) + records(5, 10, START + 100))
    until(lambda: points(server.database) == expected(10))
    look = {"iteration": 10, "epoch": 1, "validation_miou": 41.5, "time": START + 111}
    spool(path, [*records(1, 4), *records(5, 10, START + 100), look])
    looked = Counter({("train/validation_miou", 10): 1})
    until(lambda: points(server.database) == expected(10) + looked)

    follower.send_signal(signal.SIGTERM)
    output, _ = follower.communicate(timeout=30)
    assert (follower.returncode, output) == (0, "")
    assert "Traceback" not in log.read_text()
    times = dict(query(server.database, "SELECT step, timestamp FROM metrics WHERE key = 'train/loss'"))
    assert query(server.database, "SELECT count(*) FROM runs") == [(2,)]
    assert [round(times[step] / 1000 - START, 2) for step in (8, 9)] == [8, 109]

    # What the end of the training leaves is sent to the same runs, whatever was sent before.
    finish(root, steps=10)
    spool(root / "runs/demo/voc_r50-s0/metrics.jsonl", [*records(1, 4), *records(5, 12, START + 100), look])
    write_results(root, consistent(hashes={"fingerprint": FINGERPRINT}))
    syncs = [start(root, server, "sync") for _ in range(2)]
    outputs = [process.communicate(timeout=120)[0] for process in syncs]
    assert [process.returncode for process in syncs] == [0, 0], outputs
    found = points(server.database)
    assert {key: count for key, count in found.items() if key[0].startswith("train/")} == expected(12) + looked
    assert set(found.values()) == {1}

    whole = tables(server.database)
    again = start(root, server, "sync")
    output, _ = again.communicate(timeout=120)
    assert again.returncode == 0, output
    assert tables(server.database) == whole
    _everything_is_there_and_no_password(root, server, [*outputs, output])


def _everything_is_there_and_no_password(root: Path, server: Server, outputs: list[str]) -> None:
    client = MlflowClient(server.uri)
    version = client.get_model_version_by_alias("pointrend-voc_r50", "consistent")
    files = [file.path for file in client.list_artifacts(version.run_id, "model")]
    assert {"model/MLmodel", "model/artifacts", "model/code"} <= set(files)
    (stored,) = (server.folder / "artifacts").rglob("model.safetensors")
    assert stored.read_bytes() == describe(root / "runs/demo/voc_r50-s0")
    texts = [*outputs, *tables(server.database), *(path.read_text() for path in (root / "logs").rglob("*.log"))]
    texts += [(root / "logs/demo/tracked.json").read_text()]
    assert f"http://{server.address}" in texts[-1]
    assert not [text for text in texts if CANARY in text]
