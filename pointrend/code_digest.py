"""Which source files a stage's result depends on, and their joint hash.

A stage is redone when a module that it imports changes, and only then: mending the results page must not retrain.
Modules that only carry values (:data:`PLUMBING`) are left out, since the values themselves are in the fingerprint, and
so is what is shown on the way.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent
PLUMBING = {
    "pointrend",
    "pointrend.errors",
    "pointrend.files",
    "pointrend.logs",
    "pointrend.params",
    "pointrend.project",
    "pointrend.recipe",
    "pointrend.validation",
}
PACKAGE_DATA = {".css", ".js"}
"""What modules read from beside themselves."""
STAGES = {
    "draw": ("pointrend.datasets.demo.build",),
    "prepare": ("pointrend.datasets.prepare",),
    "train": ("pointrend.training.loop",),
    "evaluate": ("pointrend.evaluation.evaluate",),
    "audit": ("pointrend.audit.record",),
    "compare": ("pointrend.results.compare",),
    "report": ("pointrend.results.report",),
    "track": ("pointrend.tracking.mlflow_sync",),
}


@cache
def code_files(stage: str, *more: str) -> tuple[Path, ...]:
    """Files whose change redoes ``stage``, sorted: the import closure of its entry module, and data beside these.

    ``more``: modules that the stage imports by a name that only params.yaml knows.
    """
    waiting, seen = [*STAGES[stage], *more], set()
    while waiting:
        module = waiting.pop()
        path = _source(module)
        if module in PLUMBING or module in seen or path is None:
            continue
        seen.add(module)
        waiting += _imports(path)
    sources = {path for module in seen if (path := _source(module)) is not None}
    data = {path for source in sources for path in source.parent.iterdir() if path.suffix in PACKAGE_DATA}
    return tuple(sorted(sources | data))


@cache
def code_digest(stage: str, *more: str) -> str:
    """sha256 over the relative names and bytes of :func:`code_files`."""
    digest = hashlib.sha256()
    for path in code_files(stage, *more):
        digest.update(f"{path.relative_to(PACKAGE)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _source(module: str) -> Path | None:
    parts = module.split(".")
    if parts[0] != PACKAGE.name:
        return None
    base = PACKAGE.joinpath(*parts[1:])
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


@cache
def _imports(path: Path) -> list[str]:
    """Modules named by import statements anywhere in a file, but for those under ``if TYPE_CHECKING``."""
    names: list[str] = []

    class Visitor(ast.NodeVisitor):
        def visit(self, node: ast.AST) -> None:
            if not isinstance(node, ast.expr):  # most of a file, and no place for a statement
                super().visit(node)

        def visit_If(self, node: ast.If) -> None:
            if ast.unparse(node.test) != "TYPE_CHECKING":
                self.generic_visit(node)

        def visit_Import(self, node: ast.Import) -> None:
            names.extend(alias.name for alias in node.names)

        def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
            names.append(str(node.module))
            names.extend(f"{node.module}.{alias.name}" for alias in node.names)

    Visitor().visit(ast.parse(path.read_text(encoding="utf-8")))
    return names
