"""Cases of bad input: how the checkout is spoilt, which command runs, and what must come out.

Besides the case itself, here are the ways to spoil a checkout that several tables use.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.trust.ground import Ground

Spoil = Callable[[Ground], Any]
Held = Callable[[Ground], AbstractContextManager[Any]]
MISSING = "is not there|are not there|not found|does not exist|do not exist|is missing"


def nothing(ground: Ground) -> None:
    """Spoil or look at nothing."""


@dataclass(frozen=True)
class Case:
    """One row of the table.

    ``state`` is one of :func:`tests.trust.ground.make`. ``spoil`` changes the checkout; a context manager that it
    returns is held while ``command`` runs. With ``code`` 2 or 3 exactly one line ``error: ...; ...`` must come, with
    all ``words`` in it (``a|b``: one of them), and no file may have changed. With ``code`` 0 the words must come
    somewhere, and ``then`` looks at the outcome.
    """

    name: str
    spoil: Spoil
    words: tuple[str, ...]
    command: str
    state: str = "bare"
    code: int = 2
    then: Spoil = nothing

    def __str__(self) -> str:
        return self.name

    def missing(self, printed: str) -> list[str]:
        return [word for word in self.words if not any(part in printed for part in word.split("|"))]


def cases(**common: Any) -> Callable[..., Case]:
    """A maker of cases that have these fields in common."""

    def case(name: str, spoil: Spoil, *words: str, **own: Any) -> Case:
        return Case(name, spoil, words, **{**common, **own})

    return case


def write(name: str, content: str | bytes = "of the user's") -> Spoil:
    def spoil(ground: Ground) -> None:
        ground.path(name).parent.mkdir(parents=True, exist_ok=True)
        ground.path(name).write_bytes(content if isinstance(content, bytes) else content.encode())

    return spoil


def append(name: str, text: str = " ") -> Spoil:
    return lambda ground: ground.path(name).write_bytes(ground.path(name).read_bytes() + text.encode())


def remove(name: str) -> Spoil:
    return lambda ground: ground.path(name).unlink()


def cut(name: str, share: float = 0.5) -> Spoil:
    def spoil(ground: Ground) -> None:
        data = ground.path(name).read_bytes()
        ground.path(name).write_bytes(data[: int(share * len(data))])

    return spoil


def link(name: str, target: str) -> Spoil:
    return lambda ground: ground.path(name).symlink_to(target)


def folder(name: str) -> Spoil:
    return lambda ground: ground.path(name).mkdir(parents=True)


def put(path: str, value: Any) -> Spoil:
    return lambda ground: ground.put(path, value)


def environment(**values: str) -> Held:
    """Set variables of the environment; ROOT in a value is the checkout."""

    @contextlib.contextmanager
    def held(ground: Ground) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in values.items():
                patch.setenv(name, value.replace("ROOT", str(ground.root)))
            yield

    return held


def patched(values: Mapping[str, Any]) -> Held:
    """Set attributes of our modules, by their dotted names."""

    @contextlib.contextmanager
    def held(ground: Ground) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in values.items():
                patch.setattr(f"pointrend.{name}", value)
            yield

    return held


def raising(error: BaseException) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def both(*spoils: Spoil) -> Held:
    @contextlib.contextmanager
    def held(ground: Ground) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            for spoil in spoils:
                if isinstance(result := spoil(ground), AbstractContextManager):
                    stack.enter_context(result)
            yield

    return held
