"""Disks that refuse one write: the n-th of all calls through which our files get to the disk."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import safetensors
import safetensors.torch


@dataclass
class Disk:
    """Counts the calls; the one with the number ``fails`` raises, after half of its bytes are written."""

    fails: int
    number: int  # errno
    calls: list[str] = field(default_factory=list)

    def refuse(self, name: str) -> bool:
        self.calls.append(name)
        return len(self.calls) - 1 == self.fails

    def error(self) -> OSError:
        return OSError(self.number, os.strerror(self.number))


@contextlib.contextmanager
def failing(fails: int, number: int) -> Iterator[Disk]:
    """Let the call number ``fails``, counted from 0, fail with ``number``."""
    disk = Disk(fails, number)
    write_bytes, save_file = Path.write_bytes, safetensors.torch.save_file

    def written(path: Path, data: bytes) -> int:
        if disk.refuse("write"):
            write_bytes(path, data[: len(data) // 2])
            raise disk.error()
        return write_bytes(path, data)

    def saved(tensors: Any, path: Path) -> None:
        save_file(tensors, path)
        if disk.refuse("save tensors"):
            os.truncate(path, path.stat().st_size // 2)
            raise safetensors.SafetensorError(f"Error while serializing: I/O error: {disk.error().strerror}")

    def plain(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **options: Any) -> Any:
            if disk.refuse(name):
                raise disk.error()
            return call(*arguments, **options)

        return called

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "write_bytes", written)
        patch.setattr(safetensors.torch, "save_file", saved)
        for module, call, name in ((tempfile, "mkstemp", "create"), (os, "fsync", "sync"), (os, "replace", "rename")):
            patch.setattr(module, call, plain(name, getattr(module, call)))
        yield disk
