"""Reading members: one way for three formats, and nothing unsafe or damaged gets through."""

import contextlib
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointrend.archives.demo.packing import write_archive
from pointrend.datasets.prepare.archives import ArchiveReader
from pointrend.errors import ArchiveError
from tests.datasets.layouts import write_archives

ENDINGS = [".tar", ".tgz", ".zip"]
MEMBERS = [
    ("root/list.txt", b"one\ntwo\n"),
    ("root/pictures/one.jpg", bytes(range(256)) * 20),
    ("root/pictures/two.jpg", bytes(reversed(range(256))) * 8),  # fills its blocks
    ("root/empty", b""),
]


@pytest.fixture(params=ENDINGS)
def archive(request, tmp_path):
    path = tmp_path / f"archive{request.param}"
    write_archive(path, path.name, MEMBERS)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("archives")


def make(path: Path, *names: str, size: int = 4) -> Path:
    """An archive with regular files of any names, safe or not."""
    return write_archives(path.parent, {path.name: dict.fromkeys(names, bytes(size))})[path.name]


def refused(path: Path, words: str) -> str:
    """The one line with which an archive is refused, before any of it is used."""
    with pytest.raises(ArchiveError, match=words) as caught, ArchiveReader(path):
        pass
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_names_read_and_stream_agree_in_all_formats(archive):
    """A stream yields what is wanted in the archive's order, and can be begun again."""
    with ArchiveReader(archive) as reader:
        assert reader.names() == [name for name, _ in MEMBERS]
        for name, data in reversed(MEMBERS):
            assert reader.read(name) == data
        assert dict(reader.stream(reader.names())) == dict(MEMBERS)
        assert next(reader.stream({"root/list.txt", "root/empty"}))[0] == "root/list.txt"
        wanted = {"root/pictures/two.jpg", "root/list.txt"}
        for _ in range(2):
            assert [name for name, _ in reader.stream(wanted)] == ["root/list.txt", "root/pictures/two.jpg"]


def test_leading_dot_slash_is_no_part_of_a_name(tmp_path):
    path = tmp_path / "dotted.tgz"
    with tarfile.open(path, "w:gz") as packed:
        for name, kind in (("./", tarfile.DIRTYPE), ("./a", tarfile.DIRTYPE), ("./a/b.txt", tarfile.REGTYPE)):
            entry = tarfile.TarInfo(name)
            entry.type = kind
            packed.addfile(entry)
    with ArchiveReader(path) as reader:
        assert reader.names() == ["a/b.txt"]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../up", "a/../../up", "a/..", "C:/windows", "c:x", "a\\..\\up", "a/b\nc", "a//b", ".//a"],
)
def test_unsafe_names_are_refused(tmp_path, ending, name):
    assert repr(name) in refused(make(tmp_path / f"unsafe{ending}", "fine", name), "not safe")


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_name_that_occurs_twice_is_refused(tmp_path, ending):
    refused(make(tmp_path / f"twice{ending}", "same", "./same"), "holds same twice")


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_member_over_the_limit_is_refused_unread(tmp_path, ending, monkeypatch):
    path = make(tmp_path / f"large{ending}", "bomb", size=100_000)
    monkeypatch.setattr("pointrend.datasets.prepare.archives.MEMBER_LIMIT", 99_999)
    refused(path, "bomb has 100000 bytes; 99999 are allowed")
    monkeypatch.setattr("pointrend.datasets.prepare.archives.MEMBER_LIMIT", 100_000)
    with ArchiveReader(path) as reader:
        assert reader.read("bomb") == bytes(100_000)


def test_a_zip_that_declares_less_than_it_holds_never_yields_more(tmp_path):
    path = tmp_path / "liar.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("bomb", bytes(100_000))
    path.write_bytes(path.read_bytes().replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with ArchiveReader(path) as reader, pytest.raises(ArchiveError, match="damaged at bomb"):
        reader.read("bomb")


def test_an_encrypted_zip_is_refused(tmp_path):
    path = make(tmp_path / "locked.zip", "a")
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x03\x04") + 6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with ArchiveReader(path) as reader, pytest.raises(ArchiveError, match="encrypted"):
        reader.read("a")


def test_missing_members_are_named(archive):
    with ArchiveReader(archive) as reader:
        with pytest.raises(ArchiveError, match=rf"{archive.name}: it has no root/absent"):
            reader.read("root/absent")
        with pytest.raises(ArchiveError, match=r"it has no a \(2 missing\)"):
            list(reader.stream({"root/empty", "b", "a"}))


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("content", [b"<!doctype html>", b"x" * 2000])
def test_what_is_no_archive_is_refused(tmp_path, ending, content):
    path = tmp_path / f"page{ending}"
    path.write_bytes(content)
    refused(path, "page.* it is cut off or damaged")


def test_an_absent_archive_is_refused(tmp_path):
    refused(tmp_path / "absent.tar", "does not exist; fetch it first")


@settings(deadline=None, max_examples=60)
@given(data=st.data(), ending=st.sampled_from(ENDINGS))
def test_a_cut_archive_is_never_taken_for_whole(folder, data, ending):
    path = folder / f"whole{ending}"
    write_archive(path, path.name, MEMBERS)
    whole = path.read_bytes()
    # A .tar ends in blocks of zeros, of which the first says that it is whole.
    end = len(whole.rstrip(b"\0")) + tarfile.BLOCKSIZE - 1 if ending == ".tar" else len(whole) - 1
    path.write_bytes(whole[: data.draw(st.integers(0, end))])
    refused(path, "it is cut off or damaged")


@settings(deadline=None, max_examples=60)
@given(data=st.data(), ending=st.sampled_from([".tgz", ".zip"]))
def test_a_flipped_byte_never_changes_what_is_read(folder, data, ending):
    path = folder / f"archive{ending}"
    write_archive(path, path.name, MEMBERS)
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with contextlib.suppress(ArchiveError), ArchiveReader(path) as reader:
        assert dict(reader.stream(reader.names())).items() <= dict(MEMBERS).items()
