"""Downloading from real servers on loopback, most of which misbehave."""

import contextlib
import gzip
import json
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointrend.archives import download
from pointrend.archives.download import transfer_progress
from pointrend.errors import DownloadError
from pointrend.settings.archives import Archive
from tests.archives.fetching import (
    ATTEMPTS,
    FRUITLESS,
    GOOD,
    NAME,
    OTHER,
    UNKNOWN,
    UNSIZED,
    assert_fetched,
    fetch,
    known,
    refusal,
    send_good,
)
from tests.archives.servers import Request, misbehaving, resumable


def leave_part(folder: Path, body: bytes, url: str) -> None:
    """What a killed process leaves: a part, and the note of what it is a part of."""
    note = {"etag": '"one"', "last_modified": None, "total": len(GOOD), "url": url}
    (folder / f"{NAME}.part").write_bytes(body)
    (folder / f"{NAME}.part.json").write_text(json.dumps(note))


def whole_or_416(request: Request) -> None:
    """Answer 416 to every range, as if it began at the end of the file or after it."""
    if request.first_byte is None:
        request.answer(200, GOOD, ETag='"one"')
    else:
        request.answer(416, Content_Range=f"bytes */{len(GOOD)}")


def pour(*bodies: bytes) -> Callable[[Request], None]:
    """Answer with these bodies in turn, without a length."""
    left = list(bodies)

    def behave(request: Request) -> None:
        request.send_response(200)
        request.send_header("Connection", "close")
        request.end_headers()
        request.wfile.write(left.pop(0))

    return behave


def test_next_process_continues_where_the_last_one_stopped(tmp_path):
    sent = len(GOOD) // 2
    cuts = [sent, 0, 0]
    with misbehaving(resumable(GOOD, cut=lambda due: cuts.pop(0) if cuts else due)) as server:
        with pytest.raises(DownloadError, match="cut"):
            fetch(tmp_path, server.url)
        assert (tmp_path / f"{NAME}.part").read_bytes() == GOOD[:sent]
        assert not (tmp_path / NAME).exists()
        assert_fetched(fetch(tmp_path, server.url), tmp_path)
    assert server.ranges == [None, *[f"bytes={sent}-"] * 3]


@settings(deadline=None, max_examples=15)
@given(cuts=st.lists(st.integers(1, len(GOOD)), max_size=8))
def test_any_sequence_of_cuts_gives_the_same_bytes(tmp_path_factory, cuts):
    folder = tmp_path_factory.mktemp("cuts")
    left = list(cuts)
    with misbehaving(resumable(GOOD, cut=lambda due: min(due, left.pop()) if left else due)) as server:
        assert_fetched(fetch(folder, server.url), folder)


@pytest.mark.parametrize("heeds_if_range", [True, False])
def test_file_that_changed_on_the_server_is_not_spliced(tmp_path, heeds_if_range):
    new = send_good if heeds_if_range else resumable(GOOD, lambda due: due, '"two"')
    versions = [resumable(OTHER, lambda due: due // 2, '"one"'), new]
    with misbehaving(lambda request: versions[min(len(server.requests) - 1, 1)](request)) as server:
        assert_fetched(fetch(tmp_path, server.url), tmp_path)
    assert server.requests[1][1]["If-Range"] == '"one"'
    assert [asked is None for asked in server.ranges] == [True, False] + [True] * (not heeds_if_range)


def test_part_of_another_url_is_not_spliced(tmp_path, good_server):
    with misbehaving(resumable(OTHER, cut=lambda due: due // 2 if due == len(OTHER) else 0)) as server:
        assert_fetched(fetch(tmp_path, server.url, good_server.url), tmp_path, good_server.url)
    assert good_server.ranges == [None]


@pytest.mark.parametrize("note", [None, "{", "[]", '{"url": 1}'])
def test_part_without_a_whole_note_of_its_origin_is_begun_again(tmp_path, note):
    (tmp_path / f"{NAME}.part").write_bytes(OTHER[:1000])
    if note:
        (tmp_path / f"{NAME}.part.json").write_text(note)
    with misbehaving(resumable(GOOD, cut=lambda due: due)) as server:
        assert_fetched(fetch(tmp_path, server.url), tmp_path)
    assert server.ranges == [None]


def test_weak_etags_are_not_used_for_ranges(tmp_path):
    cuts = [1000]
    with misbehaving(resumable(GOOD, lambda due: cuts.pop() if cuts else due, 'W/"one"')) as server:
        assert_fetched(fetch(tmp_path, server.url), tmp_path)
    assert server.ranges == [None, None]


def test_server_without_ranges_is_asked_for_the_whole_again(tmp_path):
    def cut_twice(request: Request) -> None:
        rest = GOOD if len(server.requests) > 2 else GOOD[: 1000 * len(server.requests)]
        request.answer(200, rest, len(GOOD), ETag='"one"')

    with misbehaving(cut_twice) as server:
        assert_fetched(fetch(tmp_path, server.url), tmp_path)
    assert server.ranges == [None, "bytes=1000-", "bytes=2000-"]


def test_server_that_always_cuts_is_given_up(tmp_path):
    assert "cut" in refusal(tmp_path, lambda r: r.answer(200, GOOD[:9], len(GOOD)), asked=1 + FRUITLESS)
    assert "cut" in refusal(tmp_path, resumable(GOOD, cut=lambda due: 1), asked=ATTEMPTS)


def test_complete_part_left_by_a_killed_process_is_verified_and_named(tmp_path):
    with misbehaving(whole_or_416) as server:
        for archive in (known(), UNSIZED):
            leave_part(tmp_path, GOOD, server.url)
            assert_fetched(fetch(tmp_path, server.url, archive=archive), tmp_path)
            (tmp_path / NAME).unlink()
        assert server.ranges == [f"bytes={len(GOOD)}-"]


def test_part_longer_than_the_file_is_begun_again(tmp_path):
    with misbehaving(whole_or_416) as server:
        leave_part(tmp_path, GOOD + b"more", server.url)
        assert_fetched(fetch(tmp_path, server.url), tmp_path)


def test_archive_must_begin_as_its_ending_requires_and_a_log_in_any_way(tmp_path):
    for name in ("a.tar", "a.tgz", "a.tar.gz", "a.zip", "a.pth"):
        text = refusal(tmp_path, lambda request: request.answer(200, b"\x00\x01" * 1000), Archive(name=name))
        assert "does not begin as a" in text
    page = refusal(tmp_path, lambda request: request.answer(200, b"x", Content_Type="text/html; a=b"), UNKNOWN)
    assert "web page" in page
    assert not list(tmp_path.glob("*.part"))
    with misbehaving(lambda request: request.answer(200, b"2021-09-13 INFO", Content_Type="text/plain")) as server:
        assert fetch(tmp_path, server.url, archive=Archive(name="run.log")).bytes == 15


@pytest.mark.parametrize(("status", "asked"), [(403, 1), (404, 1), (410, 1), (204, 1), (503, 2), (429, 2)])
def test_status_is_reported_and_only_transient_ones_are_retried(tmp_path, status, asked):
    assert f"HTTP {status}" in refusal(tmp_path, lambda request: request.answer(status), asked=asked)


def test_redirect_is_followed(tmp_path, good_server):
    with misbehaving(lambda request: request.answer(302, Location=good_server.url)) as server:
        assert_fetched(fetch(tmp_path, server.url), tmp_path, server.url)


def test_length_that_is_not_the_one_that_comes_is_noticed(tmp_path):
    assert "cut" in refusal(tmp_path, lambda r: r.answer(200, GOOD, len(GOOD) + 5), UNSIZED)
    assert "sha256" in refusal(tmp_path, lambda r: r.answer(200, GOOD, len(GOOD) - 5), UNSIZED)


def test_endless_answer_without_a_length_is_stopped(tmp_path):
    sent: list[int] = []

    def endless(request: Request) -> None:
        pour(b"")(request)
        with contextlib.suppress(ConnectionError):
            for _ in range(10_000):
                request.wfile.write(bytes(100_000))
                sent.append(100_000)

    assert "instead of" in refusal(tmp_path, endless)
    assert sum(sent) < 100 * len(GOOD)


@pytest.mark.parametrize("bodies", [(GOOD,), (GOOD[:1000], GOOD)])
def test_answer_without_a_length_is_taken_if_it_is_complete(tmp_path, bodies):
    with misbehaving(pour(*bodies)) as server:
        assert_fetched(fetch(tmp_path, server.url), tmp_path)
    assert len(server.requests) == len(bodies)


def test_content_encoding_is_not_undone(tmp_path):
    packed = gzip.compress(b"x" * 5000)
    with misbehaving(lambda request: request.answer(200, packed, Content_Encoding="x-gzip")) as server:
        fetched = fetch(tmp_path, server.url, archive=known(packed, "a.tgz"))
    assert fetched.path.read_bytes() == packed
    assert server.requests[0][1]["Accept-Encoding"] == "identity"


def test_silent_server_is_given_up_in_time(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "SILENT_S", 0.2)
    release = threading.Event()

    def hang(request: Request) -> None:
        if len(server.requests) > 1:
            request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
        release.wait(20)

    began = time.monotonic()
    with misbehaving(hang) as server:
        try:
            with pytest.raises(DownloadError, match=r"no data for 0\.2 s"):
                fetch(tmp_path, server.url, archive=UNKNOWN)
        finally:
            release.set()
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "127.0.0.1/x", "http://", "http://[::1/x"])
def test_url_that_is_none_and_a_closed_port_are_reported(tmp_path, url):
    with misbehaving(send_good) as server:
        closed = server.url
    with pytest.raises(DownloadError, match=r"the URL cannot be used .*: no connection"):
        fetch(tmp_path, url, closed)


def test_progress_is_plain_lines_off_a_terminal(caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with transfer_progress(NAME, 100 << 20, 20 << 20) as advance:
        for moment, mebibytes in ((9.0, 20), (11.0, 1), (12.0, 1), (22.0, 5), (30.0, 1), (71.5, 0)):
            now[0] = moment
            advance(mebibytes << 20)
    assert [record.getMessage() for record in caplog.records] == [
        "data.zip: 41 MiB of 100 MiB (41 %)",
        "data.zip: 48 MiB of 100 MiB (48 %)",
    ]
