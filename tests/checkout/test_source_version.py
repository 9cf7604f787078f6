"""Which commit the code is of, where git can say it and where it cannot."""

import subprocess
from pathlib import Path

import pytest

from pointrend.checkout import source_version as module
from pointrend.checkout.source_version import SourceVersion, lock_sha256, source_version
from pointrend.files import sha256_file


def git(root: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org", "-C", str(root), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()


@pytest.fixture
def checkout(tmp_path):
    root = tmp_path / "checkout"
    (root / "inner").mkdir(parents=True)
    (root / "file.py").write_text("1\n")
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "first")
    return root


def test_a_clean_checkout_has_its_commit(checkout):
    (checkout / "untracked.py").write_text("2\n")
    assert source_version(checkout) == SourceVersion(git(checkout, "rev-parse", "HEAD"), dirty=False)


def test_a_changed_tracked_file_makes_it_dirty_staged_or_not(checkout):
    (checkout / "file.py").touch()
    assert source_version(checkout).dirty is False
    (checkout / "file.py").write_text("2\n")
    assert source_version(checkout).dirty is True
    git(checkout, "add", ".")
    assert source_version(checkout).dirty is True


def test_a_folder_outside_or_inside_another_repository_has_no_commit(tmp_path, checkout):
    for folder in (tmp_path, checkout / "inner"):
        assert source_version(folder) == SourceVersion(None, None, "not a git repository")


def test_a_repository_without_a_commit_has_none(tmp_path):
    git(tmp_path, "init", "--quiet")
    assert source_version(tmp_path) == SourceVersion(None, None, "git failed with exit code 128")


def test_without_git_there_is_a_reason(checkout, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert source_version(checkout) == SourceVersion(None, None, "git is not installed")


def test_a_git_that_hangs_is_not_waited_for(checkout, monkeypatch, tmp_path):
    (tmp_path / "git").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(module, "SECONDS", 0.2)
    assert source_version(checkout).reason == "git gave no answer in 0.2 seconds"


def test_a_hook_of_another_repository_does_not_lead_astray(checkout, monkeypatch):
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert source_version(checkout).commit == git(checkout, "--git-dir", str(checkout / ".git"), "rev-parse", "HEAD")


def test_the_lock_file_is_hashed_where_it_is(tmp_path):
    assert lock_sha256(tmp_path) is None
    (tmp_path / "requirements.lock").write_text("torch==2.14.1\n")
    assert lock_sha256(tmp_path) == sha256_file(tmp_path / "requirements.lock")
    assert lock_sha256() is not None
