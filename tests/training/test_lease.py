"""The lease on a run: one holder at a time, freed by death."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pointrend.errors import TrainingError
from pointrend.training.lease import lease

HOLDER = """
import sys, time
from pathlib import Path
from pointrend.training.lease import lease
with lease(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_trainer_is_refused_until_the_first_has_died(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(TrainingError, match=f"in use by .* process {holder.pid}"), lease(tmp_path):
            pass
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait(10)
    with lease(tmp_path):
        assert str(os.getpid()) in (tmp_path / "lease").read_text()


def test_who_waits_comes_after_the_holder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        threading.Timer(0.5, holder.kill).start()
        began = time.monotonic()
        with lease(tmp_path, wait=True):
            assert time.monotonic() - began > 0.4
        assert holder.wait(10) == -signal.SIGKILL
    assert f"process {holder.pid}; waiting" in caplog.text
