"""Published configs, read and never run (RECIPE section 17).

A config is Python of a few kinds: a base of dictionaries, and per run a star import of that base with statements that
copy, update and set. They are read with ``ast`` and ``literal_eval``; every other statement is an error, also the
imports of registries in upstream's later configs.
"""

from __future__ import annotations

import ast
import copy
from pathlib import Path
from typing import Any

from pointrend.errors import AuditError
from pointrend.files import read_at_most

Config = dict[str, Any]  # module-level names of a config with their values

BASE = "base_cfg"
LARGEST_FILE = 1_000_000  # bytes; the published ones have a few thousand
PUBLISHED = "e9ef7509b1205d65c0c4063832ea7c6451b056b0"  # upstream's commit with the configs of the table
AUDIT_PUBLISHED = f"audit the config of upstream's commit {PUBLISHED}, which `fetch cfg_RUN` gets"


def read_config(path: Path, base: bool = False) -> Config:
    """Read a config and the ``base_cfg.py`` beside it, if it imports that and is not itself the ``base``.

    Raises:
        AuditError: a file cannot be read, or has a statement of no known kind, which is quoted.
    """
    config: Config = {}
    text, line = _text(path), 1
    try:
        for statement in ast.parse(text).body:
            line = statement.lineno
            if not base and ast.unparse(statement) == f"from .{BASE} import *":
                config |= read_config(path.with_name(f"{BASE}.py"), base=True)
            else:
                _apply(statement, config)
    except (SyntaxError, LookupError, ValueError, TypeError, AttributeError, RecursionError, MemoryError) as problem:
        line = getattr(problem, "lineno", None) or line
        quoted = "".join(text.split("\n")[line - 1 : line]).strip()[:300]
        raise AuditError(f"{path} line {line} is of no known kind: {quoted!r}", AUDIT_PUBLISHED) from problem
    return config


def _text(path: Path) -> str:
    try:
        data = read_at_most(path, LARGEST_FILE)
        if data is None:
            raise AuditError(f"{path} is larger than {LARGEST_FILE} bytes, so it is not a config", AUDIT_PUBLISHED)
        return data.decode("utf-8")
    except FileNotFoundError:
        raise AuditError(f"{path} does not exist", f"put the config and its {BASE}.py into one folder") from None
    except (OSError, UnicodeDecodeError) as problem:
        raise AuditError(f"cannot read {path}: {problem}", "name a readable config") from problem


def _apply(statement: ast.stmt, config: Config) -> None:
    """Apply a statement to ``config``."""
    match statement:
        case ast.Expr(value=ast.Constant(value=str())) | ast.Import(names=[ast.alias(name="os", asname=None)]):
            pass
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            config[name] = copy.deepcopy(config[name]) if ast.unparse(value) == f"{name}.copy()" else _value(value)
        case ast.Assign(targets=[ast.Subscript(value=holder, slice=key)], value=value):
            _found(holder, config)[ast.literal_eval(key)] = _value(value)
        case ast.Expr(
            value=ast.Call(func=ast.Attribute(value=holder, attr="update"), args=[ast.Dict() as new], keywords=[])
        ):
            _found(holder, config).update(_value(new))
        case _:
            raise ValueError


def _found(node: ast.expr, config: Config) -> dict[Any, Any]:
    """The dictionary that a name, or a chain of subscripts on a name, refers to."""
    match node:
        case ast.Name(id=name):
            found = config[name]
        case ast.Subscript(value=holder, slice=key):
            found = _found(holder, config)[ast.literal_eval(key)]
        case _:
            raise ValueError
    if not isinstance(found, dict):
        raise TypeError
    return found


def _value(node: ast.expr) -> Any:
    """A literal. In it may occur calls of os.path, which give None, and choices such as ``[1, 2][0]``."""
    match node:
        case ast.Dict(keys=keys, values=values):
            # The key of ``**other`` is None, which literal_eval refuses.
            return {ast.literal_eval(key): _value(value) for key, value in zip(keys, values, strict=True)}  # type: ignore[arg-type]
        case ast.Call(func=ast.Attribute(value=module)) if ast.unparse(module) == "os.path":
            return None
        case ast.Subscript(value=ast.List() as choices, slice=ast.Constant(value=int() as chosen)):
            return _value(choices)[chosen]
        case _:
            try:
                return ast.literal_eval(node)
            except ValueError:
                raise SyntaxError("", (None, node.lineno, None, None)) from None
