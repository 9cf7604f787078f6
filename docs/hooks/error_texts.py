"""docs/troubleshooting.md lists every error text of the code; this reads them out of it.

``python docs/hooks/error_texts.py`` writes the list between the page's markers; a test holds the page up to date.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pointrend import errors
from pointrend.files import write_text

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/troubleshooting.md"
BEGIN, END = "<!-- errors:begin -->\n", "<!-- errors:end -->\n"
CLASSES = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}


@dataclass(frozen=True, order=True)
class ErrorText:
    """One error: its class, what it says, and the advice; ``…`` stands for names and values."""

    kind: str
    what: str
    do: str


def error_texts() -> list[ErrorText]:
    """Every error that the code raises with a text of its own, sorted."""
    found: set[ErrorText] = set()
    for path in sorted((ROOT / "pointrend").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = dict(_assignments(tree))
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                known = constants | dict(_assignments(function))
                found.update(_raised(function, known))
    return sorted(found)


def _assignments(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    for part in ast.walk(node):
        if isinstance(part, ast.Assign) and isinstance(part.targets[0], ast.Name):
            yield part.targets[0].id, part.value


def _raised(function: ast.FunctionDef, known: dict[str, ast.expr]) -> Iterator[ErrorText]:
    for call in ast.walk(function):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in CLASSES:
            texts = [_text(argument, known) for argument in call.args[:2]]
            if len(texts) == 2 and texts[0].strip("… ,:;"):
                yield ErrorText(call.func.id, *texts)


def _text(node: ast.expr, known: dict[str, ast.expr], depth: int = 3) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, known, depth) for part in node.values)
    if isinstance(node, ast.Name) and node.id in known and depth:
        return _text(known[node.id], known, depth - 1)
    if isinstance(node, ast.BinOp):
        return _text(node.left, known, depth) + _text(node.right, known, depth)
    return "…"


def listed() -> str:
    """The list as Markdown, one section for each class of errors."""
    lines: list[str] = []
    every = error_texts()
    for name, kind in CLASSES.items():
        texts = [text for text in every if text.kind == name]
        if texts:
            lines += ["", f"### {name}", "", f"{kind.__doc__} Exit code {kind.exit_code}.", ""]
            lines += [f"* `{_line(text.what)}`: {_line(text.do)}" for text in texts]
    return "\n".join(lines) + "\n\n"


def _line(text: str) -> str:
    return " ".join(text.replace("`", "").replace("……", "…").split())


def with_list(page: str) -> str:
    """The page with the list between its markers."""
    head, rest = page.split(BEGIN)
    return head + BEGIN + listed() + END + rest.split(END)[1]


if __name__ == "__main__":
    write_text(PAGE, with_list(PAGE.read_text(encoding="utf-8")))
