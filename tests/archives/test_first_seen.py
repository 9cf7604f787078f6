"""Files without a published checksum: the first download's is kept and enforced."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from pointrend.archives import fetch
from pointrend.archives.fetch import FetchedFile, fetch_first_seen
from pointrend.errors import ArchiveError, CheckFailed, DownloadError
from pointrend.settings.archives import Archive
from tests.archives.fetching import GOOD, KNOWN, NAME, OTHER, UNKNOWN, assert_fetched
from tests.archives.servers import Asked, misbehaving

SHA256 = str(KNOWN.sha256)


@pytest.fixture
def seen(tmp_path: Path) -> Path:
    return tmp_path / "published" / "seen.json"


def first(folder: Path, seen: Path, *urls: str, archive: Archive = UNKNOWN, at_hand: str | None = None) -> FetchedFile:
    return fetch_first_seen(archive, urls, folder, seen, at_hand)


def test_the_first_download_is_noted_and_the_log_says_so(
    tmp_path: Path, seen: Path, good_server: Asked, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"{good_server.url}/{NAME}"
    assert_fetched(first(tmp_path / "a", seen, url), tmp_path / "a", url)
    assert json.loads(seen.read_text()) == {NAME: {"bytes": len(GOOD), "sha256": SHA256, "source": url}}
    (warning,) = (record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)
    assert "no checksum was ever published" in warning
    assert SHA256 in warning


@pytest.mark.parametrize("body", [OTHER, GOOD + b"more"])
def test_from_then_on_it_is_enforced(
    tmp_path: Path, seen: Path, good_server: Asked, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    first(tmp_path / "a", seen, good_server.url)
    before = seen.read_bytes()
    caplog.clear()
    with misbehaving(lambda request: request.answer(200, body)) as server, pytest.raises(CheckFailed, match=str(seen)):
        first(tmp_path / "b", seen, server.url)
    assert not (tmp_path / "b" / NAME).exists()
    assert_fetched(first(tmp_path / "b", seen, good_server.url), tmp_path / "b")
    assert seen.read_bytes() == before
    assert "no checksum was ever published" not in caplog.text


def test_a_mirror_without_the_file_is_no_contradiction(tmp_path: Path, seen: Path, good_server: Asked) -> None:
    first(tmp_path / "a", seen, good_server.url)
    with misbehaving(lambda request: request.answer(404)) as server, pytest.raises(DownloadError, match="404"):
        first(tmp_path / "b", seen, server.url)


def test_a_present_file_is_compared_with_the_note(tmp_path: Path, seen: Path, good_server: Asked) -> None:
    first(tmp_path / "a", seen, good_server.url)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / NAME).write_bytes(OTHER)
    with pytest.raises(ArchiveError, match="move it away"):
        first(tmp_path / "b", seen, good_server.url)


def test_a_file_at_hand_is_noted_without_its_path(tmp_path: Path, seen: Path) -> None:
    (tmp_path / "hand").mkdir()
    (tmp_path / "hand" / NAME).write_bytes(GOOD)
    first(tmp_path / "a", seen, at_hand=str(tmp_path / "hand"))
    assert json.loads(seen.read_text())[NAME]["source"] == "a file at hand"


@pytest.mark.parametrize("kind", ["md5", "sha256", "sha256_prefix"])
def test_an_archive_with_its_own_checksum_is_not_noted(
    tmp_path: Path, seen: Path, good_server: Asked, kind: str
) -> None:
    checksum = {"md5": KNOWN.md5, "sha256": SHA256, "sha256_prefix": SHA256[:8]}[kind]
    first(tmp_path / "a", seen, good_server.url, archive=Archive(name=NAME, **{kind: checksum}))
    assert not seen.exists()


def test_notes_of_other_files_are_kept(tmp_path: Path, seen: Path, good_server: Asked) -> None:
    for name in ("one.zip", "two.zip"):
        first(tmp_path / "a", seen, good_server.url, archive=Archive(name=name))
    assert json.loads(seen.read_text()).keys() == {"one.zip", "two.zip"}


def test_other_bytes_noted_meanwhile_are_an_error(
    tmp_path: Path, seen: Path, good_server: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain: Callable[..., FetchedFile] = fetch.fetch_archive

    def meanwhile(*arguments: object) -> FetchedFile:
        file = plain(*arguments)
        seen.parent.mkdir()
        seen.write_text(json.dumps({NAME: {"bytes": 1, "sha256": "0" * 64}}))
        return file

    monkeypatch.setattr(fetch, "fetch_archive", meanwhile)
    with pytest.raises(CheckFailed, match="move it away and fetch again"):
        first(tmp_path / "a", seen, good_server.url)


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', '{"a": {"sha256": "0"}}', "{"])
def test_a_broken_note_is_one_line(tmp_path: Path, seen: Path, good_server: Asked, content: str) -> None:
    seen.parent.mkdir()
    seen.write_text(content)
    with pytest.raises(ArchiveError, match="restore it from version control") as caught:
        first(tmp_path / "a", seen, good_server.url)
    assert str(seen) in str(caught.value)
    assert not good_server.requests
