"""Files without a published checksum: the first download's is kept and enforced."""

import json
import logging
from pathlib import Path

import pytest

from pointrend.archives import fetch
from pointrend.archives.fetch import FetchedFile, fetch_first_seen
from pointrend.errors import ArchiveError, CheckFailed, DownloadError
from pointrend.settings.archives import Archive
from tests.archives.fetching import GOOD, KNOWN, NAME, OTHER, UNKNOWN, assert_fetched
from tests.archives.servers import misbehaving

SHA256 = str(KNOWN.sha256)


@pytest.fixture
def seen(tmp_path):
    return tmp_path / "published" / "seen.json"


def first(folder: Path, seen: Path, *urls: str, archive: Archive = UNKNOWN, at_hand: str | None = None) -> FetchedFile:
    return fetch_first_seen(archive, urls, folder, seen, at_hand)


def test_the_first_download_is_noted_and_enforced_from_then_on(tmp_path, seen, good_server, caplog):
    url, later = f"{good_server.url}/{NAME}", tmp_path / "b"
    assert_fetched(first(tmp_path / "a", seen, url), tmp_path / "a", url)
    noted = seen.read_bytes()
    assert json.loads(noted) == {NAME: {"bytes": len(GOOD), "sha256": SHA256, "source": url}}
    (warning,) = (record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)
    assert "no checksum was ever published" in warning
    assert SHA256 in warning

    caplog.clear()
    for body in (OTHER, GOOD + b"more"):
        other = misbehaving(lambda request, body=body: request.answer(200, body))
        with other as server, pytest.raises(CheckFailed, match=str(seen)):
            first(later, seen, server.url)
    with misbehaving(lambda request: request.answer(404)) as server, pytest.raises(DownloadError, match="404"):
        first(later, seen, server.url)
    assert not (later / NAME).exists()
    (later / NAME).write_bytes(OTHER)
    with pytest.raises(ArchiveError, match="move it away"):
        first(later, seen, good_server.url)
    (later / NAME).unlink()
    assert_fetched(first(later, seen, good_server.url), later)
    assert seen.read_bytes() == noted
    assert "no checksum was ever published" not in caplog.text


def test_notes_of_other_files_are_kept_and_name_no_folder(tmp_path, seen, good_server):
    (tmp_path / "hand").mkdir()
    (tmp_path / "hand" / NAME).write_bytes(GOOD)
    first(tmp_path / "a", seen, at_hand=str(tmp_path / "hand"))
    first(tmp_path / "a", seen, good_server.url, archive=Archive(name="two.zip"))
    sources = {name: note["source"] for name, note in json.loads(seen.read_text()).items()}
    assert sources == {NAME: "a file at hand", "two.zip": good_server.url}


@pytest.mark.parametrize("checksum", [{"md5": KNOWN.md5}, {"sha256": SHA256}, {"sha256_prefix": SHA256[:8]}])
def test_an_archive_with_its_own_checksum_is_not_noted(tmp_path, seen, good_server, checksum):
    first(tmp_path / "a", seen, good_server.url, archive=Archive(name=NAME, **checksum))
    assert not seen.exists()


def test_other_bytes_noted_meanwhile_are_an_error(tmp_path, seen, good_server, monkeypatch):
    plain = fetch.fetch_archive

    def meanwhile(*arguments: object) -> FetchedFile:
        file: FetchedFile = plain(*arguments)
        seen.parent.mkdir()
        seen.write_text(json.dumps({NAME: {"bytes": 1, "sha256": "0" * 64}}))
        return file

    monkeypatch.setattr(fetch, "fetch_archive", meanwhile)
    with pytest.raises(CheckFailed, match="move it away and fetch again"):
        first(tmp_path / "a", seen, good_server.url)


@pytest.mark.parametrize("content", ["[]", '{"a": 1}', '{"a": {"sha256": "0"}}', "{"])
def test_a_broken_note_is_one_line(tmp_path, seen, good_server, content):
    seen.parent.mkdir()
    seen.write_text(content)
    with pytest.raises(ArchiveError, match="restore it from version control") as caught:
        first(tmp_path / "a", seen, good_server.url)
    assert str(seen) in str(caught.value)
    assert not good_server.requests
