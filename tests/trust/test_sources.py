"""What no line of the package may do and ruff does not see (it forbids eval, pickle, shells, unsafe YAML)."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from yaml import SafeLoader

from pointrend.settings import params_file

ROOT = Path(__file__).parents[2]
SOURCES = {path: path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("pointrend/**/*.py"))}
# every call in the package: file and line, the dotted name called, and the call
CALLS = [
    (f"{path.relative_to(ROOT)}:{node.lineno}", ast.unparse(node.func), node)
    for path, text in SOURCES.items()
    for node in ast.walk(ast.parse(text))
    if isinstance(node, ast.Call)
]


def called(pattern: str) -> Iterator[tuple[str, str, ast.Call]]:
    return ((place, name, call) for place, name, call in CALLS if re.fullmatch(pattern, name))


def keyword(call: ast.Call, name: str) -> str | None:
    return next((ast.unparse(word.value) for word in call.keywords if word.arg == name), None)


def test_nothing_is_unpacked_to_the_disk_and_no_yaml_makes_objects():
    assert list(called(r".*\.(extract|extractall|unpack_archive)|yaml\.(unsafe|full)_load.*")) == []


def test_torch_and_numpy_load_no_objects():
    found = list(called(r"(torch|np|numpy)\.load"))
    assert found
    for place, name, call in found:
        assert name != "torch.load" or keyword(call, "weights_only") == "True", place
        assert keyword(call, "allow_pickle") in (None, "False"), place


def test_yaml_is_read_by_safe_loaders():
    assert [ast.unparse(call.args[1]) for _, _, call in called(r"yaml\.load")] == ["_OneMeaningLoader"]
    assert issubclass(params_file._OneMeaningLoader, SafeLoader)


def test_servers_listen_on_loopback_alone():
    servers = list(called(r".*(Server|socketserver\.\w+|\.bind)"))
    assert servers
    for place, _, call in servers:
        assert "'127.0.0.1', 0" in ast.unparse(call.args[0]), place
    for path, text in SOURCES.items():
        assert not re.search(r"0\.0\.0\.0|\"::\"|''\s*,\s*0\)", text), path


def test_every_suppressed_warning_of_ruff_says_why():
    for path in {*SOURCES, *ROOT.glob("tests/**/*.py")} - {Path(__file__)}:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            assert "noqa" not in line or re.search(r"# noqa: [A-Z]+\d+ \w+", line), f"{path}:{number}"


def test_no_file_is_read_in_the_encoding_of_the_place(made):
    """Python warns where one is."""
    options = ("-X", "warn_default_encoding", "-W", "error::EncodingWarning:pointrend")
    command = [sys.executable, *options, "-m", "pointrend", "verify"]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=made("done").root, env=env, timeout=120, check=True)
