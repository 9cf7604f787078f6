"""Getting an archive: already there, at hand, from one of several mirrors, on a machine that may be full."""

import errno
import io
import logging
import os
import shutil
import threading
from typing import Any

import pytest
import requests

from pointrend.archives import verification
from pointrend.archives.fetch import FetchedFile
from pointrend.archives.loopback import serve_folder
from pointrend.errors import ArchiveError, DownloadError, MachineError
from pointrend.logs import redacted
from pointrend.settings.archives import Archive
from tests.archives.fetching import FLIPPED, GOOD, KNOWN, NAME, OTHER, PAGE, assert_fetched, fetch, refusal, send_good
from tests.archives.servers import misbehaving, resumable


@pytest.fixture
def at_hand(tmp_path):
    folder = tmp_path / "hand"
    folder.mkdir()
    (folder / NAME).write_bytes(GOOD)
    return folder


WRONG = {"bytes": 5, "md5": "0" * 32, "sha256": "0" * 64, "sha256_prefix": "0" * 8}


@pytest.mark.parametrize("given", WRONG)
def test_any_checksum_will_do(tmp_path, good_server, given):
    checksums = {**KNOWN.checksums, "sha256_prefix": str(KNOWN.sha256)[:8]}
    folder, url = tmp_path / "new" / "folder", f"{good_server.url}/{NAME}"
    assert_fetched(fetch(folder, url, archive=Archive(name=NAME, **{given: checksums[given]})), folder, url)
    words = f"it has {len(GOOD)} bytes instead of 5" if given == "bytes" else f"its {given.removesuffix('_prefix')} is"
    with pytest.raises(ArchiveError, match=words):
        fetch(folder, archive=Archive(name=NAME, **{given: WRONG[given]}))


def test_present_file_is_hashed_again_only_if_it_was_touched(tmp_path, good_server, monkeypatch):
    fetch(tmp_path, good_server.url)
    with monkeypatch.context() as patch:
        patch.setattr(verification, "digest_file", lambda path: pytest.fail("it is hashed again"))
        assert_fetched(fetch(tmp_path, good_server.url), tmp_path, "already there")
    assert len(good_server.requests) == 1
    target = tmp_path / NAME
    target.write_bytes(FLIPPED)
    os.utime(target, ns=(0, target.stat().st_mtime_ns + 10**9))
    with pytest.raises(ArchiveError, match="its md5 is"):
        fetch(tmp_path, good_server.url)


def test_present_wrong_file_is_left_alone(tmp_path, good_server):
    target = tmp_path / NAME
    for content in (b"", OTHER, GOOD[:-1], PAGE):
        target.write_bytes(content)
        with pytest.raises(ArchiveError, match=f"{target}.*; move it away and fetch again"):
            fetch(tmp_path, good_server.url)
        assert target.read_bytes() == content
    assert not good_server.requests
    target.write_bytes(GOOD)
    assert_fetched(fetch(tmp_path), tmp_path, "already there")
    target.unlink()
    target.mkdir()
    with pytest.raises(ArchiveError, match="not a file"):
        fetch(tmp_path)


def test_right_file_at_hand_is_linked(tmp_path, good_server, at_hand, caplog):
    folder = tmp_path / "archives"
    assert_fetched(fetch(folder, good_server.url, at_hand=str(at_hand)), folder, str(at_hand / NAME))
    assert (folder / NAME).is_symlink()
    assert not good_server.requests
    assert_fetched(fetch(folder, good_server.url), folder, "already there")
    shutil.rmtree(at_hand)
    assert_fetched(fetch(folder, good_server.url, at_hand=str(at_hand)), folder, good_server.url)
    assert not (folder / NAME).is_symlink(), "a link to nothing is replaced"
    assert f"{at_hand} is neither a folder nor" in caplog.text


@pytest.mark.parametrize("content", [OTHER, PAGE, b"", None])
def test_wrong_file_at_hand_is_skipped_with_a_warning(tmp_path, good_server, at_hand, caplog, content):
    if content is None:
        (at_hand / NAME).unlink()
    else:
        (at_hand / NAME).write_bytes(content)
    folder = tmp_path / "archives"
    assert_fetched(fetch(folder, good_server.url, at_hand=str(at_hand)), folder, good_server.url)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == (content is not None)
    assert all(str(at_hand / NAME) in warning for warning in warnings)
    assert content is None or (at_hand / NAME).read_bytes() == content


def test_server_at_hand_is_tried_first(tmp_path, good_server, at_hand):
    with serve_folder(at_hand) as base_url:
        fetched = fetch(tmp_path / "one", good_server.url, at_hand=f"{base_url}/")
        assert_fetched(fetched, tmp_path / "one", f"{base_url}/{NAME}")
        assert not good_server.requests
        (at_hand / NAME).unlink()
        fetched = fetch(tmp_path / "two", good_server.url, at_hand=base_url)
        assert_fetched(fetched, tmp_path / "two", good_server.url)


def test_only_plain_files_of_the_folder_are_served(at_hand):
    (at_hand / "sub").mkdir()
    for hidden in (at_hand / ".hidden", at_hand / "sub" / "b.zip", at_hand.parent / "secret"):
        hidden.write_bytes(b"x")
    with serve_folder(at_hand) as base_url:
        assert requests.get(f"{base_url}/{NAME}?key=1", timeout=5).content == GOOD
        for path in ("", ".hidden", "%2e%2e/secret", "sub%2f..%2f..%2fsecret", "sub", "sub/", "sub/b.zip", "absent"):
            assert requests.get(f"{base_url}/{path}", timeout=5).status_code == 404
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{base_url}/{NAME}", timeout=5)


def test_wrong_checksum_leaves_nothing_and_goes_on_to_the_next_mirror(tmp_path, good_server):
    keep = tmp_path / "mine.part"
    keep.write_bytes(b"not yours")
    assert "its md5 is" in refusal(tmp_path, lambda request: request.answer(200, FLIPPED))
    assert keep.read_bytes() == b"not yours"
    assert not list(tmp_path.glob(f"{NAME}*"))
    keep.unlink()
    with misbehaving(lambda request: request.answer(200, FLIPPED, ETag='"one"')) as server:
        assert_fetched(fetch(tmp_path, server.url, good_server.url), tmp_path, good_server.url)
    assert good_server.ranges == [None]


def test_all_mirrors_failing_is_one_line_with_each_reason(tmp_path):
    with (
        misbehaving(lambda r: r.answer(404 if r.path == "/none" else 410)) as server,
        pytest.raises(
            DownloadError,
            match=rf"^[^\n]*{server.url}/none: HTTP 404 Not Found; {server.url}/other: HTTP 410 Gone[^\n]*$",
        ),
    ):
        fetch(tmp_path, f"{server.url}/none", f"{server.url}/other")


def test_secrets_in_urls_are_never_shown(tmp_path, caplog, capsys):
    caplog.set_level(logging.DEBUG, "pointrend")
    with misbehaving(lambda r: r.answer(404) if "bad" in r.path else send_good(r)) as server:
        secret = server.url.replace("http://", "http://me:hunter2@")
        with pytest.raises(DownloadError) as caught:
            fetch(tmp_path, f"{secret}/bad?key=hunter2", "http://me:hunter2@[::1/x")
        fetched = fetch(tmp_path, f"{secret}/{NAME}?key=hunter2#hunter2", at_hand=f"{secret}/bad")
    assert fetched.source == f"{server.url}/{NAME}"
    assert server.requests[-1][1]["Authorization"].startswith("Basic "), "they are used"
    written = [path.read_text(errors="replace") for path in tmp_path.iterdir() if path.name != NAME]
    shown = [str(caught.value), caplog.text, *capsys.readouterr(), *written]
    assert not any("hunter2" in text for text in shown)


def test_redacted():
    assert redacted("https://u:p@host:8/a/b.tar?sig=1#x") == "https://host:8/a/b.tar"
    assert redacted("see ftp://u:p@q@host/x?y z and p%40q, p@q", "p%40q") == "see ftp://host/x z and ***, ***"


def test_full_disk_is_foreseen(tmp_path, good_server, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, len(GOOD) - 1))
    with pytest.raises(MachineError, match="free disk space"):
        fetch(tmp_path, good_server.url)
    assert not (tmp_path / NAME).exists()


def test_disk_that_fills_up_is_one_line_and_keeps_the_part(tmp_path, monkeypatch):
    real_open = open

    class FullFile(io.FileIO):
        def write(self, data: Any) -> int:
            if self.tell() > 100_000:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data)

    def opened(path: Any, mode: str = "r", *rest: Any, **more: Any) -> Any:
        return FullFile(path, "a") if mode == "ab" else real_open(path, mode, *rest, **more)

    with misbehaving(resumable(GOOD, cut=lambda due: due)) as server:
        with monkeypatch.context() as patch:
            patch.setattr("builtins.open", opened)
            with pytest.raises(MachineError, match="No space left on device; free disk space"):
                fetch(tmp_path, server.url)
        assert not (tmp_path / NAME).exists()
        kept = (tmp_path / f"{NAME}.part").stat().st_size
        assert kept > 100_000
        assert_fetched(fetch(tmp_path, server.url), tmp_path)
    assert server.ranges[-1] == f"bytes={kept}-"


def test_proxy_is_not_asked_for_this_machines_own_server(tmp_path, good_server, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert_fetched(fetch(tmp_path, good_server.url), tmp_path)


def test_fetches_side_by_side_download_once(tmp_path, good_server):
    fetched: list[FetchedFile] = []
    threads = [threading.Thread(target=lambda: fetched.append(fetch(tmp_path, good_server.url))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(file.source for file in fetched) == ["already there"] * 3 + [good_server.url]
    assert len(good_server.requests) == 1
