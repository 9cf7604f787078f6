"""What the documentation's pages contain (files, commands, sessions), and whether programs print what pages quote."""

import json
import os
import re
import shlex
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).parents[1]
CUT = "…"  # a line of a session for any number of lines; within a line any text
BLOCK = re.compile(r"^```([^\s`]*)[^\n]*\n(.*?)^```", re.S | re.M)
# What the tests' own surroundings set, and what our commands, make and pytest print other lines for.
NOT_A_USERS = re.compile(r"(POINTREND|PYTEST|VIRTUAL|CITYSCAPES)_.*|MAKE.*|MFLAGS|CI|BUILD_NUMBER")


def add_blocks(page: str, root: Path) -> None:
    """Add the page's blocks with a title, which is a file, to a checkout; YAML and JSON are merged into what exists."""
    for title, text in re.findall(r'```\w+ title="(.+?)"\n(.*?)```', (ROOT / page).read_text(), re.S):
        path = root / title
        if path.suffix in (".yaml", ".json") and path.exists():
            content = merged(yaml.safe_load(path.read_text()), yaml.safe_load(text))
            text = json.dumps(content) if path.suffix == ".json" else yaml.safe_dump(content, sort_keys=False)
        path.write_text(text)


def merged(ours: Any, more: Any) -> Any:
    """``ours`` with the keys of ``more`` added at every depth."""
    if not isinstance(ours, Mapping) or not isinstance(more, Mapping):
        return more
    return {**ours, **{key: merged(ours.get(key), value) for key, value in more.items()}}


class Step(NamedTuple):
    """A command of a session and the lines that the page quotes from its output."""

    command: str
    printed: tuple[str, ...]


def session(page: str, heading: str) -> list[Step]:
    """All steps of the ``console`` blocks under a heading, up to the next one of its level."""
    level, _, _ = heading.partition(" ")
    section = re.split(rf"^{level} ", (ROOT / page).read_text().split(f"\n{heading}\n")[1], maxsplit=1, flags=re.M)[0]
    typed = "".join(re.findall(r"```console\n(.*?)```", section, re.S))
    steps = re.findall(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", typed, re.M)
    return [Step(command, tuple(printed.splitlines())) for command, printed in steps]


def not_printed(quoted: tuple[str, ...], printed: str, as_here: Mapping[str, str]) -> str | None:
    """The first of the ``quoted`` lines that was not printed where it should be; None if all were.

    Figures with a decimal point, hashes, and the width of columns may differ; whole numbers may not, except those that
    ``as_here`` gives other values for.
    """
    text = "".join(f"{line.rstrip()}\n" for line in printed.rstrip().splitlines())
    patterns = [_pattern(line, as_here) for line in quoted]
    for count in range(len(quoted) + 1):
        rest = "" if count == len(quoted) else r"(?:.*\n)*"
        if not re.fullmatch("".join(patterns[:count]) + rest, text):
            return quoted[count - 1] if quoted else text
    return None


def _pattern(line: str, as_here: Mapping[str, str]) -> str:
    if line.strip() == CUT:
        return r"(?:.*\n)*?"
    pattern = ""
    for part in re.findall(r"\d+\.\d+|\b(?=\w*\d)[0-9a-f]{7,}\b|\w+|\s+|…|.", line.rstrip()):
        if part == CUT:
            pattern += ".*"
        elif part.isspace():
            pattern += r"[^\S\n]+" if pattern else r"[^\S\n]*"
        elif re.fullmatch(r"\d+\.\d+", part):
            pattern += r"\d+\.\d+"
        elif re.fullmatch(r"[0-9a-f]{7,}", part) and re.search(r"\d", part):
            pattern += "[0-9a-f]{7,}"
        else:
            here = as_here.get(part, part)
            pattern += r"\w+" if here == CUT else re.escape(here)
    return pattern + r"\n"


def replay(root: Path, steps: Sequence[Step]) -> list[str]:
    """What each step prints, errors included, when all are typed one after another in the checkout ``root``."""
    mark = uuid.uuid4().hex
    script = "".join(f"{step.command}\nstatus=$?; echo; echo {mark}; (exit $status)\n" for step in steps)
    env = {key: value for key, value in os.environ.items() if not NOT_A_USERS.fullmatch(key)}
    env |= {"PATH": f"{Path(sys.executable).parent}:{env['PATH']}", "PYTHONPATH": str(root), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        ["bash", "-c", script], cwd=root, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as typed:
        return typed.communicate(timeout=300)[0].split(f"{mark}\n")[: len(steps)]


def check(steps: Sequence[Step], outputs: Sequence[str], as_here: Mapping[str, Mapping[str, str]]) -> None:
    """Compare quoted lines with printed ones; ``as_here``: other whole numbers, by the beginning of a command."""
    assert len(steps) >= 3
    for step, output in zip(steps, outputs, strict=True):
        numbers = next((numbers for words, numbers in as_here.items() if step.command.startswith(words)), {})
        missing = not_printed(step.printed, output, numbers)
        assert missing is None, f"$ {step.command}\nnot printed: {missing}\nbut:\n{output[-5000:]}"


def commands(page: str, program: str) -> Iterator[tuple[str, ...]]:
    """The words after ``program`` in every command of the page's blocks and ``code spans`` that calls it."""
    text = (ROOT / page).read_text()
    lines = re.findall(r"`([^`\n]+)`", BLOCK.sub("", text))
    for language, block in BLOCK.findall(text):
        if language in ("", "console"):
            lines += block.replace("\\\n", " ").splitlines()
    for part in (part for line in lines for part in re.split(r"\s(?:&&|[|;])\s", line.removeprefix("$ "))):
        call = re.match(rf"(?:\w+=\S* )*(?:\S*/)?{program}(?: (.*))?$", part)
        if call:
            yield tuple(shlex.split(call[1] or "", comments=True))
