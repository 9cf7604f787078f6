"""What no line of the package may do, read from its syntax."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(ROOT.glob("pointrend/**/*.py"))


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """Every call in the package: file and line, the dotted name called, and the call."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                place = f"{path.relative_to(ROOT)}:{node.lineno}"
                yield place, ast.unparse(node.func), node


def keyword(call: ast.Call, name: str) -> str | None:
    return next((ast.unparse(word.value) for word in call.keywords if word.arg == name), None)


UNPICKLERS = ("pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib")
FORBIDDEN = {
    "makes objects out of bytes": rf"(({'|'.join(UNPICKLERS)})\..*|(pandas|pd)\.read_pickle)",
    "runs text": r"(eval|exec|compile|__import__|os\.system|os\.popen|subprocess\.get(status)?output)",
    "unpacks to the disk": r".*\.(extract|extractall|unpack_archive)",
    "makes any object out of YAML": r"yaml\.(unsafe_load|full_load|load_all|unsafe_load_all|full_load_all)",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_call(what: str) -> None:
    assert [(place, name) for place, name, _ in calls() if re.fullmatch(FORBIDDEN[what], name)] == []


def test_pickle_is_not_even_imported() -> None:
    names = set(UNPICKLERS)
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert not names & {alias.name.split(".")[0] for alias in node.names}, path
            if isinstance(node, ast.ImportFrom):
                assert str(node.module).split(".")[0] not in names, path


def test_torch_and_numpy_load_no_objects() -> None:
    found = [(place, name, call) for place, name, call in calls() if name in ("torch.load", "np.load", "numpy.load")]
    assert found
    for place, name, call in found:
        if name == "torch.load":
            assert keyword(call, "weights_only") == "True", place
        assert keyword(call, "allow_pickle") in (None, "False"), place


def test_yaml_is_read_by_safe_loaders() -> None:
    from yaml import SafeLoader

    from pointrend.settings import params_file

    found = [(place, ast.unparse(call.args[1])) for place, name, call in calls() if name == "yaml.load"]
    assert [loader for _, loader in found] == ["_OneMeaningLoader"]
    assert issubclass(params_file._OneMeaningLoader, SafeLoader)


def test_no_shell_is_started() -> None:
    for place, name, call in calls():
        if name.startswith(("subprocess.", "os.exec", "os.spawn", "os.posix_spawn")):
            assert keyword(call, "shell") in (None, "False"), place
            assert not isinstance(call.args[0], ast.JoinedStr | ast.Constant), place


def test_servers_listen_on_loopback_alone() -> None:
    servers = [(place, call) for place, name, call in calls() if re.search(r"(Server|socketserver\.\w+|\.bind)$", name)]
    assert servers
    for place, call in servers:
        assert "'127.0.0.1', 0" in ast.unparse(call.args[0]), place
    for path in SOURCES:
        assert not re.search(r"0\.0\.0\.0|\"::\"|''\s*,\s*0\)", path.read_text(encoding="utf-8")), path


def test_every_suppressed_warning_of_ruff_says_why() -> None:
    for path in [*SOURCES, *ROOT.glob("tests/**/*.py")]:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if "noqa" in line and path != Path(__file__):
                assert re.search(r"# noqa: [A-Z]+\d+ \w+", line), f"{path}:{number}"


def test_every_required_package_has_hashes() -> None:
    text = (ROOT / "requirements.lock").read_text()
    entries = re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).strip())
    assert len(entries) > 100
    for entry in entries:
        assert re.match(r"[A-Za-z0-9._-]+(\[[\w,-]+\])?==\S+", entry), entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry
    assert "--require-hashes" in (ROOT / "Makefile").read_text()
