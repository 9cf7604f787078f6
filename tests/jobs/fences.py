"""The right to write, as tests have it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Numbered:
    """The lease with a number, which nobody takes over."""

    number: int

    @property
    def mark(self) -> str:
        return f"test-{self.number:06d}"

    def check(self) -> None:
        pass
