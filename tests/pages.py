"""What the documentation's pages hold: files to write, commands, and sessions of commands with what they print."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CUT = "…"
"""A line of a session for any number of lines, and within a line any text."""
BLOCK = re.compile(r"^```([^\s`]*)[^\n]*\n(.*?)^```", re.S | re.M)
SEPARATORS = ("&&", "||", "|", ";", "&", ">", "<")


def text_of(page: str) -> str:
    """A page by its path in the repository."""
    return (ROOT / page).read_text(encoding="utf-8")


def titled_blocks(page: str) -> list[tuple[str, str]]:
    """Title and text of the page's blocks that have a title: files to write."""
    return re.findall(r'```\w+ title="(.+?)"\n(.*?)```', text_of(page), re.S)


@dataclass(frozen=True)
class Step:
    """A command of a session and the lines that it is said to print."""

    command: str
    printed: tuple[str, ...]


def session(page: str, heading: str) -> list[Step]:
    """All steps of the ``console`` blocks under a heading, up to the next one of its level."""
    level, _, _ = heading.partition(" ")
    section = re.split(rf"^{level} ", text_of(page).split(f"\n{heading}\n")[1], maxsplit=1, flags=re.M)[0]
    steps: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", section, re.S):
        for line in block.splitlines():
            if line.startswith("$ "):
                steps.append((line[2:], []))
            elif steps[-1][0].endswith("\\"):
                steps[-1] = (steps[-1][0] + "\n" + line, [])
            else:
                steps[-1][1].append(line)
    return [Step(command, tuple(lines)) for command, lines in steps]


def not_printed(quoted: tuple[str, ...], printed: str, as_here: Mapping[str, str]) -> str | None:
    """The first of the ``quoted`` lines that was not printed where it should be; None where all were.

    Figures with a decimal point, hashes, and the width of columns may differ; whole numbers may not, save those that
    ``as_here`` gives other values for.
    """
    lines = [line.rstrip() for line in printed.rstrip().splitlines()]
    chunks = list(_chunks(quoted))
    place, anywhere = 0, False
    for number, chunk in enumerate(chunks, start=1):
        if chunk is None:
            anywhere = True
            continue
        patterns = [_pattern(line, as_here) for line in chunk]
        last = len(lines) - len(patterns)
        first = max(place, last) if number == len(chunks) else place
        starts = range(first, last + 1) if anywhere else [place]
        for start in starts:
            found = [bool(p.fullmatch(line)) for p, line in zip(patterns, lines[start:], strict=False)]
            if len(found) >= len(patterns) and all(found[: len(patterns)]):
                place, anywhere = start + len(patterns), False
                break
        else:
            return next((q for q, p in zip(chunk, patterns, strict=True) if not any(map(p.fullmatch, lines))), chunk[0])
    return None if anywhere or place == len(lines) else f"nothing more, but: {lines[place]}"


def _chunks(quoted: tuple[str, ...]) -> Iterator[list[str] | None]:
    """Runs of lines that follow each other, and None where lines were cut."""
    chunk: list[str] = []
    for line in quoted:
        if line.strip() != CUT:
            chunk.append(line)
            continue
        if chunk:
            yield chunk
        yield None
        chunk = []
    if chunk:
        yield chunk


def _pattern(line: str, as_here: Mapping[str, str]) -> re.Pattern[str]:
    pattern = ""
    for part in re.findall(r"\d+\.\d+|\b(?=\w*\d)[0-9a-f]{7,}\b|\w+|\s+|…|.", line.rstrip()):
        if part == CUT:
            pattern += ".*"
        elif part.isspace():
            pattern += r"\s+" if pattern else r"\s*"
        elif re.fullmatch(r"\d+\.\d+", part):
            pattern += r"\d+\.\d+"
        elif re.fullmatch(r"[0-9a-f]{7,}", part) and re.search(r"\d", part):
            pattern += "[0-9a-f]{7,}"
        else:
            here = as_here.get(part, part)
            pattern += r"\w+" if here == CUT else re.escape(here)
    return re.compile(pattern)


def commands(page: str, programs: tuple[str, ...]) -> Iterator[list[str]]:
    """The words of every command in the page's blocks and ``code spans`` that calls one of ``programs``."""
    text = re.sub(r"<!-- errors:begin -->.*<!-- errors:end -->", "", text_of(page), flags=re.S)
    for language, block in BLOCK.findall(text):
        if language in ("", "console"):
            for line in block.replace("\\\n", " ").splitlines():
                yield from _commands(line.removeprefix("$ "), programs)
    for span in re.findall(r"`([^`\n]+)`", BLOCK.sub("", text)):
        yield from _commands(span, programs)


def _commands(line: str, programs: tuple[str, ...]) -> Iterator[list[str]]:
    first = re.match(r"(?:\w+=\S* )*(?:\S*/)?([\w.-]+)", line)
    if first is None or not any(word in line for word in programs):
        return
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:  # prose with an apostrophe, not a command
        return
    command: list[str] = []
    for word in [*words, ";"]:
        if word in SEPARATORS:
            if command and Path(command[0]).name in programs:
                yield [Path(command[0]).name, *command[1:]]
            command = []
        elif command or not re.fullmatch(r"\w+=.*", word):
            command.append(word)


def merged(ours: Any, more: Any) -> Any:
    """``ours`` with the keys of ``more`` added at every depth."""
    if not isinstance(ours, Mapping) or not isinstance(more, Mapping):
        return more
    return {**ours, **{key: merged(ours.get(key), value) for key, value in more.items()}}
