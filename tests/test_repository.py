"""What is committed is up to date with what it was made from."""

import re
import subprocess
from pathlib import Path

from pointrend.cli import main

ROOT = Path(__file__).parents[1]


def test_the_committed_pages_say_what_the_committed_results_say(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert main(["--scale", "paper", "report", "--check"]) == 0


def printed(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout


def test_torch_for_the_cpu_comes_without_the_packages_of_cuda():
    commands = printed("make", "--dry-run", "--always-make", "install", "TORCH=cpu")
    (chosen,) = re.findall(r"^(awk .*) >", commands, re.M)
    kept, lock = printed("bash", "-c", chosen), (ROOT / "requirements.lock").read_text()
    packages = [re.findall(r"^([\w-]+)==", text, re.M) for text in (kept, lock)]
    left_out = {name.partition("-")[0] for name in {*packages[1]} - {*packages[0]}}
    assert left_out == {"cuda", "nvidia", "torch", "torchvision", "triton"}
    assert len(re.findall(r"^[\w-]+==.*\\\n    --hash=sha256:", kept, re.M)) == len(packages[0])
    assert "--index-url https://download.pytorch.org/whl/cpu" in commands
