"""Which source files a stage's result depends on, and their joint hash.

A stage is redone when a module that its command runs changes, and only then: a corrected results page must not retrain.
The files are the import closure of the command, without the modules of :data:`LEFT_OUT`, each of which has a reason.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

from pointrend.sources import PACKAGE, sha256_of_source

PACKAGE_DATA = {".css", ".js"}
"""What modules read from beside themselves."""
STAGES = {
    "draw": ("pointrend.datasets.demo.build",),
    **{stage: (f"pointrend.commands.{stage}",) for stage in ("prepare", "train", "evaluate")},
    **{stage: (f"pointrend.commands.{stage}",) for stage in ("audit", "compare", "report", "track")},
}
VALUES = "reads or resolves values, all of which are in the fingerprint"
RECORD = "describes what computed a result, for the record"
SCREEN = "words on the screen or in a log"
HASHED = "writes or reads bytes whose hash is checked by whoever uses them"
DATA = "gives the prepared data, whose hash is in the fingerprint"
FINGERPRINTS = "computes the fingerprints: other fingerprints are a change by themselves"
PROCESS = "decides when and where a training runs, not what it computes"
LEFT_OUT = {
    "pointrend": "imports the other modules from their sources",
    "pointrend.allocator": "keeps freed memory; computes nothing",
    "pointrend.code_digest": "computes the digests: other digests are a change by themselves",
    "pointrend.commands.arguments": VALUES,
    "pointrend.errors": SCREEN,
    "pointrend.files": HASHED,
    "pointrend.logs": SCREEN,
    "pointrend.machine": RECORD,
    "pointrend.params": VALUES,
    "pointrend.params_file": VALUES,
    "pointrend.project": VALUES,
    "pointrend.recipe": VALUES,
    "pointrend.source_version": RECORD,
    "pointrend.sources": "imports the other modules from their sources",
    "pointrend.validation": VALUES,
}
LEFT_OUT_OF = {
    "prepare": {"pointrend.fingerprints": FINGERPRINTS},
    "train": {
        "pointrend.fingerprints": FINGERPRINTS,
        **dict.fromkeys((f"pointrend.datasets.{name}" for name in ("archives", "damage", "masks", "samples")), DATA),
        **dict.fromkeys((f"pointrend.audit.{name}" for name in ("curves", "logs")), SCREEN),
        **dict.fromkeys((f"pointrend.losses.{name}" for name in ("band", "curve", "departures")), SCREEN),
        **dict.fromkeys(
            (
                f"pointrend.training.{name}"
                for name in ("attempts", "identity", "launch", "lease", "preemption", "slurm_job")
            ),
            PROCESS,
        ),
        "pointrend.datasets.intact": HASHED,
        "pointrend.datasets.shared_memory": PROCESS,
        "pointrend.training.record": RECORD,
        "pointrend.training.slurm_job": PROCESS,
        "pointrend.training.staging": HASHED,
    },
    "evaluate": {
        "pointrend.datasets.intact": HASHED,
        "pointrend.fingerprints": FINGERPRINTS,
        **dict.fromkeys((f"pointrend.datasets.{name}" for name in ("archives", "damage", "masks", "samples")), DATA),
    },
    "report": dict.fromkeys(
        ("pointrend.summary", "pointrend.workflow", "pointrend.engines.failures", "pointrend.engines.slurm"), SCREEN
    ),
    "track": dict.fromkeys(
        ("pointrend.summary", "pointrend.workflow", "pointrend.engines.failures", "pointrend.engines.slurm"), SCREEN
    ),
}
"""By stage, what is left out of that stage alone."""


@cache
def code_files(stage: str, *more: str) -> tuple[Path, ...]:
    """Files whose change redoes ``stage``, sorted: the import closure of its command, and data beside these.

    ``more``: modules that the stage imports by a name that only params.yaml knows.
    """
    left_out = LEFT_OUT.keys() | LEFT_OUT_OF.get(stage, {}).keys()
    waiting, seen = [*STAGES[stage], *more], set()
    while waiting:
        module = waiting.pop()
        path = _source(module)
        if module in left_out or module in seen or path is None:
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
        digest.update(f"{path.relative_to(PACKAGE)}\0{sha256_of_source(path)}\0".encode())
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
