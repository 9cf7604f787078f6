"""The commit of the running code, for the record: no result depends on it.

git may be missing, or the code may have come without its history. Then the record has a reason instead of a commit.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pointrend.files import sha256_file

CHECKOUT = Path(__file__).parents[2]
LOCK = "requirements.lock"
SECONDS = 10  # time limit of one git command, long enough for a cold network drive


@dataclass(frozen=True)
class SourceVersion:
    """A commit and whether tracked files differ from it; both None for the ``reason`` given."""

    commit: str | None
    dirty: bool | None
    reason: str | None = None


def source_version(root: Path = CHECKOUT) -> SourceVersion:
    """The version of the checkout at ``root``, as git reports it; never an error."""
    try:
        if Path(_git(root, "rev-parse", "--show-toplevel")).resolve() != root.resolve():
            # A copy inside another repository, whose commit is not that of this code.
            return SourceVersion(None, None, "not a git repository")
        commit = _git(root, "rev-parse", "--verify", "HEAD")
        return SourceVersion(commit, bool(_git(root, "status", "--porcelain", "--untracked-files=no")))
    except FileNotFoundError:
        reason = "git is not installed"
    except subprocess.CalledProcessError as failed:
        known = "not a git repository"
        reason = known if known in failed.stderr else f"git failed with exit code {failed.returncode}"
    except (OSError, subprocess.TimeoutExpired):
        reason = f"git gave no answer in {SECONDS} seconds"
    return SourceVersion(None, None, reason)


def lock_sha256(root: Path = CHECKOUT) -> str | None:
    """sha256 of the list of exact versions that the environment is made from; None if it is missing."""
    path = root / LOCK
    return sha256_file(path) if path.is_file() else None


def _git(root: Path, *words: str) -> str:
    # GIT_DIR and similar variables, which hooks set, would lead to another repository.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    command = ["git", "--no-optional-locks", "-C", str(root), *words]
    asked = subprocess.run(  # noqa: S603 git
        command, capture_output=True, text=True, timeout=SECONDS, env=environment, check=True
    )
    return asked.stdout.strip()
