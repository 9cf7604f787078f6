"""Having an archive: already there, at hand, from one of several places, on a machine that may be full."""

from __future__ import annotations

import errno
import hashlib
import io
import logging
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from pointrend.archives import verification
from pointrend.archives.download import public_url
from pointrend.archives.fetch import Archive, FetchedFile
from pointrend.archives.loopback import serve_folder
from pointrend.errors import ArchiveError, DownloadError, MachineError
from tests.archives.fetching import (
    GOOD,
    NAME,
    OTHER,
    PAGE,
    assert_fetched,
    assert_nothing_named,
    fetch,
    pinned,
    refusal,
    send_good,
)
from tests.archives.servers import Asked, Request, misbehaving, resumable


def test_downloads_and_verifies(tmp_path: Path, good_server: Asked) -> None:
    url = f"{good_server.url}/{NAME}"
    assert_fetched(fetch(pinned(url), tmp_path / "new" / "folder"), tmp_path / "new" / "folder", url)


@pytest.mark.parametrize("known", ["md5", "sha256", "sha256_prefix", "nothing"])
def test_any_checksum_will_do(tmp_path: Path, good_server: Asked, known: str) -> None:
    sha256 = hashlib.sha256(GOOD).hexdigest()
    pins = {"md5": pinned().md5, "sha256": sha256.upper(), "sha256_prefix": sha256[:8]}
    archive = Archive(NAME, (good_server.url,), **({known: pins[known]} if known in pins else {}))  # type: ignore[arg-type]
    assert_fetched(fetch(archive, tmp_path), tmp_path)


def test_present_file_is_neither_downloaded_nor_hashed_again(
    tmp_path: Path, good_server: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = pinned(good_server.url)
    fetch(archive, tmp_path)
    monkeypatch.setattr(verification, "digest_file", lambda path: pytest.fail("it is hashed again"))
    assert_fetched(fetch(archive, tmp_path), tmp_path, "already there")
    assert len(good_server.requests) == 1


def test_present_file_that_was_touched_is_hashed_again(tmp_path: Path, good_server: Asked) -> None:
    fetch(pinned(good_server.url), tmp_path)
    target = tmp_path / NAME
    target.write_bytes(GOOD[:-1] + bytes([GOOD[-1] ^ 1]))
    os.utime(target, ns=(0, target.stat().st_mtime_ns + 10**9))
    with pytest.raises(ArchiveError, match="its md5 is"):
        fetch(pinned(good_server.url), tmp_path)


def test_present_file_put_there_by_hand_is_taken(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(GOOD)
    assert_fetched(fetch(pinned(), tmp_path), tmp_path, "already there")


@pytest.mark.parametrize("content", [b"", OTHER, GOOD[:-1], PAGE])
def test_present_wrong_file_is_left_alone(tmp_path: Path, good_server: Asked, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(ArchiveError, match="move it away and fetch again") as caught:
        fetch(pinned(good_server.url), tmp_path)
    assert str(tmp_path / NAME) in str(caught.value)
    assert (tmp_path / NAME).read_bytes() == content
    assert not good_server.requests


def test_size_alone_is_enough_to_refuse(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(GOOD)
    with pytest.raises(ArchiveError, match=f"it has {len(GOOD)} bytes instead of 5"):
        fetch(Archive(NAME, bytes=5), tmp_path)


def test_folder_under_the_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(ArchiveError, match="not a file"):
        fetch(pinned(), tmp_path)


def test_right_file_at_hand_is_linked(tmp_path: Path, good_server: Asked) -> None:
    at_hand, folder = tmp_path / "hand", tmp_path / "archives"
    at_hand.mkdir()
    (at_hand / NAME).write_bytes(GOOD)
    archive = pinned(good_server.url)
    assert_fetched(fetch(archive, folder, str(at_hand)), folder, str(at_hand / NAME))
    assert (folder / NAME).is_symlink()
    assert not good_server.requests
    assert_fetched(fetch(archive, folder), folder, "already there")
    shutil.rmtree(at_hand)
    assert_fetched(fetch(archive, folder), folder, good_server.url)
    assert not (folder / NAME).is_symlink(), "a link to nothing is replaced"


@pytest.mark.parametrize("content", [OTHER, PAGE, b"", None])
def test_wrong_file_at_hand_is_passed_over_with_a_warning(
    tmp_path: Path, good_server: Asked, caplog: pytest.LogCaptureFixture, content: bytes | None
) -> None:
    at_hand = tmp_path / "hand"
    at_hand.mkdir()
    if content is not None:
        (at_hand / NAME).write_bytes(content)
    folder = tmp_path / "archives"
    assert_fetched(fetch(pinned(good_server.url), folder, str(at_hand)), folder, good_server.url)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == (content is not None)
    assert all(str(at_hand / NAME) in warning for warning in warnings)
    assert content is None or (at_hand / NAME).read_bytes() == content


def test_folder_at_hand_that_is_not_there_is_said(
    tmp_path: Path, good_server: Asked, caplog: pytest.LogCaptureFixture
) -> None:
    assert_fetched(fetch(pinned(good_server.url), tmp_path, str(tmp_path / "nowhere")), tmp_path)
    assert "nowhere" in caplog.text


def test_server_at_hand_is_tried_first(tmp_path: Path, good_server: Asked) -> None:
    at_hand = tmp_path / "hand"
    at_hand.mkdir()
    (at_hand / NAME).write_bytes(GOOD)
    with serve_folder(at_hand) as base_url:
        fetched = fetch(pinned(good_server.url), tmp_path / "one", f"{base_url}/")
        assert_fetched(fetched, tmp_path / "one", f"{base_url}/{NAME}")
        assert not good_server.requests
        (at_hand / NAME).unlink()
        fetched = fetch(pinned(good_server.url), tmp_path / "two", base_url)
        assert_fetched(fetched, tmp_path / "two", good_server.url)


def test_archive_without_address_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="POINTREND_ARCHIVES"):
        fetch(pinned(), tmp_path)


def test_wrong_checksum_goes_on_to_the_next_mirror(
    tmp_path: Path, good_server: Asked, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = GOOD[:-1] + bytes([GOOD[-1] ^ 1])
    with misbehaving(lambda request: request.answer(200, wrong, ETag='"one"')) as server:
        assert_fetched(fetch(pinned(server.url, good_server.url), tmp_path), tmp_path, good_server.url)
    assert good_server.ranges == [None]
    assert "md5" in caplog.text


def test_wrong_checksum_everywhere_leaves_nothing(tmp_path: Path) -> None:
    keep = tmp_path / "mine.part"
    keep.write_bytes(b"not yours")
    wrong = GOOD[:-1] + bytes([GOOD[-1] ^ 1])
    assert "md5" in refusal(tmp_path, lambda request: request.answer(200, wrong))
    assert keep.read_bytes() == b"not yours"
    assert not list(tmp_path.glob(f"{NAME}*"))


def test_all_mirrors_failing_is_one_line_with_each_reason(tmp_path: Path) -> None:
    def behave(request: Request) -> None:
        if request.path == "/page":
            request.answer(200, PAGE, Content_Type="text/html")
        else:
            request.answer(404)

    with misbehaving(behave) as server, pytest.raises(DownloadError) as caught:
        fetch(pinned(f"{server.url}/none", f"{server.url}/page"), tmp_path)
    text = str(caught.value)
    assert f"{server.url}/none: HTTP 404 Not Found; {server.url}/page: a web page" in text
    assert "\n" not in text


def test_secrets_in_addresses_are_never_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG, "pointrend")
    with misbehaving(lambda r: r.answer(404) if "bad" in r.path else send_good(r)) as server:
        secret = server.url.replace("http://", "http://me:hunter2@")
        with pytest.raises(DownloadError) as caught:
            fetch(pinned(f"{secret}/bad?key=hunter2", "http://me:hunter2@[::1/x"), tmp_path)
        fetched = fetch(pinned(f"{secret}/{NAME}?key=hunter2#hunter2"), tmp_path, f"{secret}/bad")
    assert fetched.source == f"{server.url}/{NAME}"
    assert server.requests[-1][1]["Authorization"].startswith("Basic "), "they are used"
    written = [path.read_text(errors="replace") for path in tmp_path.iterdir() if path.name != NAME]
    shown = [str(caught.value), caplog.text, *capsys.readouterr(), *written]
    assert not any("hunter2" in text for text in shown)


def test_public_url() -> None:
    assert public_url("https://u:p@host:8/a/b.tar?sig=1#x") == "https://host:8/a/b.tar"


def test_full_disk_is_foreseen(tmp_path: Path, good_server: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, len(GOOD) - 1))
    with pytest.raises(MachineError, match="free disk space"):
        fetch(pinned(good_server.url), tmp_path)
    assert_nothing_named(tmp_path)


def test_disk_that_fills_up_is_one_line_and_keeps_the_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
                fetch(pinned(server.url), tmp_path)
        assert_nothing_named(tmp_path)
        kept = (tmp_path / f"{NAME}.part").stat().st_size
        assert kept > 100_000
        assert_fetched(fetch(pinned(server.url), tmp_path), tmp_path)
    assert server.ranges[-1] == f"bytes={kept}-"


def test_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError, match=r"cannot keep data\.zip"):
        fetch(pinned(), tmp_path / "file" / "folder")


def test_proxy_is_not_asked_for_this_machines_own_server(
    tmp_path: Path, good_server: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert_fetched(fetch(pinned(good_server.url), tmp_path), tmp_path)


def test_fetches_side_by_side_download_once(tmp_path: Path, good_server: Asked) -> None:
    fetched: list[FetchedFile] = []
    threads = [
        threading.Thread(target=lambda: fetched.append(fetch(pinned(good_server.url), tmp_path))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(file.source for file in fetched) == ["already there"] * 3 + [good_server.url]
    assert len(good_server.requests) == 1
