"""Servers that misbehave, and archives that are damaged or hostile.

`prepare` reads members straight out of the archives and unpacks nothing to the disk. What is only dangerous to whoever
unpacks, such as names that differ in case alone, is therefore harmless here, and stays so by these cases.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import struct
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any

import pytest

from tests.archives.fetching import GOOD, OTHER, PAGE
from tests.archives.servers import Request, misbehaving
from tests.datasets.layouts import ADE, Members, archive_members, encoded, pixels, values
from tests.mirrors import set_urls
from tests.trust.cases import Case, nothing
from tests.trust.ground import Ground

ADE_ZIP, VOC_TAR, SBD_TGZ = "ADEChallengeData2016.zip", "VOCtrainval_11-May-2012.tar", "benchmark.tgz"
Behave = Callable[[Request], None]


# -- servers


def from_server(behave: Behave, body: bytes = GOOD) -> Callable[[Ground], AbstractContextManager[Any]]:
    """VOC consists of one file, ``body``, which such a server has; pauses between attempts take no time."""

    @contextlib.contextmanager
    def serve(ground: Ground) -> Iterator[None]:
        with misbehaving(behave) as asked, pytest.MonkeyPatch.context() as patch:
            clock = SimpleNamespace(sleep=lambda seconds: None, monotonic=time.monotonic)
            patch.setattr("pointrend.archives.download.time", clock)
            md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
            ground.put("scale", "pilot")
            ground.put("datasets.voc.archives", [{"name": "data.zip", "bytes": len(body), "md5": md5}])
            set_urls({"data.zip": [f"{asked.url}/data.zip?token=SECRET"]}, ground.root)
            yield

    return serve


def status(code: int, **headers: str) -> Behave:
    return lambda request: request.answer(code, b"", **headers)


def cut(share: float) -> Behave:
    """Send the first part of the whole file, whatever was asked for."""
    return lambda request: request.answer(200, GOOD[: int(share * len(GOOD))], len(GOOD))


def cut_once() -> Behave:
    """Cut the first answer; a server without ranges, so that the second one is the whole file again."""
    answered: list[int] = []

    def behave(request: Request) -> None:
        answered.append(1)
        request.answer(200, GOOD[: len(GOOD) // 3] if len(answered) == 1 else GOOD, len(GOOD))

    return behave


def declares(length: int) -> Behave:
    return lambda request: request.answer(200, GOOD, length)


def fetched(ground: Ground) -> None:
    assert ground.path("data/pilot/archives/voc/data.zip").read_bytes() == GOOD


def lying_there(content: bytes) -> Callable[[Ground], AbstractContextManager[Any]]:
    """Something else under the archive's name, while a server has the right one."""

    def spoil(ground: Ground) -> AbstractContextManager[Any]:
        ground.path("data/archives/official").mkdir(parents=True)
        ground.path("data/archives/official/data.zip").write_bytes(content)
        return from_server(lambda request: request.answer(200, GOOD))(ground)

    return spoil


# -- archives


def ade20k(change: Callable[[Members], None]) -> Callable[[Ground], None]:
    """Change the members of ADE20K's archive."""

    def spoil(ground: Ground) -> None:
        members = archive_members()["ade20k"][ADE_ZIP]
        change(members)
        ground.archives("ade20k", {ADE_ZIP: members})

    return spoil


def zip_entry(name: str, data: bytes = b"x", mode: int = 0o100644) -> Callable[[Ground], None]:
    """Append an entry to ADE20K's archive."""

    def spoil(ground: Ground) -> None:
        entry = zipfile.ZipInfo(name)
        entry.create_system, entry.external_attr = 3, mode << 16
        with zipfile.ZipFile(ground.path(f"data/demo/archives/ade20k/{ADE_ZIP}"), "a") as archive:
            archive.writestr(entry, data)
        ground.note_archives("ade20k")

    return spoil


def tar_entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> Callable[[Ground], None]:
    """Append an entry to VOC's archive."""

    def spoil(ground: Ground) -> None:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = kind, target
        with tarfile.open(ground.path(f"data/demo/archives/voc/{VOC_TAR}"), "a") as archive:
            archive.addfile(entry, io.BytesIO())
        ground.note_archives("voc")

    return spoil


def cut_file(dataset: str, name: str, share: float) -> Callable[[Ground], None]:
    def spoil(ground: Ground) -> None:
        path = ground.path(f"data/demo/archives/{dataset}/{name}")
        data = path.read_bytes()
        path.write_bytes(data[: int(share * len(data))])

    return spoil


def replaced(content: bytes) -> Callable[[Ground], None]:
    return lambda ground: ground.path(f"data/demo/archives/ade20k/{ADE_ZIP}").write_bytes(content) and None


def declared_smaller(ground: Ground) -> None:
    """A member of a megabyte whose headers say ten bytes."""
    zip_entry("bomb", bytes(1 << 20))(ground)
    path = ground.path(f"data/demo/archives/ade20k/{ADE_ZIP}")
    data = bytearray(path.read_bytes())
    size = struct.pack("<I", 1 << 20)
    while (place := data.find(size)) >= 0:
        data[place : place + 4] = struct.pack("<I", 10)
    path.write_bytes(data)


def declared_larger(ground: Ground) -> None:
    """A member that says that it has 2 GB."""
    zip_entry("bomb", b"0123456789" * 1234)(ground)
    path = ground.path(f"data/demo/archives/ade20k/{ADE_ZIP}")
    path.write_bytes(path.read_bytes().replace(struct.pack("<I", 12340), struct.pack("<I", 2 << 30)))


def declared_sum(ground: Ground) -> None:
    """Five members of some bytes that say that they have 500 MiB each."""
    size = 12_340
    for number in range(5):
        zip_entry(f"bomb{number}", b"0123456789" * 1234)(ground)
    path = ground.path(f"data/demo/archives/ade20k/{ADE_ZIP}")
    path.write_bytes(path.read_bytes().replace(struct.pack("<I", size), struct.pack("<I", 500 << 20)))


def deflated(dataset: str, name: str) -> Callable[[Ground], AbstractContextManager[Any]]:
    """An archive with four megabytes of zeros at its end, where no more than so much may come out of so little."""

    def spoil(ground: Ground) -> AbstractContextManager[Any]:
        archives = archive_members()[dataset]
        archives[name]["zeros"] = bytes(4 << 20)
        ground.archives(dataset, archives)
        path = ground.path(f"data/demo/archives/{dataset}/{name}")
        if name.endswith(".zip"):
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                for member, data in archives[name].items():
                    archive.writestr(member, data)
            ground.note_archives(dataset)
        return limit(ALWAYS_ALLOWED=100_000)(ground)

    return spoil


def limit(**limits: int) -> Callable[[Ground], AbstractContextManager[Any]]:
    """Other limits: an archive that goes beyond the real ones would be too large for a test."""

    @contextlib.contextmanager
    def patched(ground: Ground) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in limits.items():
                patch.setattr(f"pointrend.datasets.prepare.archives.{name}", value)
            yield

    return patched


def long_header(kind: bytes) -> Callable[[Ground], None]:
    """SBD's archive, whose first header takes two megabytes: a name, or properties of the next member."""

    def spoil(ground: Ground) -> None:
        path = ground.path(f"data/demo/archives/voc/{SBD_TGZ}")
        entry = tarfile.TarInfo("././@LongLink")
        entry.type, entry.size = kind, 2 << 20
        whole = gzip.decompress(path.read_bytes())
        path.write_bytes(gzip.compress(entry.tobuf() + b"a" * entry.size + whole))
        ground.note_archives("voc")

    return spoil


def renamed(change: Callable[[str], str]) -> Callable[[Members], None]:
    def spoil(members: Members) -> None:
        changed = {change(name): data for name, data in members.items()}
        members.clear()
        members.update(changed)

    return spoil


def repacked(dataset: str, archive: str, change: Callable[[str], str]) -> Callable[[Ground], None]:
    """An archive whose members have other names."""

    def spoil(ground: Ground) -> None:
        archives = archive_members()[dataset]
        renamed(change)(archives[archive])
        ground.archives(dataset, archives)

    return spoil


def of_a_mac(members: Members) -> None:
    """What Finder and tar add there: a second file beside each one, and folders of them."""
    for name in [name for name in members if not name.endswith("/")]:
        folder, _, file = name.rpartition("/")
        members[f"{folder}/._{file}"] = b"\0\5\x16\7\0\2\0\0Mac OS X"
    members[f"__MACOSX/{ADE}images/training/ADE_train_00000001.jpg"] = b"\0\5\x16\7"
    members[f"{ADE}.DS_Store"] = b"\0\0\0\1Bud1"


def colliding(members: Members) -> None:
    """Two pictures whose names differ in case alone."""
    for folder, ending, data in (
        ("images", "jpg", encoded(pixels(7), "JPEG")),
        ("annotations", "png", encoded(values(7, [1, 2]))),
    ):
        for id in ("ade_train_00000001", "ADE_train_00000001"):
            members[f"{ADE}{folder}/training/{id}.{ending}"] = data


def both_are_there(ground: Ground) -> None:
    text = ground.path("data/demo/ade20k/train.index.json").read_text()
    assert "ade_train_00000001" in text
    assert "ADE_train_00000001" in text


def four_pictures(ground: Ground) -> None:
    ade20k(colliding)(ground)
    ground.put("scales.demo.images", {"train": 4, "val": 2})


def manifest(content: str) -> Callable[[Ground], None]:
    return lambda ground: ground.path("data/demo/archives/ade20k.json").write_text(content) and None


ADE_PREPARE, VOC_PREPARE, FETCH = "prepare ade20k", "prepare voc", "fetch voc"
DATA = ("cannot download data.zip", "127.0.0.1")


def without_urls(ground: Ground) -> None:
    """The first archive of VOC has no URL, at a scale that downloads."""
    ground.put("scale", "pilot")
    set_urls({VOC_TAR: []}, ground.root)


CASES = (
    Case(
        "archive without a URL",
        "bare",
        without_urls,
        "fetch voc",
        2,
        (f"{VOC_TAR} is not at hand and", "no URL for it", "POINTREND_ARCHIVES", "published/mirrors.json"),
    ),
    Case("plan of an archive without a URL", "bare", without_urls, "plan", 0, ("no URL; supply the file",)),
    Case("404", "bare", from_server(status(404)), FETCH, 2, (*DATA, "HTTP 404 Not Found")),
    Case("403", "bare", from_server(status(403)), FETCH, 2, (*DATA, "HTTP 403 Forbidden")),
    Case("500 for ever", "bare", from_server(status(500)), FETCH, 2, (*DATA, "HTTP 500")),
    Case("redirect loop", "bare", from_server(status(302, Location="/data.zip")), FETCH, 2, (*DATA, "without end")),
    Case("redirect to a file", "bare", from_server(status(302, Location="file:///etc/passwd")), FETCH, 2, DATA),
    Case("cut at 30 % always", "bare", from_server(cut(0.3)), FETCH, 2, (*DATA, "was cut")),
    Case("cut once, no ranges", "bare", from_server(cut_once()), FETCH, 0, (), fetched),
    Case("length too large", "bare", from_server(declares(len(GOOD) + 9)), FETCH, 2, (*DATA, "instead of")),
    Case("length too small", "bare", from_server(declares(len(GOOD) - 9)), FETCH, 2, (*DATA, "instead of")),
    Case(
        "page for an archive", "bare", from_server(lambda r: r.answer(200, PAGE), PAGE), FETCH, 2, (*DATA, "web page")
    ),
    Case("wrong checksum", "bare", from_server(lambda r: r.answer(200, OTHER)), FETCH, 2, (*DATA, "its md5 is")),
    *(
        Case(
            f"{name} lies there",
            "bare",
            lying_there(content),
            FETCH,
            2,
            ("official/data.zip is not the", words, "move"),
        )
        for name, content, words in (
            ("a web page", PAGE, "it is a web page"),
            ("a truncated archive", GOOD[:1000], f"it has 1000 bytes instead of {len(GOOD)}"),
            ("an older archive", OTHER, "its md5 is"),
            ("an empty file", b"", "does not begin as a .zip file does"),
            ("a text file", b"not found", "does not begin as a .zip file does"),
        )
    ),
    Case("truncated tar", "voc", cut_file("voc", VOC_TAR, 0.6), VOC_PREPARE, 2, (VOC_TAR, "cut off or damaged")),
    Case("truncated gzip", "voc", cut_file("voc", SBD_TGZ, 0.6), VOC_PREPARE, 2, (SBD_TGZ, "cut off or damaged")),
    Case("truncated zip", "ade20k", cut_file("ade20k", ADE_ZIP, 0.6), ADE_PREPARE, 2, (ADE_ZIP, "cut off or damaged")),
    Case("empty archive", "ade20k", replaced(b""), ADE_PREPARE, 2, (ADE_ZIP, "cut off or damaged")),
    Case("zip that climbs", "ade20k", zip_entry("../../escaped"), ADE_PREPARE, 2, ("'../../escaped' is not safe",)),
    Case("zip with an absolute path", "ade20k", zip_entry("/escaped"), ADE_PREPARE, 2, ("is not safe",)),
    Case("zip with a drive", "ade20k", zip_entry("C:/escaped"), ADE_PREPARE, 2, ("is not safe",)),
    Case("zip with a newline", "ade20k", zip_entry("a\nerror: b"), ADE_PREPARE, 2, ("is not safe",)),
    Case("zip with a link", "ade20k", zip_entry("l", b"/etc", 0o120777), ADE_PREPARE, 2, ("l is a link or a device",)),
    Case("zip with a device", "ade20k", zip_entry("d", b"", 0o020666), ADE_PREPARE, 2, ("d is a link or a device",)),
    Case("tar that climbs", "voc", tar_entry("../escaped"), VOC_PREPARE, 2, ("is not safe",)),
    Case("tar with a link", "voc", tar_entry("l", tarfile.SYMTYPE, "/etc/passwd"), VOC_PREPARE, 2, ("is a link",)),
    Case("tar with a hard link", "voc", tar_entry("l", tarfile.LNKTYPE, "x"), VOC_PREPARE, 2, ("is a link",)),
    Case("tar with a device", "voc", tar_entry("d", tarfile.CHRTYPE), VOC_PREPARE, 2, ("is a link or a device",)),
    Case("tar with no UTF-8 in a name", "voc", tar_entry("\udce9", tarfile.FIFOTYPE), VOC_PREPARE, 2, ("device",)),
    Case("member twice", "ade20k", zip_entry(f"{ADE}objectInfo150.txt"), ADE_PREPARE, 2, ("twice",)),
    Case("bomb that declares little", "ade20k", declared_smaller, ADE_PREPARE, 0, ("3 of 3 images",)),
    Case("bomb that declares much", "ade20k", declared_larger, ADE_PREPARE, 2, ("bomb has 2147483648 bytes",)),
    Case("members that declare much together", "ade20k", declared_sum, ADE_PREPARE, 2, ("more than 1073741824 bytes",)),
    Case("zip bomb", "ade20k", deflated("ade20k", ADE_ZIP), ADE_PREPARE, 2, (ADE_ZIP, "times its own size")),
    Case("tar.gz bomb", "voc", deflated("voc", SBD_TGZ), VOC_PREPARE, 2, (SBD_TGZ, "times its own size")),
    Case("zip of too many", "ade20k", limit(MEMBERS_LIMIT=11), ADE_PREPARE, 2, ("it has more than 11 members",)),
    Case("tar of too many", "voc", limit(MEMBERS_LIMIT=11), VOC_PREPARE, 2, (VOC_TAR, "more than 11 members")),
    Case("tar.gz of too many", "voc", limit(MEMBERS_LIMIT=6), VOC_PREPARE, 2, ("it has more than 6 members",)),
    Case("tar with an endless name", "voc", long_header(tarfile.GNUTYPE_LONGNAME), VOC_PREPARE, 2, ("header",)),
    Case("tar with endless properties", "voc", long_header(tarfile.XHDTYPE), VOC_PREPARE, 2, (SBD_TGZ, "header")),
    Case(
        "wrong top folder",
        "ade20k",
        repacked("ade20k", ADE_ZIP, "elsewhere/{}".format),
        ADE_PREPARE,
        2,
        (ADE_ZIP, "has no folder ADEChallengeData2016/images/training: its top holds elsewhere, not ADE"),
    ),
    Case(
        "top folder that is missing",
        "voc",
        repacked("voc", VOC_TAR, lambda name: name.removeprefix("VOCdevkit/")),
        VOC_PREPARE,
        2,
        (VOC_TAR, "no folder VOCdevkit/VOC2012/ImageSets/Segmentation: its top holds VOC2012, not VOCdevkit"),
    ),
    Case(
        "folder in between that is missing",
        "voc",
        repacked("voc", VOC_TAR, lambda name: name.replace("VOC2012/", "")),
        VOC_PREPARE,
        2,
        (VOC_TAR, "VOCdevkit/ holds ImageSets, JPEGImages, SegmentationClass, not VOC2012", "pack it with the folders"),
    ),
    Case(
        "other top folder in a tar.gz",
        "voc",
        repacked("voc", SBD_TGZ, lambda name: name.replace("benchmark_RELEASE", "sbd")),
        VOC_PREPARE,
        2,
        (SBD_TGZ, "no folder benchmark_RELEASE/dataset: its top holds sbd, not benchmark_RELEASE"),
    ),
    Case(
        "other top folder of masks",
        "cityscapes",
        repacked("cityscapes", "gtFine_trainvaltest.zip", "data/{}".format),
        "prepare cityscapes",
        2,
        ("gtFine_trainvaltest.zip", "no folder gtFine/train: its top holds data, not gtFine"),
    ),
    Case(
        "archive that a Mac packed",
        "ade20k",
        ade20k(of_a_mac),
        ADE_PREPARE,
        0,
        (f"{ADE_ZIP}: 13 file(s) that macOS added are passed over", "3 of 3 images"),
    ),
    Case("names that differ in case", "ade20k", four_pictures, ADE_PREPARE, 0, (), both_are_there),
    Case(
        "archive that is gone",
        "ade20k",
        lambda g: g.path(f"data/demo/archives/ade20k/{ADE_ZIP}").unlink(),
        ADE_PREPARE,
        2,
        ("does not exist", "fetch ade20k"),
    ),
    Case("manifest that is a list", "ade20k", manifest("[]"), ADE_PREPARE, 2, ("ade20k.json does not have files",)),
    Case("manifest without checksums", "ade20k", manifest('{"files": {"a": {}}}'), ADE_PREPARE, 2, ("sha256",)),
    Case("manifest of other files", "ade20k", manifest('{"files": {}}'), ADE_PREPARE, 2, (ADE_ZIP, "is missing")),
    Case("not fetched yet", "bare", nothing, ADE_PREPARE, 2, ("ade20k.json does not exist", "fetch ade20k")),
)
