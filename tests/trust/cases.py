"""A case of bad input: what is spoilt, what is typed then, and what must come out."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from tests.trust.ground import Ground

Spoil = Callable[[Ground], Any]


def nothing(ground: Ground) -> None:
    """Spoil or look at nothing."""


@dataclass(frozen=True)
class Case:
    """One row of the table.

    ``state`` is one of :func:`tests.trust.ground.make`. ``spoil`` changes the checkout; a context manager that it
    returns is held while ``command`` runs. With ``code`` 2 or 3 exactly one line ``error: ...; ...`` must come, with
    all ``words`` in it, and no file may have changed. With ``code`` 0 the words must come somewhere, and ``then``
    looks at the outcome.
    """

    name: str
    state: str
    spoil: Callable[[Ground], AbstractContextManager[Any] | None]
    command: str
    code: int
    words: tuple[str, ...] = ()
    then: Spoil = nothing

    def __str__(self) -> str:
        return self.name
