"""Everything that only a GPU can show, in at most 8 minutes: ``make gpu-check``.

Compares the original's numbers, runs the tests that need a GPU, trains and scores the demo in every precision and on
several GPUs if there are, and measures step and inference. Leaves build/gpu-check.json; what ran out of time says so.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from pointrend.checkout.machine import code_record, machine_record
from pointrend.checkout.numbers import check_file, checked_code
from pointrend.files import read_json, write_json

ROOT = Path(__file__).parents[1]
OUT = ROOT / "build" / "gpu-check.json"
SECONDS = 470  # for all steps together
KEPT = 4000  # characters of a step's output
PYTHON = sys.executable
SHORT = ("--set", "device=cuda", "--set", "epochs=3")
Step = tuple[str, Sequence[str]]


def steps(checkout: Path, gpus: int) -> Iterator[Step]:
    """Names and commands, the most telling first; the demo runs in ``checkout``."""
    demo = (PYTHON, "-m", "pointrend", "--params", str(checkout / "params.yaml"), "--scale", "demo")
    yield "check", (PYTHON, "-m", "pointrend", "check")
    yield "tests", (PYTHON, "-m", "pytest", "-n0", "-q", "tests/training/test_step.py", "-k", "gpu")
    yield "fetch", (*demo, "fetch", "voc")
    yield "prepare", (*demo, "prepare", "voc")
    for precision in ("float32", "tf32", "bf16"):
        chosen = (*demo, *SHORT, "--set", f"precision={precision}")
        yield f"train {precision}", (*chosen, "train", "voc_r50")
        yield f"evaluate {precision}", (*chosen, "evaluate", "voc_r50")
    if gpus > 1:
        share = max(count for count in (2, 4, 8) if count <= gpus)  # the demo's batch is 8
        yield f"train on {share} GPUs", (*demo, *SHORT, "--set", f"gpus={share}", "train", "voc_r101")
    yield "bench step", (PYTHON, "-m", "benchmarks", "step")
    yield "bench inference", (PYTHON, "-m", "benchmarks", "inference")


def done(command: Sequence[str], seconds: float) -> dict[str, Any]:
    """Run one step: its exit code, null if it ran out of time, its seconds and the end of its output."""
    began, code = time.monotonic(), None
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True, **both) as process:  # type: ignore[call-overload]  # noqa: S603 our own commands
        try:
            output, _ = process.communicate(timeout=max(seconds, 0.1))
            code = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)  # torchrun's processes, too
            output, _ = process.communicate()
    return {
        "command": list(command),
        "code": code,
        "seconds": round(time.monotonic() - began, 1),
        "output": output[-KEPT:],
    }


def main() -> int:
    """Run all steps; the exit code is 2 without a GPU, and 3 if a step fails."""
    count = torch.cuda.device_count()
    if count == 0:
        print("error: torch finds no GPU on this machine; run make gpu-check on one that has one", file=sys.stderr)
        return 2
    began, found = time.monotonic(), {}
    with tempfile.TemporaryDirectory() as folder:
        checkout = Path(folder)
        (checkout / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
        (checkout / "published").symlink_to(ROOT / "published")
        for name, command in steps(checkout, count):
            print(f"{name} ...", flush=True)
            found[name] = done(command, SECONDS - (time.monotonic() - began))
            print(f"  exit code {found[name]['code']} after {found[name]['seconds']} s", flush=True)
    write_json(
        OUT,
        {
            "machines": [machine_record(torch.device("cuda", index)) for index in range(count)],
            "code": code_record(checked_code()["train"]),
            "numbers": read_json(check_file(ROOT)) if check_file(ROOT).is_file() else None,
            "steps": found,
        },
    )
    failed = [name for name, each in found.items() if each["code"] not in (0, None)]
    print(f"{OUT}; failed: {', '.join(failed) or 'none'}")
    return 3 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
