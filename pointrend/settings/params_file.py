"""Reading params.yaml and KEY=VALUE texts: syntax only, no meaning."""

from __future__ import annotations

import difflib
import re
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any

import yaml

from pointrend.errors import ParamsError
from pointrend.files import read_at_most

LARGEST_FILE = 1_000_000  # bytes; a larger params file is a mistake
# What PyYAML raises, also for a month 13, a list as a key, or endless nesting.
UNREADABLE = (yaml.YAMLError, ValueError, TypeError, AttributeError, OverflowError, RecursionError)
# Plain words that PyYAML (YAML 1.1; ours) and ruamel.yaml (YAML 1.2; DVC's) read differently.
AMBIGUOUS = re.compile(
    r"""(?P<truth>yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF)
    |(?P<sixty>[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)
    |(?P<octal>[-+]?0(o[0-7_]+|[0-9_]*[0-9][0-9_]*)|[-+]_[0-9_]*)
    |(?P<power>[-+]?[0-9][0-9_]*(\.[0-9_]*[eE][0-9]+|[eE][-+]?[0-9]+))
    |(?P<point>[-+]\.[0-9_]+([eE][-+][0-9]+)?|\._+[0-9][0-9_]*([eE][-+][0-9]+)?)""",
    re.VERBOSE,
)
INSTEAD = {
    "truth": "write true or false, or the word in quotes",
    "sixty": "write a plain number, or the word in quotes",
    "octal": "write a number without leading zeros, or the word in quotes",
    "power": "write a plain number such as 0.001, or one with point and sign such as 1.0e-3",
    "point": "write a digit before the point, 0.5 for example",
}


class _AmbiguousWord(yaml.MarkedYAMLError):
    """A plain word with two meanings, and what to write ``instead``."""

    def __init__(self, node: yaml.ScalarNode, instead: str) -> None:
        what = f"{node.value:.80} means one thing in YAML 1.1 (pointrend) and another in YAML 1.2 (DVC)"
        super().__init__(problem=what, problem_mark=node.start_mark)
        self.instead = instead


class _OneMeaningLoader(yaml.SafeLoader):
    """Refuses what PyYAML would take silently: the last of two equal keys, and words that DVC reads differently."""

    def compose_scalar_node(self, anchor: dict[Any, yaml.Node]) -> yaml.ScalarNode:
        node: yaml.ScalarNode = super().compose_scalar_node(anchor)
        if node.style is None and (found := AMBIGUOUS.fullmatch(node.value)):
            raise _AmbiguousWord(node, INSTEAD[str(found.lastgroup)])
        return node

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

    Raises ParamsError if it is missing, too large, not YAML (with line and column), or not a mapping.
    """
    try:
        data = read_at_most(path, LARGEST_FILE)
        text = None if data is None else data.decode()
    except FileNotFoundError:
        raise ParamsError(f"{path} does not exist", "go to the project's folder or name one with --params") from None
    except (OSError, ValueError) as error:
        raise ParamsError(f"cannot read {path}: {error}", "name a readable file with --params") from error
    if text is None:
        raise ParamsError(f"{path} is larger than {LARGEST_FILE} bytes", "name the real params file with --params")
    try:
        values = _parse(text)
    except UNREADABLE as error:
        mark = getattr(error, "problem_mark", None)
        place = f" line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or f"{error}\n".splitlines()[0]
        raise ParamsError(f"{path}{place}: {problem}", getattr(error, "instead", "correct the YAML")) from error
    if not isinstance(values, dict):
        raise ParamsError(f"{path} is not a mapping of keys to values", "start from the params.yaml of the project")
    return values


def _parse(text: str) -> Any:
    return yaml.load(text, _OneMeaningLoader)  # noqa: S506 a SafeLoader


def parse_override(text: str) -> tuple[str, Any]:
    """``KEY=VALUE`` as key and YAML value; raises ParamsError if it is not of that form or the value is ambiguous."""
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise ParamsError(f"--set {text!r} is not KEY=VALUE", "write for example --set lr=0.02")
    try:
        return key, _parse(value)
    except _AmbiguousWord as error:
        raise ParamsError(f"--set {text!r}: {error.problem}", error.instead) from error
    except UNREADABLE as error:
        do = "write for example --set crop_size=[64,64]"
        raise ParamsError(f"--set {text!r}: the value is not YAML", do) from error


def nearest(name: object, names: Iterable[str], likeness: float = 0.6) -> str:
    """`` (did you mean 'x'?)`` for the name closest to ``name``; empty if none is at least that alike."""
    known = {str(known).lower(): str(known) for known in names}
    close = difflib.get_close_matches(str(name)[:80].lower(), known, n=1, cutoff=likeness)
    return f" (did you mean {known[close[0]]!r}?)" if close else ""
