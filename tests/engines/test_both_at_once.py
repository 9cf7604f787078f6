"""Two engines in one checkout, and kills at a bad moment: one is refused, and the same command again succeeds."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.slurm.cluster import until
from tests.workflow.checkout import Checkout

LEASE = "checkpoints/demo/voc_r50-s0/*/lease/*"
COMMANDS = {
    "dvc": ("dvc", "repro", "evaluate@demo-voc-r50-0"),
    "snakemake": ("snakemake", "--cores", "2", "voc_r50"),
}
AGAIN = {"dvc": (), "snakemake": ("--rerun-incomplete",)}  # what is added to the command after a kill


@pytest.fixture
def longer(dvc_told, tmp_path):
    """A checkout in which voc_r50 is to be trained for a few seconds."""
    checkout = dvc_told.copy(tmp_path / "pointrend")
    params = checkout.params()
    params["runs"]["voc_r50"]["epochs"] = 40
    checkout.write_params(params)
    return checkout


@contextmanager
def started(checkout: Checkout, engine: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """An engine whose trainer has begun, and the trainer, which a new lease names."""
    before = set(checkout.root.glob(LEASE))

    def trainer() -> int | None:
        new = [path.read_text() for path in checkout.root.glob(LEASE) if path not in before]
        return json.loads(new[0])["pid"] if new and new[0].strip() else None

    with checkout.start(*COMMANDS[engine]) as process:
        until(trainer)
        yield process, trainer() or 0


@pytest.mark.parametrize(("first", "second"), [("dvc", "snakemake"), ("snakemake", "dvc")])
def test_the_second_engine_is_refused(longer, first, second):
    model = longer.root / "runs/demo/voc_r101-s0/model.safetensors"
    with started(longer, first) as (process, _):
        output = longer.run(*COMMANDS[second], expect=2 if second == "snakemake" else 255)
        lines = [line for line in output.splitlines() if str(process.pid) in line]
        assert len(lines) == 1, output
        assert " ".join(COMMANDS[first]) in lines[0]
        assert "Traceback" not in output
        assert process.wait(120) == 0
    assert model.is_file()
    assert longer.commands(first, COMMANDS[first][-1]) == set()
    longer.run(*COMMANDS[second])


@pytest.mark.parametrize("engine", ["dvc", "snakemake"])
def test_a_killed_engine_ends_well_the_second_time(longer, engine):
    with started(longer, engine) as (process, trainer):
        process.kill()
        os.kill(trainer, signal.SIGSTOP)  # it is still at work when the next one comes
    if engine == "snakemake":
        assert "LockException" in longer.run(*COMMANDS[engine], expect=1)
        longer.run("snakemake", "--unlock")
    log = longer.root / "logs/demo/train-voc_r50-s0.log"
    with longer.start(*COMMANDS[engine], *AGAIN[engine]) as again:
        until(lambda: log.is_file() and f"process {trainer}; waiting for it to end" in log.read_text())
        os.kill(trainer, signal.SIGCONT)
        output, _ = again.communicate(timeout=120)
    assert again.returncode == 0, output
    assert longer.commands(engine, COMMANDS[engine][-1]) == set()
    # The trainer that was left alone did all of it, and the next one found it done.
    assert re.findall(r"training from iteration (\d+) to 80", log.read_text())[-1] == "80"
