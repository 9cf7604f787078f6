"""Files without a published checksum: the first download's is kept and enforced."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pointrend.archives import first_seen
from pointrend.archives.fetch import Archive, FetchedFile
from pointrend.archives.first_seen import fetch_first_seen
from pointrend.errors import ArchiveError, CheckFailed, DownloadError
from tests.archives.fetching import GOOD, NAME, OTHER, assert_fetched, pinned
from tests.archives.servers import Asked, Request, misbehaving

SHA256 = hashlib.sha256(GOOD).hexdigest()


@pytest.fixture
def seen(tmp_path: Path) -> Path:
    return tmp_path / "published" / "seen.json"


def send_other(request: Request) -> None:
    request.answer(200, OTHER)


def send_longer(request: Request) -> None:
    request.answer(200, GOOD + b"more")


def test_the_first_download_is_noted_and_the_log_says_so(
    tmp_path: Path, seen: Path, good_server: Asked, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"{good_server.url}/{NAME}"
    assert_fetched(fetch_first_seen(Archive(NAME, (url,)), tmp_path / "a", seen), tmp_path / "a", url)
    assert json.loads(seen.read_text()) == {NAME: {"bytes": len(GOOD), "sha256": SHA256, "source": url}}
    (warning,) = (record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)
    assert "no checksum was ever published" in warning
    assert SHA256 in warning


@pytest.mark.parametrize("send", [send_other, send_longer])
def test_from_then_on_it_is_enforced(
    tmp_path: Path,
    seen: Path,
    good_server: Asked,
    caplog: pytest.LogCaptureFixture,
    send: Callable[[Request], None],
) -> None:
    fetch_first_seen(Archive(NAME, (good_server.url,)), tmp_path / "a", seen)
    before = seen.read_bytes()
    caplog.clear()
    with misbehaving(send) as server, pytest.raises(CheckFailed, match=str(seen)):
        fetch_first_seen(Archive(NAME, (server.url,)), tmp_path / "b", seen)
    assert not (tmp_path / "b" / NAME).exists()
    assert_fetched(fetch_first_seen(Archive(NAME, (good_server.url,)), tmp_path / "b", seen), tmp_path / "b")
    assert seen.read_bytes() == before
    assert "no checksum was ever published" not in caplog.text


def test_a_place_that_has_nothing_is_no_contradiction(tmp_path: Path, seen: Path, good_server: Asked) -> None:
    fetch_first_seen(Archive(NAME, (good_server.url,)), tmp_path / "a", seen)
    with misbehaving(lambda request: request.answer(404)) as server, pytest.raises(DownloadError, match="404"):
        fetch_first_seen(Archive(NAME, (server.url,)), tmp_path / "b", seen)


def test_a_file_that_lies_there_already_is_held_against_the_note(
    tmp_path: Path, seen: Path, good_server: Asked
) -> None:
    fetch_first_seen(Archive(NAME, (good_server.url,)), tmp_path / "a", seen)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / NAME).write_bytes(OTHER)
    with pytest.raises(ArchiveError, match="move it away"):
        fetch_first_seen(Archive(NAME, (good_server.url,)), tmp_path / "b", seen)


def test_a_file_at_hand_is_noted_without_its_path(tmp_path: Path, seen: Path) -> None:
    (tmp_path / "hand").mkdir()
    (tmp_path / "hand" / NAME).write_bytes(GOOD)
    fetch_first_seen(Archive(NAME), tmp_path / "a", seen, str(tmp_path / "hand"))
    assert json.loads(seen.read_text())[NAME]["source"] == "a file at hand"


@pytest.mark.parametrize("kind", ["md5", "sha256", "sha256_prefix"])
def test_an_archive_with_its_own_checksum_is_not_noted(
    tmp_path: Path, seen: Path, good_server: Asked, kind: str
) -> None:
    known = {"md5": pinned().md5, "sha256": SHA256, "sha256_prefix": SHA256[:8]}[kind]
    fetch_first_seen(replace(Archive(NAME, (good_server.url,)), **{kind: known}), tmp_path / "a", seen)
    assert not seen.exists()


def test_notes_of_other_files_are_kept(tmp_path: Path, seen: Path, good_server: Asked) -> None:
    for name in ("one.zip", "two.zip"):
        fetch_first_seen(Archive(name, (good_server.url,)), tmp_path / "a", seen)
    assert json.loads(seen.read_text()).keys() == {"one.zip", "two.zip"}


def test_other_bytes_noted_meanwhile_are_an_error(
    tmp_path: Path, seen: Path, good_server: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch: Callable[..., FetchedFile] = first_seen.fetch_archive

    def meanwhile(*arguments: object) -> FetchedFile:
        file = fetch(*arguments)
        seen.parent.mkdir()
        seen.write_text(json.dumps({NAME: {"bytes": 1, "sha256": "0" * 64}}))
        return file

    monkeypatch.setattr(first_seen, "fetch_archive", meanwhile)
    with pytest.raises(CheckFailed, match="move it away and fetch again"):
        fetch_first_seen(Archive(NAME, (good_server.url,)), tmp_path / "a", seen)


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', '{"a": {"sha256": "0"}}', "{"])
def test_a_broken_note_is_one_line(tmp_path: Path, seen: Path, good_server: Asked, content: str) -> None:
    seen.parent.mkdir()
    seen.write_text(content)
    with pytest.raises(ArchiveError, match="restore it from version control") as caught:
        fetch_first_seen(Archive(NAME, (good_server.url,)), tmp_path / "a", seen)
    assert str(seen) in str(caught.value)
    assert not good_server.requests
