"""What no line of the package may do, read from its syntax."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from yaml import SafeLoader

from pointrend.settings import params_file

ROOT = Path(__file__).parents[2]
SOURCES = {path: path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("pointrend/**/*.py"))}
NODES = [(path, node) for path, text in SOURCES.items() for node in ast.walk(ast.parse(text))]
# every call in the package: file and line, the dotted name called, and the call
CALLS = [
    (f"{path.relative_to(ROOT)}:{node.lineno}", ast.unparse(node.func), node)
    for path, node in NODES
    if isinstance(node, ast.Call)
]
UNPICKLERS = ("pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib")
FORBIDDEN = {
    "makes objects out of bytes": rf"(({'|'.join(UNPICKLERS)})\..*|(pandas|pd)\.read_pickle)",
    "runs text": r"(eval|exec|compile|__import__|os\.system|os\.popen|subprocess\.get(status)?output)",
    "unpacks to the disk": r".*\.(extract|extractall|unpack_archive)",
    "makes any object out of YAML": r"yaml\.(unsafe_load|full_load|load_all|unsafe_load_all|full_load_all)",
}


def called(pattern: str) -> Iterator[tuple[str, str, ast.Call]]:
    """The calls of these names."""
    return ((place, name, call) for place, name, call in CALLS if re.fullmatch(pattern, name))


def keyword(call: ast.Call, name: str) -> str | None:
    return next((ast.unparse(word.value) for word in call.keywords if word.arg == name), None)


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_call(what: str) -> None:
    assert [(place, name) for place, name, _ in called(FORBIDDEN[what])] == []


def test_pickle_is_not_even_imported() -> None:
    for path, node in NODES:
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
        assert not set(UNPICKLERS) & {module.split(".")[0] for module in modules}, path


def test_torch_and_numpy_load_no_objects() -> None:
    found = list(called(r"(torch|np|numpy)\.load"))
    assert found
    for place, name, call in found:
        assert name != "torch.load" or keyword(call, "weights_only") == "True", place
        assert keyword(call, "allow_pickle") in (None, "False"), place


def test_yaml_is_read_by_safe_loaders() -> None:
    assert [ast.unparse(call.args[1]) for _, _, call in called(r"yaml\.load")] == ["_OneMeaningLoader"]
    assert issubclass(params_file._OneMeaningLoader, SafeLoader)


def test_no_shell_is_started() -> None:
    for place, _, call in called(r"(subprocess\.|os\.exec|os\.spawn|os\.posix_spawn).*"):
        assert keyword(call, "shell") in (None, "False"), place
        assert not isinstance(call.args[0], ast.JoinedStr | ast.Constant), place


def test_servers_listen_on_loopback_alone() -> None:
    servers = list(called(r".*(Server|socketserver\.\w+|\.bind)"))
    assert servers
    for place, _, call in servers:
        assert "'127.0.0.1', 0" in ast.unparse(call.args[0]), place
    for path, text in SOURCES.items():
        assert not re.search(r"0\.0\.0\.0|\"::\"|''\s*,\s*0\)", text), path


def test_every_suppressed_warning_of_ruff_says_why() -> None:
    for path in {*SOURCES, *ROOT.glob("tests/**/*.py")} - {Path(__file__)}:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            assert "noqa" not in line or re.search(r"# noqa: [A-Z]+\d+ \w+", line), f"{path}:{number}"


def test_every_required_package_has_hashes() -> None:
    text = (ROOT / "requirements.lock").read_text()
    entries = re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).strip())
    assert len(entries) > 100
    for entry in entries:
        assert re.match(r"[A-Za-z0-9._-]+(\[[\w,-]+\])?==\S+", entry), entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry
    assert "--require-hashes" in (ROOT / "Makefile").read_text()
