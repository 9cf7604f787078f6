"""Cityscapes through the official package, most of the time played by a stand-in."""

import errno
import importlib
import io
import json
import logging
import os
import stat
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import requests

from pointrend.archives.cityscapes_download import CITYSCAPES, VARIABLES
from pointrend.archives.loopback import serve_folder
from pointrend.errors import DownloadError, MachineError
from tests.archives import fetching
from tests.archives.fetching import GOOD, KNOWN, NAME, OTHER, assert_fetched

SITE = "https://www.cityscapes-dataset.com"


class Downloader(ModuleType):
    """Stands in for cityscapesscripts.download.downloader: every call appends bytes and may raise, by the script."""

    def __init__(self) -> None:
        super().__init__("cityscapesscripts.download.downloader")
        self.script: list[tuple[bytes, Exception | None]] = [(GOOD, None)]
        self.refuse_login: Exception | None = None
        self.accounts: list[Any] = []
        self.account_file = Path()
        self.calls = 0
        self.tqdm: Any = lambda **_: pytest.fail("the package shows a bar of its own")

    def login(self) -> str:
        home = Path(os.environ["XDG_DATA_HOME"])
        self.account_file = home / "cityscapesscripts" / "credentials.json"
        assert stat.S_IMODE(self.account_file.stat().st_mode) == 0o600
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        self.accounts.append(json.loads(self.account_file.read_text()))
        if self.refuse_login:
            raise self.refuse_login
        return "session"

    def download_packages(
        self, *, session: Any, package_names: list[str], destination_path: str, resume: bool = False
    ) -> None:
        assert session == "session"
        assert package_names == [NAME]
        assert resume
        self.calls += 1
        print("Downloading cityscapes package")
        with self.tqdm(desc="Download progress", total=1):
            data, problem = self.script.pop(0)
            with open(Path(destination_path) / NAME, "ab") as stream:
                stream.write(data)
            if problem:
                raise problem


@pytest.fixture
def downloader(monkeypatch):
    official = Downloader()
    monkeypatch.setitem(sys.modules, official.__name__, official)
    monkeypatch.setenv("CITYSCAPES_USERNAME", "me@example.org")
    monkeypatch.setenv("CITYSCAPES_PASSWORD", "hunter2")
    return official


def fetch(folder: Path, *urls: str, at_hand: str | None = None) -> Any:
    return fetching.fetch(folder, *urls, at_hand=at_hand, site=CITYSCAPES)


def refusal(folder: Path) -> str:
    with pytest.raises(DownloadError) as caught:
        fetch(folder)
    text = str(caught.value)
    assert not (folder / NAME).exists()
    assert "hunter2" not in text
    assert "me@example.org" not in text
    assert "POINTREND_ARCHIVES" in text
    assert "\n" not in text
    return text


class Session:
    """Plays the official site to the real package; it has the first half of the file already sent."""

    def __init__(self) -> None:
        self.posted: list[Any] = []

    def get(self, url: str, headers: Any = None, **_: Any) -> requests.Response:
        response = requests.Response()
        response.status_code, body = 200, b""
        if url.endswith("?list"):
            body = json.dumps([{"name": NAME, "packageID": 3, "size": "1MB"}]).encode()
        elif "md5-sum" in url:
            body = f"{KNOWN.md5}  {NAME}".encode()
        elif "file-handling" in url:
            body = GOOD[int(headers["Range"].removeprefix("bytes=").removesuffix("-")) :]
        response.raw = io.BytesIO(body)
        return response

    def post(self, url: str, data: Any, **_: Any) -> Any:
        self.posted.append(data)
        return SimpleNamespace(raise_for_status=lambda: None, status_code=302)


@pytest.mark.parametrize("bar", [False, True])
def test_real_package_logs_in_resumes_and_reports_in_our_way(
    tmp_path,
    monkeypatch,
    caplog,
    capsys,
    bar,
):
    real = importlib.import_module("cityscapesscripts.download.downloader")
    session, own_bar = Session(), real.tqdm
    caplog.set_level(logging.INFO)
    for name, value in zip(VARIABLES, ("me", "hunter2"), strict=True):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(real.requests, "Session", lambda: session)
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("it asks on the terminal"))
    monkeypatch.setattr("pointrend.archives.download.LEAST_PAUSE_S", 0)
    monkeypatch.setattr("pointrend.archives.download.hides_bars", lambda: not bar)
    (tmp_path / f"{NAME}.part.d").mkdir()
    (tmp_path / f"{NAME}.part.d" / NAME).write_bytes(GOOD[: len(GOOD) // 2])
    assert_fetched(fetch(tmp_path), tmp_path, SITE)
    assert session.posted == [{"username": "me", "password": "hunter2", "submit": "Login"}]
    assert os.environ["XDG_DATA_HOME"] == str(tmp_path)
    assert real.tqdm is own_bar
    shown = [record.getMessage() for record in caplog.records if "MiB" in record.getMessage()]
    assert shown == ([] if bar else [f"{NAME}: 0 MiB of 0 MiB ({share} %)" for share in (60, 70, 80, 90)])
    printed = capsys.readouterr()
    assert printed.out == "", "the package's prints do not mix with ours"
    assert (f"{NAME}: 100%" in printed.err) is bar


def test_downloads_with_the_account(tmp_path, downloader, monkeypatch, capsys):
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert_fetched(fetch(tmp_path), tmp_path, SITE)
    assert downloader.accounts == [{"username": "me@example.org", "password": "hunter2"}]
    assert not downloader.account_file.exists()
    assert not downloader.account_file.parent.parent.exists()
    assert "XDG_DATA_HOME" not in os.environ
    assert capsys.readouterr() == ("", "")


def test_what_is_at_hand_needs_no_account(tmp_path, downloader, monkeypatch):
    monkeypatch.delenv("CITYSCAPES_PASSWORD")
    at_hand = tmp_path / "hand"
    at_hand.mkdir()
    (at_hand / NAME).write_bytes(GOOD)
    assert_fetched(fetch(tmp_path / "linked", at_hand=str(at_hand)), tmp_path / "linked", str(at_hand / NAME))
    with serve_folder(at_hand) as url:
        assert_fetched(fetch(tmp_path / "served", at_hand=url), tmp_path / "served", f"{url}/{NAME}")
        assert not downloader.accounts
        monkeypatch.setenv("CITYSCAPES_PASSWORD", "hunter2")
        (at_hand / NAME).unlink()
        assert_fetched(fetch(tmp_path / "site", at_hand=url), tmp_path / "site", SITE)


@pytest.mark.parametrize("missing", VARIABLES)
def test_without_an_account_both_ways_are_named(tmp_path, downloader, monkeypatch, missing):
    monkeypatch.setenv(missing, "")
    text = refusal(tmp_path)
    assert all(hint in text for hint in (NAME, SITE, *VARIABLES))
    assert not downloader.accounts


@pytest.mark.parametrize(
    "problem",
    [Exception("Bad credentials."), requests.ConnectionError("hunter2"), Exception("me@example.org: hunter2?")],
)
def test_refused_login_is_one_line_without_the_account(tmp_path, downloader, problem):
    downloader.refuse_login = problem
    assert "no login" in refusal(tmp_path)
    assert not downloader.account_file.exists()
    assert not downloader.calls


CUT, THIRD = requests.exceptions.ChunkedEncodingError("cut"), len(GOOD) // 3
LOST = requests.ConnectionError("cut")
NOTHING_LEFT = requests.HTTPError("416", response=requests.Response())
NOTHING_LEFT.response.status_code = 416  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "script",
    [
        [(GOOD[:THIRD], CUT), (GOOD[THIRD : 2 * THIRD], CUT), (GOOD[2 * THIRD :], None)],
        [(GOOD, LOST), (b"", NOTHING_LEFT)],  # the part is complete already
    ],
)
def test_cut_download_is_resumed(tmp_path, downloader, script):
    downloader.script = [*script]
    assert_fetched(fetch(tmp_path), tmp_path, SITE)
    assert downloader.calls == len(script)
    assert len(downloader.accounts) == 1


@pytest.mark.parametrize(
    ("script", "words", "later"),
    [
        ([(GOOD[:1000], LOST), (b"", LOST), (b"", LOST)], "no connection", GOOD[1000:]),  # the part is kept
        ([(OTHER, None)], "md5", GOOD),
        ([(OTHER, Exception("MD5 sum of downloaded file does not match."))], "MD5", GOOD),
    ],
)
def test_next_call_continues_or_begins_again(tmp_path, downloader, script, words, later):
    downloader.script = [*script]
    assert words in refusal(tmp_path)
    assert downloader.calls == len(script)
    downloader.script = [(later, None)]
    assert_fetched(fetch(tmp_path), tmp_path, SITE)


def test_full_disk_is_a_matter_of_the_machine(tmp_path, downloader):
    downloader.script = [(b"", OSError(errno.ENOSPC, "No space left on device"))]
    with pytest.raises(MachineError, match="No space left"):
        fetch(tmp_path)


def test_absent_package_is_reported(tmp_path, downloader, monkeypatch):
    monkeypatch.setitem(sys.modules, downloader.__name__, None)
    assert "cityscapesscripts is not installed" in refusal(tmp_path)
