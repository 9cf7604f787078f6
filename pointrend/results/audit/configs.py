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


class _Unknown(Exception):
    """A statement is of no known kind, or names something that does not exist. Its argument is the line, if known."""


def read_config(path: Path) -> Config:
    """Read a config and the ``base_cfg.py`` beside it, if it imports that.

    Raises:
        AuditError: a file cannot be read, or has a statement of no known kind, which is quoted.
    """
    return _read(path, base=path.with_name(f"{BASE}.py"))


def _read(path: Path, base: Path | None) -> Config:
    text = _text(path)
    try:
        statements = ast.parse(text).body
    except SyntaxError as problem:
        raise _refused(path, text, problem.lineno or 1) from problem
    except (ValueError, RecursionError, MemoryError) as problem:
        raise AuditError(f"{path} cannot be read as Python ({type(problem).__name__})", AUDIT_PUBLISHED) from problem
    config: Config = {}
    for statement in statements:
        try:
            if base is not None and _is_star_import(statement):
                config |= _read(base, base=None)
            else:
                _apply(statement, config)
        except (_Unknown, LookupError, ValueError, TypeError, AttributeError, RecursionError, MemoryError) as problem:
            known = problem.args if isinstance(problem, _Unknown) else ()
            raise _refused(path, text, *(known or [statement.lineno])) from problem
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


def _refused(path: Path, text: str, line: int) -> AuditError:
    quoted = "".join(text.split("\n")[line - 1 : line]).strip()
    return AuditError(f"{path} line {line} is of no known kind: {quoted[:300]!r}", AUDIT_PUBLISHED)


def _is_star_import(statement: ast.stmt) -> bool:
    return ast.unparse(statement) == f"from .{BASE} import *"


def _apply(statement: ast.stmt, config: Config) -> None:
    """Apply a statement to ``config``."""
    match statement:
        case ast.Expr(value=ast.Constant(value=str())):
            pass
        case ast.Import(names=[ast.alias(name="os", asname=None)]):
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
            raise _Unknown


def _found(node: ast.expr, config: Config) -> dict[Any, Any]:
    """The dictionary that a name, or a chain of subscripts on a name, refers to."""
    match node:
        case ast.Name(id=name):
            found = config[name]
        case ast.Subscript(value=holder, slice=key):
            found = _found(holder, config)[ast.literal_eval(key)]
        case _:
            raise _Unknown
    if not isinstance(found, dict):
        raise _Unknown
    return found


def _value(node: ast.expr) -> Any:
    """A literal. In it may occur calls of os.path, which give None, and choices such as ``[1, 2][0]``."""
    match node:
        case ast.Dict(keys=keys, values=values):
            if None in keys:
                raise _Unknown
            return {ast.literal_eval(key): _value(value) for key, value in zip(keys, values, strict=True) if key}
        case ast.Call(func=ast.Attribute(value=module)) if ast.unparse(module) == "os.path":
            return None
        case ast.Subscript(value=ast.List() as choices, slice=ast.Constant(value=int() as chosen)):
            return _value(choices)[chosen]
        case _:
            try:
                return ast.literal_eval(node)
            except ValueError:
                raise _Unknown(node.lineno) from None
