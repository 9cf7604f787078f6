"""A checkout in which verbs run in this process, or by its own code in a process of their own."""

import contextlib
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import yaml

from pointrend.cli import main
from pointrend.logs import ROOT
from tests.trust.ground import Place

# what no command gets from whoever runs the attacks
FROM_OUTSIDE = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "TMPDIR", "PYTHONPATH")
KNOWN_FAILURES = (2, 3)
Step = str | Callable[["Site"], Any]


class Site(Place):
    """A checkout in ``root``, what its commands have printed, and what was wrong with how they ended.

    A command is a line such as ``evaluate voc_r50 -> 2``, with the exit code that it must end with: 0 where none is
    named, any where it is ``?``.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.said = ""
        self.faults: list[str] = []
        self.environment: dict[str, str] = {}
        self.codes: dict[str, int] = {}  # the last exit code of every verb

    def do(self, *steps: Step) -> None:
        """Take some steps.

        ``put PATH VALUE`` sets a value of params.yaml; ``drop``, ``take``, ``swap`` and ``flip`` are the methods of
        these names; ``own VERB ...`` runs a verb by this checkout's own code, and any other line is a verb in this
        process.
        """
        for step in steps:
            if not isinstance(step, str):
                step(self)
                continue
            word, _, rest = step.partition(" ")
            if word == "put":
                path, _, value = rest.partition(" ")
                self.put(path, yaml.safe_load(value))
            elif word in ("drop", "take", "swap", "flip"):
                getattr(self, word)(*rest.split())
            elif word == "own":
                self._run(rest, self._in_own_process)
            else:
                self._run(step, self._in_process)

    def tree(self) -> dict[str, Any]:
        """Content and time of every file, by name."""
        files = (path for path in self.root.rglob("*") if path.is_file() and "logs" not in path.parts)
        return {str(path): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns) for path in files}

    # -- files

    def edit(self, name: str, old: str, new: str) -> None:
        text = self.path(name).read_text()
        if old not in text:
            raise ValueError(f"{name} does not have {old!r}")
        self.path(name).write_text(text.replace(old, new, 1))

    def retimed(self, name: str, change: Callable[[bytes], bytes]) -> None:
        """Change the content of a file and keep its time."""
        before = self.path(name).stat()
        self.path(name).write_bytes(change(self.path(name).read_bytes()))
        os.utime(self.path(name), ns=(before.st_atime_ns, before.st_mtime_ns))

    def flip(self, name: str) -> None:
        """Change every fifth byte of a file, which keeps its size and its time."""
        self.retimed(name, lambda data: bytes(byte ^ (place % 5 == 0) for place, byte in enumerate(data)))

    def swap(self, one: str, other: str, *names: str) -> None:
        """Exchange two files or folders, or two of each of these names that begin so."""
        between = self.path("between")
        for name in names or ("",):
            self.path(one + name).rename(between)
            self.path(other + name).rename(self.path(one + name))
            between.rename(self.path(other + name))

    def take(self, source: Path | str, target: Path | str, *names: str) -> None:
        """Replace a file or folder by a copy of another one, times included; or those of these names that begin so."""
        for name in names or ("",):
            self.drop(f"{target}{name}")
            self.path(f"{target}{name}").parent.mkdir(parents=True, exist_ok=True)
            words = ["cp", "-a", *(str(self.path(f"{place}{name}")) for place in (source, target))]
            subprocess.run(words, check=True, timeout=60)

    def drop(self, *names: str) -> None:
        for name in names:
            path = self.path(name)
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def restored(self, *names: str) -> Iterator[None]:
        kept = Path(tempfile.mkdtemp(prefix="backup-", dir=self.root.parent))
        for name in names:
            self.take(name, kept / name)
        yield
        for name in names:
            self.take(kept / name, name)
        shutil.rmtree(kept)

    # -- commands

    def _run(self, line: str, run: Callable[[list[str]], tuple[int, str]]) -> None:
        """Run a verb, and note how it ended and what is wrong with it."""
        command, _, expect = line.partition(" -> ")
        code, printed = run(["--quiet", *command.split()])
        self.said += printed
        self.codes[command.split()[0]] = code
        errors = [line for line in printed.splitlines() if line.startswith("error: ")]
        if "Traceback" in printed or len(errors) != (code != 0) or code not in (0, *KNOWN_FAILURES):
            self.faults.append(f"{command} ended with {code} and not in one line: {printed[-600:]}")
        elif expect != "?" and code != int(expect or 0):
            self.faults.append(f"{command} ended with {code}, not {expect}: {printed[-300:]}")

    def _in_process(self, words: list[str]) -> tuple[int, str]:
        screen = io.StringIO()
        inside = mock.patch.dict(os.environ, self._environment(), clear=True)
        temporary = mock.patch.object(tempfile, "tempdir", None)  # TMPDIR is looked at anew
        shown = contextlib.redirect_stdout(screen), contextlib.redirect_stderr(screen)
        handlers = list(ROOT.handlers)  # a command inside another one must not take its screen away
        try:
            with inside, temporary, contextlib.chdir(self.root), shown[0], shown[1]:
                code = main(words)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except Exception:
            screen.write(traceback.format_exc())
            code = 1
        finally:
            ROOT.handlers[:] = handlers
        return code, screen.getvalue()

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name not in FROM_OUTSIDE}
        return inherited | {"OMP_NUM_THREADS": "1"} | self.environment

    def _in_own_process(self, words: list[str]) -> tuple[int, str]:
        command = [sys.executable, "-m", "pointrend", *words]
        env = self._environment() | {"PYTHONPATH": str(self.root)}
        ran = subprocess.run(command, cwd=self.root, env=env, capture_output=True, text=True, timeout=400, check=False)
        return ran.returncode, ran.stdout + ran.stderr


# -- steps of attacks


def restoring(names: tuple[str, ...] | str, *steps: Step) -> Step:
    def step(site: Site) -> None:
        with site.restored(*((names,) if isinstance(names, str) else names)):
            site.do(*steps)

    return step


def while_put(change: str, *steps: Step) -> Step:
    """Take some steps under another value of params.yaml, ``PATH VALUE``."""
    return restoring("params.yaml", f"put {change}", *steps)


def under(values: Mapping[str, str], *steps: Step) -> Step:
    """Take some steps with more environment, or all from now on; ROOT in a value is the checkout."""

    def step(site: Site) -> None:
        before = site.environment
        added = {name: value.replace("ROOT", str(site.root)) for name, value in values.items()}
        site.environment = before | added
        site.do(*steps)
        if steps:
            site.environment = before

    return step


def edit(name: str, old: str, new: str) -> Step:
    return lambda site: site.edit(name, old, new)
