"""Reading params.yaml and KEY=VALUE texts: syntax only, no meaning."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any

import yaml

from pointrend.errors import ParamsError
from pointrend.files import read_at_most

LARGEST_FILE = 1_000_000
"""Bytes; a params file above this is a mistake."""


UNREADABLE = (yaml.YAMLError, ValueError, TypeError, AttributeError, OverflowError, RecursionError)
"""What PyYAML raises: besides its own errors whatever a month 13, a list as a key or endless nesting comes to."""


class _UniqueKeyLoader(yaml.SafeLoader):
    """PyYAML keeps the last of two equal keys silently; a run defined twice must be an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"duplicate key {key!r}", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        ParamsError: missing, too large, not YAML (with line and column), or not a mapping.
    """
    text = _read(path)
    try:
        values = yaml.load(text, _UniqueKeyLoader)  # noqa: S506 a SafeLoader
    except UNREADABLE as error:
        mark = getattr(error, "problem_mark", None)
        place = f" line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or f"{error}\n".splitlines()[0]
        raise ParamsError(f"{path}{place}: {problem}", "correct the YAML") from error
    if not isinstance(values, dict):
        raise ParamsError(f"{path} is not a mapping of keys to values", "start from the params.yaml of the project")
    return values


def _read(path: Path) -> str:
    try:
        data = read_at_most(path, LARGEST_FILE)
        if data is None:
            raise ParamsError(f"{path} is larger than {LARGEST_FILE} bytes", "name the real params file with --params")
        return data.decode()
    except FileNotFoundError:
        raise ParamsError(f"{path} is not there", "go to the project's folder or name one with --params") from None
    except (OSError, ValueError) as error:
        raise ParamsError(f"cannot read {path}: {error}", "name a readable file with --params") from error


def parse_override(text: str) -> tuple[str, Any]:
    """``KEY=VALUE`` as key and YAML value.

    Raises:
        ParamsError: no ``=``, no key, or a value that is no YAML.
    """
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise ParamsError(f"--set {text!r} is not KEY=VALUE", "write for example --set lr=0.02")
    try:
        return key, yaml.safe_load(value)
    except UNREADABLE as error:
        do = "write for example --set crop_size=[64,64]"
        raise ParamsError(f"--set {text!r}: the value is not YAML", do) from error


def nearest(name: object, names: Iterable[str], likeness: float = 0.6) -> str:
    """`` (did you mean 'x'?)`` for the name closest to ``name``, or nothing where none has that ``likeness`` to it."""
    known = {str(known).lower(): str(known) for known in names}
    close = difflib.get_close_matches(str(name)[:80].lower(), known, n=1, cutoff=likeness)
    return f" (did you mean {known[close[0]]!r}?)" if close else ""
