"""Fetching from real servers on loopback, most of which misbehave."""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import io
import json
import logging
import os
import random
import shutil
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from pointrend.datasets import progress, verification
from pointrend.datasets.demo.build import build_demo_archives
from pointrend.datasets.demo.layouts import SceneCounts
from pointrend.datasets.download import PartFile, Patience, public_url
from pointrend.datasets.fetch import Archive, FetchedFile, fetch_archive
from pointrend.datasets.loopback import serve_folder
from pointrend.errors import ArchiveError, DownloadError, MachineError
from tests.datasets.servers import Asked, Request, misbehaving, resumable

NAME = "data.zip"
QUICK = Patience(connect_s=5, silent_s=5, fruitless=2, attempts=12, pause_s=0)
PAGE = b"\n <!DOCTYPE html><html><body>Please log in.</body></html>"


def zip_of(seed: int, size: int = 400_000) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo("noise"), random.Random(seed).randbytes(size))
    return stream.getvalue()


GOOD, OTHER = zip_of(0), zip_of(1)


def pinned(*urls: str, body: bytes = GOOD, name: str = NAME) -> Archive:
    md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
    return Archive(name, urls, len(body), md5, hashlib.sha256(body).hexdigest())


def fetch(archive: Archive, folder: Path, at_hand: str | None = None, patience: Patience = QUICK) -> FetchedFile:
    return fetch_archive(archive, folder, at_hand, progress=False, patience=patience)


def send_good(request: Request) -> None:
    request.answer(200, GOOD)


@pytest.fixture
def good_server() -> Iterator[Asked]:
    with misbehaving(send_good) as server:
        yield server


def assert_fetched(fetched: FetchedFile, folder: Path, source: str | None = None, body: bytes = GOOD) -> None:
    assert fetched.path == folder / NAME
    assert fetched.path.read_bytes() == body
    assert (fetched.bytes, fetched.sha256) == (len(body), hashlib.sha256(body).hexdigest())
    assert source is None or fetched.source == source
    assert not [path for path in folder.iterdir() if ".part" in path.name]


def assert_nothing_named(folder: Path) -> None:
    assert not (folder / NAME).exists()


def refusal(folder: Path, behave: Callable[[Request], None], archive: Archive | None = None) -> str:
    """The one line that a fetch from a single misbehaving server ends in."""
    with misbehaving(behave) as server:
        known = archive or pinned()
        url = f"{server.url}/{known.name}"
        with pytest.raises(DownloadError) as caught:
            fetch(Archive(known.name, (url,), known.bytes, known.md5, known.sha256, known.sha256_prefix), folder)
    text = str(caught.value)
    assert_nothing_named(folder)
    assert "\n" not in text
    assert known.name in text
    assert "POINTREND_ARCHIVES" in text
    return text


# What should work


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


def test_folder_under_the_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(ArchiveError, match="not a file"):
        fetch(pinned(), tmp_path)


# What is at hand


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


# Cut connections


def test_cut_download_goes_on_where_it_was_cut(tmp_path: Path) -> None:
    with misbehaving(resumable(GOOD, cut=lambda due: max(due * 3 // 10, min(due, 50_000)))) as server:
        assert_fetched(fetch(pinned(server.url), tmp_path), tmp_path)
        starts = [int(asked[6:-1]) if asked else 0 for asked in server.ranges]
    assert starts[0] == 0
    assert starts[1] == len(GOOD) * 3 // 10, "nothing that came is thrown away"
    assert starts == sorted(set(starts))
    assert server.requests[1][1]["If-Range"] == '"one"'


def test_next_process_goes_on_where_the_last_one_stopped(tmp_path: Path) -> None:
    sent = len(GOOD) // 2
    cuts = [sent, 0, 0]
    with misbehaving(resumable(GOOD, cut=lambda due: cuts.pop(0) if cuts else due)) as server:
        with pytest.raises(DownloadError, match="cut"):
            fetch(pinned(server.url), tmp_path)
        assert (tmp_path / f"{NAME}.part").read_bytes() == GOOD[:sent]
        assert_nothing_named(tmp_path)
        assert_fetched(fetch(pinned(server.url), tmp_path), tmp_path)
    assert server.ranges == [None, *[f"bytes={sent}-"] * 3]


@settings(deadline=None, max_examples=15)
@given(cuts=st.lists(st.integers(1, len(GOOD)), max_size=8))
def test_any_sequence_of_cuts_gives_the_same_bytes(tmp_path_factory: pytest.TempPathFactory, cuts: list[int]) -> None:
    folder = tmp_path_factory.mktemp("cuts")
    left = list(cuts)
    with misbehaving(resumable(GOOD, cut=lambda due: min(due, left.pop()) if left else due)) as server:
        assert_fetched(fetch(pinned(server.url), folder), folder)


def test_file_that_changed_on_the_server_is_not_spliced(tmp_path: Path) -> None:
    (tmp_path / "served").mkdir()
    served = tmp_path / "served" / NAME
    served.write_bytes(GOOD)
    with misbehaving(resumable(OTHER, cut=lambda due: due // 2)) as server, contextlib.suppress(DownloadError):
        fetch(pinned(server.url, body=OTHER), tmp_path, patience=Patience(attempts=1, pause_s=0))
    part = tmp_path / f"{NAME}.part"
    assert 0 < part.stat().st_size < len(OTHER)
    with serve_folder(tmp_path / "served") as base_url:
        note = json.loads((tmp_path / f"{NAME}.part.json").read_text())
        (tmp_path / f"{NAME}.part.json").write_text(json.dumps({**note, "url": f"{base_url}/{NAME}"}))
        assert_fetched(fetch(pinned(f"{base_url}/{NAME}"), tmp_path), tmp_path)


def test_part_from_another_version_is_not_spliced_even_if_the_server_ignores_if_range(tmp_path: Path) -> None:
    version = [resumable(OTHER, lambda due: due // 2, '"one"'), resumable(GOOD, lambda due: due, '"two"')]
    with misbehaving(lambda request: version[min(len(server.requests) - 1, 1)](request)) as server:
        assert_fetched(fetch(pinned(server.url), tmp_path), tmp_path)
    assert [asked is None for asked in server.ranges] == [True, False, True]


def test_part_of_another_address_is_not_spliced(tmp_path: Path, good_server: Asked) -> None:
    with misbehaving(resumable(OTHER, cut=lambda due: due // 2 if due == len(OTHER) else 0)) as server:
        assert_fetched(fetch(pinned(server.url, good_server.url), tmp_path), tmp_path, good_server.url)
    assert good_server.ranges == [None]


def test_part_without_a_note_of_its_origin_is_begun_again(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(OTHER[:1000])
    with misbehaving(resumable(GOOD, cut=lambda due: due)) as server:
        assert_fetched(fetch(pinned(server.url), tmp_path), tmp_path)
    assert server.ranges == [None]


def test_weak_etags_are_not_used_for_ranges(tmp_path: Path) -> None:
    cuts = [1000]
    with misbehaving(resumable(GOOD, lambda due: cuts.pop() if cuts else due, 'W/"one"')) as server:
        assert_fetched(fetch(pinned(server.url), tmp_path), tmp_path)
    assert server.ranges == [None, None]


def test_server_without_ranges_is_asked_for_the_whole_again(tmp_path: Path) -> None:
    def cut_twice(request: Request) -> None:
        rest = GOOD if len(server.requests) > 2 else GOOD[: 1000 * len(server.requests)]
        request.answer(200, rest, len(GOOD), ETag='"one"')

    with misbehaving(cut_twice) as server:
        assert_fetched(fetch(pinned(server.url), tmp_path), tmp_path)
    assert server.ranges == [None, "bytes=1000-", "bytes=2000-"]


def test_server_that_always_cuts_is_given_up(tmp_path: Path) -> None:
    answers: list[Request] = []

    def cut(request: Request) -> None:
        answers.append(request)
        request.answer(200, GOOD[: len(GOOD) * 3 // 10], len(GOOD))

    assert "the connection was cut" in refusal(tmp_path, cut)
    assert len(answers) == 1 + QUICK.fruitless


def test_server_that_sends_a_byte_at_a_time_is_given_up(tmp_path: Path) -> None:
    answers: list[Request] = []

    def behave(request: Request) -> None:
        answers.append(request)
        resumable(GOOD, cut=lambda due: 1)(request)

    assert "cut" in refusal(tmp_path, behave)
    assert len(answers) == QUICK.attempts


def test_whole_part_left_by_a_killed_process_is_verified_and_named(tmp_path: Path) -> None:
    def behave(request: Request) -> None:
        if request.first_byte == len(GOOD):
            request.answer(416, Content_Range=f"bytes */{len(GOOD)}")
        else:
            request.answer(200, GOOD, ETag='"one"')

    with misbehaving(behave) as server:
        for size_known in (True, False):
            part, note = tmp_path / f"{NAME}.part", {"etag": '"one"', "last_modified": None, "total": len(GOOD)}
            part.write_bytes(GOOD)
            (tmp_path / f"{NAME}.part.json").write_text(json.dumps({**note, "url": server.url}))
            archive = Archive(NAME, (server.url,), len(GOOD) if size_known else None, sha256=pinned().sha256)
            assert_fetched(fetch(archive, tmp_path), tmp_path)
            (tmp_path / NAME).unlink()
    assert server.ranges == [f"bytes={len(GOOD)}-"]


def test_part_longer_than_the_file_is_begun_again(tmp_path: Path) -> None:
    with misbehaving(
        lambda request: (
            request.answer(416, Content_Range=f"bytes */{len(GOOD)}")
            if request.first_byte
            else request.answer(200, GOOD, ETag='"one"')
        )
    ) as server:
        note = {"etag": '"one"', "last_modified": None, "total": len(GOOD), "url": server.url}
        (tmp_path / f"{NAME}.part").write_bytes(GOOD + b"more")
        (tmp_path / f"{NAME}.part.json").write_text(json.dumps(note))
        assert_fetched(fetch(pinned(server.url), tmp_path), tmp_path)


# Servers that send something else


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/octet-stream"])
def test_web_page_is_not_saved_as_an_archive(tmp_path: Path, kind: str) -> None:
    text = refusal(tmp_path, lambda request: request.answer(200, PAGE, Content_Type=kind), Archive(NAME))
    assert "web page" in text
    assert not (tmp_path / f"{NAME}.part").exists()


@pytest.mark.parametrize("name", ["a.tar", "a.tgz", "a.tar.gz", "a.zip", "a.pth"])
def test_archive_must_begin_as_its_ending_says(tmp_path: Path, name: str) -> None:
    text = refusal(tmp_path, lambda request: request.answer(200, b"\x00\x01" * 1000), Archive(name))
    assert "does not begin as a" in text


def test_log_file_may_begin_in_any_way(tmp_path: Path) -> None:
    with misbehaving(lambda request: request.answer(200, b"2021-09-13 INFO", Content_Type="text/plain")) as server:
        assert fetch(Archive("run.log", (server.url,)), tmp_path).bytes == 15


@pytest.mark.parametrize(("status", "asked"), [(403, 1), (404, 1), (410, 1), (204, 1), (503, 2), (429, 2)])
def test_status_is_reported_and_only_passing_ones_are_retried(tmp_path: Path, status: int, asked: int) -> None:
    answers: list[Request] = []

    def behave(request: Request) -> None:
        answers.append(request)
        request.answer(status)

    assert f"HTTP {status}" in refusal(tmp_path, behave)
    assert len(answers) == asked


def test_passing_failure_is_retried(tmp_path: Path) -> None:
    with misbehaving(
        lambda request: request.answer(503) if len(server.requests) == 1 else send_good(request)
    ) as server:
        assert_fetched(fetch(pinned(server.url), tmp_path), tmp_path)


def test_redirect_is_followed_and_a_loop_is_not(tmp_path: Path, good_server: Asked) -> None:
    with misbehaving(lambda request: request.answer(302, Location=good_server.url)) as server:
        assert_fetched(fetch(pinned(server.url), tmp_path / "followed"), tmp_path / "followed", server.url)
    (tmp_path / "loop").mkdir()
    assert "redirects without end" in refusal(tmp_path / "loop", lambda r: r.answer(302, Location="/again"))


def test_length_that_promises_more_than_comes_is_noticed(tmp_path: Path) -> None:
    unsized = Archive(NAME, sha256=pinned().sha256)
    assert "cut" in refusal(tmp_path, lambda r: r.answer(200, GOOD, len(GOOD) + 5), unsized)


def test_length_that_promises_less_than_comes_is_noticed(tmp_path: Path) -> None:
    short = len(GOOD) - 5
    assert f"offers {short} bytes" in refusal(tmp_path, lambda r: r.answer(200, GOOD, short))
    unsized = Archive(NAME, sha256=pinned().sha256)
    assert "sha256" in refusal(tmp_path, lambda r: r.answer(200, GOOD, short), unsized)


def test_endless_answer_without_a_length_is_stopped(tmp_path: Path) -> None:
    sent: list[int] = []

    def pour(request: Request) -> None:
        request.send_response(200)
        request.send_header("Connection", "close")
        request.end_headers()
        request.close_connection = True
        with contextlib.suppress(ConnectionError):
            for _ in range(10_000):
                request.wfile.write(bytes(100_000))
                sent.append(100_000)

    assert "instead of" in refusal(tmp_path, pour)
    assert sum(sent) < 100 * len(GOOD)


def test_answer_without_a_length_is_taken(tmp_path: Path) -> None:
    def pour(request: Request) -> None:
        request.send_response(200)
        request.send_header("Connection", "close")
        request.end_headers()
        request.close_connection = True
        request.wfile.write(GOOD)

    with misbehaving(pour) as server:
        assert_fetched(fetch(pinned(server.url), tmp_path), tmp_path)


def test_content_encoding_is_not_undone(tmp_path: Path) -> None:
    packed = gzip.compress(b"x" * 5000)
    with misbehaving(lambda request: request.answer(200, packed, Content_Encoding="x-gzip")) as server:
        fetched = fetch(pinned(server.url, body=packed, name="a.tgz"), tmp_path)
    assert fetched.path.read_bytes() == packed
    assert server.requests[0][1]["Accept-Encoding"] == "identity"


def test_silent_server_is_given_up_in_time(tmp_path: Path) -> None:
    release = threading.Event()

    def hang(request: Request) -> None:
        if len(server.requests) > 1:
            request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
        release.wait(20)

    hasty = Patience(connect_s=1, silent_s=0.2, fruitless=2, attempts=3, pause_s=0)
    began = time.monotonic()
    with misbehaving(hang) as server:
        try:
            with pytest.raises(DownloadError, match=r"no data for 0\.2 s"):
                fetch(Archive(NAME, (server.url,)), tmp_path, patience=hasty)
        finally:
            release.set()
    assert time.monotonic() - began < 5


def test_nobody_listening_is_reported(tmp_path: Path) -> None:
    with misbehaving(send_good) as server:
        closed = server.url
    with pytest.raises(DownloadError, match="no connection"):
        fetch(pinned(closed), tmp_path)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "127.0.0.1/x", "http://", "http://[::1/x"])
def test_address_that_is_none_is_reported(tmp_path: Path, url: str) -> None:
    with pytest.raises(DownloadError, match="the address cannot be used"):
        fetch(pinned(url), tmp_path)


# Mirrors


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


# The machine


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


# Progress


def test_progress_is_plain_lines_off_a_terminal(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with progress.transfer_progress(NAME, 100 << 20, 20 << 20, bar=False) as advance:
        for moment, mebibytes in ((9.0, 20), (11.0, 1), (12.0, 1), (22.0, 5), (30.0, 1), (71.5, 0)):
            now[0] = moment
            advance(mebibytes << 20)
    assert [record.getMessage() for record in caplog.records] == [
        "data.zip: 41 MiB of 100 MiB (41 %)",
        "data.zip: 48 MiB of 100 MiB (48 %)",
    ]


def test_progress_is_a_bar_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.transfer_progress(NAME, 1000, 0, bar=True) as advance:
        advance(1000)
    assert "data.zip: 100%" in capsys.readouterr().err


# The demo's own server


def test_demo_archives_are_fetched_over_http(tmp_path: Path) -> None:
    drawn, folder = tmp_path / "drawn", tmp_path / "archives"
    files = build_demo_archives(drawn, SceneCounts(train=4, val=2, height=32, width=32))["files"]
    with serve_folder(drawn) as base_url:
        for name, facts in files.items():
            fetched = fetch(Archive(name, (f"{base_url}/{name}",), **facts), folder)
            assert fetched.path.read_bytes() == (drawn / name).read_bytes()
            assert fetched.source.startswith("http://127.0.0.1:")


def test_loopback_server_serves_ranges_and_only_its_own_files(tmp_path: Path) -> None:
    served = tmp_path / "served"
    served.mkdir()
    (served / "a.zip").write_bytes(GOOD)
    (served / ".hidden").write_bytes(b"x")
    (tmp_path / "secret").write_bytes(b"x")
    with serve_folder(served) as base_url:
        whole = requests.get(f"{base_url}/a.zip", timeout=5)
        assert whole.content == GOOD
        part = requests.get(f"{base_url}/a.zip", headers={"Range": "bytes=100-"}, timeout=5)
        assert (part.status_code, part.content) == (206, GOOD[100:])
        assert part.headers["Content-Range"] == f"bytes 100-{len(GOOD) - 1}/{len(GOOD)}"
        past = requests.get(f"{base_url}/a.zip", headers={"Range": f"bytes={len(GOOD)}-"}, timeout=5)
        assert (past.status_code, past.headers["Content-Range"]) == (416, f"bytes */{len(GOOD)}")
        changed = {"Range": "bytes=100-", "If-Range": '"other"'}
        assert requests.get(f"{base_url}/a.zip", headers=changed, timeout=5).content == GOOD
        for path in ("", ".hidden", "%2e%2e/secret", "..%2fsecret", "absent"):
            assert requests.get(f"{base_url}/{path}", timeout=5).status_code == 404
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{base_url}/a.zip", timeout=5)


def test_part_file_knows_nothing_of_a_torn_note(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "x.part")
    part.path.write_bytes(b"x")
    for note in ("{", "[]", '{"url": 1}'):
        (tmp_path / "x.part.json").write_text(note)
        assert part.origin() is None
