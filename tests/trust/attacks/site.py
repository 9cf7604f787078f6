"""A checkout in which verbs run in this process, or its own code and the engines in processes of their own."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pointrend.cli import main
from tests.trust.ground import SETTINGS

FROM_OUTSIDE = (*SETTINGS, "WORLD_SIZE", "RANK", "LOCAL_RANK", "TMPDIR", "PYTHONPATH")
"""What no command gets from whoever runs the attacks."""
KNOWN_FAILURES = (2, 3)
PROGRAMS = Path(sys.executable).parent
LOGGER = logging.getLogger("pointrend")


@dataclass
class Site:
    """A checkout in ``root``, what its commands have printed, and what was wrong with how they ended."""

    root: Path
    said: str = ""
    faults: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    """The last exit code of every command."""

    def path(self, name: str) -> Path:
        return self.root / name

    def copy(self, root: Path) -> Site:
        """The same checkout elsewhere, with the same times and links."""
        subprocess.run(["cp", "-a", str(self.root), str(root)], check=True, timeout=60)
        return Site(root)

    def tree(self) -> dict[str, Any]:
        """Content and time of every file, by name."""
        files = (path for path in self.root.rglob("*") if path.is_file() and "logs" not in path.parts)
        return {str(path): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns) for path in files}

    # -- files

    def json(self, name: str) -> Any:
        return json.loads(self.path(name).read_text())

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace the first ``old`` in a text file."""
        text = self.path(name).read_text()
        if old not in text:
            raise ValueError(f"{name} does not have {old!r}")
        self.path(name).write_text(text.replace(old, new, 1))

    def flip(self, name: str) -> None:
        """Change every fifth byte of a file, which keeps its size and its time."""
        path = self.path(name)
        before, data = path.stat(), bytearray(path.read_bytes())
        data[::5] = bytes(byte ^ 1 for byte in data[::5])
        path.write_bytes(data)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def swap(self, one: str, other: str) -> None:
        """Exchange two files or folders."""
        between = self.path("between")
        self.path(one).rename(between)
        self.path(other).rename(self.path(one))
        between.rename(self.path(other))

    def take(self, source: Path | str, target: str) -> None:
        """Put a copy of a file or folder, times included, in the place of another one."""
        self.drop(target)
        self.path(target).parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", str(self.path(str(source))), str(self.path(target))], check=True, timeout=60)

    def drop(self, *names: str) -> None:
        """Remove files or folders."""
        for name in names:
            path = self.path(name)
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def restored(self, *names: str) -> Iterator[None]:
        """Back up files or folders, and put the backup in their place when the block ends."""
        kept = Path(tempfile.mkdtemp(prefix="backup-", dir=self.root.parent))
        for name in names:
            (kept / name).parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "-a", str(self.path(name)), str(kept / name)], check=True, timeout=60)
        yield
        for name in names:
            self.take(kept / name, name)
        shutil.rmtree(kept)

    # -- settings

    def params(self) -> dict[str, Any]:
        return yaml.safe_load(self.path("params.yaml").read_text())

    def write_params(self, params: dict[str, Any], name: str = "params.yaml") -> None:
        self.path(name).write_text(yaml.safe_dump(params, sort_keys=False))

    def put(self, **values: Any) -> None:
        """Set values of params.yaml; dots in their paths are written as two underscores."""
        params = self.params()
        for place, value in values.items():
            *parents, last = place.split("__")
            inner = params
            for key in parents:
                inner = inner[int(key)] if isinstance(inner, list) else inner[key]
            inner[last] = value
        self.write_params(params)

    @contextlib.contextmanager
    def while_put(self, **values: Any) -> Iterator[None]:
        """Other values of params.yaml for the block alone."""
        with self.restored("params.yaml"):
            self.put(**values)
            yield

    @contextlib.contextmanager
    def env(self, **values: Any) -> Iterator[None]:
        """More environment for the block alone."""
        before, self.environment = self.environment, self.environment | {key: str(values[key]) for key in values}
        yield
        self.environment = before

    # -- commands

    def point(self, *commands: str, expect: int | None = 0) -> int:
        """Run verbs in this process; the exit code of the last one. ``expect`` None: whatever comes."""
        for command in commands:
            screen = io.StringIO()
            code = self._in_process(["--quiet", *command.split()], screen)
            self.ended(command, code, screen.getvalue(), expect)
        return code

    def own(self, *commands: str, expect: int | None = 0) -> int:
        """Run verbs by this checkout's own code, in processes of their own."""
        for command in commands:
            code, printed = self.process(sys.executable, "-m", "pointrend", "--quiet", *command.split())
            self.ended(command, code, printed, expect)
        return code

    def engine(self, command: str, expect: int | None = 0) -> str:
        """Run snakemake, dvc or git; what it printed."""
        name, *words = command.split()
        program = PROGRAMS / name
        code, printed = self.process(str(program) if program.exists() else name, *words)
        self.said += printed
        if expect is not None and code != expect:
            self.faults.append(f"{command} ended with {code}: {printed[-600:]}")
        return printed

    def must_say(self, printed: str, *fragments: str) -> None:
        """Note what a program should have printed and did not."""
        self.faults += [
            f"{fragment!r} is not in {printed[-600:]!r}" for fragment in fragments if fragment not in printed
        ]

    def _in_process(self, words: list[str], screen: io.StringIO) -> int:
        handlers, level = list(LOGGER.handlers), LOGGER.level
        try:
            with self._inside(), contextlib.redirect_stdout(screen), contextlib.redirect_stderr(screen):
                return main(words)
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else 1
        except Exception:
            screen.write(traceback.format_exc())
            return 1
        finally:
            for handler in set(LOGGER.handlers) - set(handlers):
                handler.close()
            LOGGER.handlers[:] = handlers
            LOGGER.setLevel(level)

    @contextlib.contextmanager
    def _inside(self) -> Iterator[None]:
        outside = dict(os.environ)
        os.environ.clear()
        os.environ.update(self._environment())
        tempfile.tempdir = None  # TMPDIR is looked at anew
        try:
            with contextlib.chdir(self.root):
                yield
        finally:
            os.environ.clear()
            os.environ.update(outside)
            tempfile.tempdir = None

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name not in FROM_OUTSIDE}
        return inherited | {"OMP_NUM_THREADS": "1"} | self.environment

    def process(self, *words: str) -> tuple[int, str]:
        env = {"PYTHONPATH": str(self.root), "DVC_SITE_CACHE_DIR": str(self.root.parent / "dvc"), **self._environment()}
        if self.environment.get("PYTHONPATH"):
            env["PYTHONPATH"] = f"{self.environment['PYTHONPATH']}{os.pathsep}{self.root}"
        env["PATH"] = f"{PROGRAMS}:{env['PATH']}"
        done = subprocess.run(words, cwd=self.root, env=env, capture_output=True, text=True, timeout=400, check=False)
        return done.returncode, done.stdout + done.stderr

    def ended(self, command: str, code: int, printed: str, expect: int | None) -> None:
        """Note how a verb of ours ended, and what is wrong with it."""
        self.said += printed
        self.codes[command.split()[0]] = code
        errors = [line for line in printed.splitlines() if line.startswith("error: ")]
        if "Traceback" in printed or len(errors) != (code != 0) or code not in (0, *KNOWN_FAILURES):
            self.faults.append(f"{command} ended with {code} and not in one line: {printed[-600:]}")
        elif expect is not None and code != expect:
            self.faults.append(f"{command} ended with {code}, not {expect}: {printed[-300:]}")
