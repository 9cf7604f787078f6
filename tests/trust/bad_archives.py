"""Servers that misbehave, and archives that are damaged or hostile.

`prepare` reads members straight out of the archives and unpacks nothing to the disk. What is only dangerous to whoever
unpacks, such as names that differ in case alone, is therefore harmless here, and stays so by these cases.
"""

import contextlib
import gzip
import hashlib
import io
import struct
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from types import SimpleNamespace

from tests.archives.fetching import GOOD, OTHER, PAGE
from tests.archives.servers import Request, misbehaving
from tests.datasets.layouts import ADE, Members, archive_members, encoded, pixels, values
from tests.trust.cases import MISSING, Case, Held, Spoil, both, cases, cut, nothing, patched, put, remove, write
from tests.trust.ground import Ground

ADE_ZIP, VOC_TAR, SBD_TGZ = "ADEChallengeData2016.zip", "VOCtrainval_11-May-2012.tar", "benchmark.tgz"
FINE_ZIP = "gtFine_trainvaltest.zip"
DATASET_OF = {ADE_ZIP: "ade20k", VOC_TAR: "voc", SBD_TGZ: "voc", FINE_ZIP: "cityscapes"}
Behave = Callable[[Request], None]


# -- servers


def from_server(behave: Behave, body: bytes = GOOD) -> Held:
    """VOC consists of one file, ``body``, which such a server has; pauses between attempts take no time."""

    @contextlib.contextmanager
    def serve(ground: Ground) -> Iterator[None]:
        clock = SimpleNamespace(sleep=lambda seconds: None, monotonic=time.monotonic)
        quick = patched({"archives.download.time": clock})
        with misbehaving(behave) as asked, quick(ground):
            md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
            ground.put("scale", "pilot")
            ground.put("datasets.voc.archives", [{"name": "data.zip", "bytes": len(body), "md5": md5}])
            ground.set_urls({"data.zip": [f"{asked.url}/data.zip?token=SECRET"]})
            yield

    return serve


def answer(code: int, body: bytes = b"", length: int | None = None, **headers: str) -> Behave:
    return lambda request: request.answer(code, body, length, **headers)


def fetched(ground: Ground) -> None:
    assert ground.path("data/pilot/archives/voc/data.zip").read_bytes() == GOOD


def without_urls(ground: Ground) -> None:
    """The first archive of VOC has no URL, at a scale that downloads."""
    ground.put("scale", "pilot")
    ground.set_urls({VOC_TAR: []})


# -- archives


def path_of(archive: str) -> str:
    return f"data/demo/archives/{DATASET_OF[archive]}/{archive}"


def repacked(archive: str, change: Callable[[Members], object]) -> Spoil:
    def spoil(ground: Ground) -> None:
        archives = archive_members()[DATASET_OF[archive]]
        change(archives[archive])
        ground.archives(DATASET_OF[archive], archives)

    return spoil


def named(archive: str, change: Callable[[str], str]) -> Spoil:
    def rename(members: Members) -> None:
        for name in list(members):
            members[change(name)] = members.pop(name)

    return repacked(archive, rename)


def zip_entry(name: str, data: bytes = b"x", mode: int = 0o100644) -> Spoil:
    def spoil(ground: Ground) -> None:
        entry = zipfile.ZipInfo(name)
        entry.create_system, entry.external_attr = 3, mode << 16
        with zipfile.ZipFile(ground.path(path_of(ADE_ZIP)), "a") as archive:
            archive.writestr(entry, data)
        ground.note_archives("ade20k")

    return spoil


def tar_entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> Spoil:
    def spoil(ground: Ground) -> None:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = kind, target
        with tarfile.open(ground.path(path_of(VOC_TAR)), "a") as archive:
            archive.addfile(entry, io.BytesIO())
        ground.note_archives("voc")

    return spoil


def declaring(size: int, data: bytes, count: int = 1) -> Spoil:
    """Members with ``data`` whose headers say that each has ``size`` bytes."""

    def spoil(ground: Ground) -> None:
        for number in range(count):
            zip_entry(f"bomb{number}", data)(ground)
        path = ground.path(path_of(ADE_ZIP))
        path.write_bytes(path.read_bytes().replace(struct.pack("<I", len(data)), struct.pack("<I", size)))

    return spoil


def deflated(archive: str) -> Spoil:
    """An archive with four megabytes of zeros at its end, where no more than so much may come out of so little."""

    def spoil(ground: Ground) -> None:
        repacked(archive, lambda members: members.update(zeros=bytes(4 << 20)))(ground)
        if (path := ground.path(path_of(archive))).suffix == ".zip":
            with zipfile.ZipFile(path) as stored:
                content = {name: stored.read(name) for name in stored.namelist()}
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as smaller:
                for name, data in content.items():
                    smaller.writestr(name, data)
            ground.note_archives(DATASET_OF[archive])

    return both(spoil, limit(ALWAYS_ALLOWED=100_000))


def limit(**limits: int) -> Spoil:
    """Other limits: an archive that goes beyond the real ones would be too large for a test."""
    return patched({f"datasets.prepare.archives.{name}": value for name, value in limits.items()})


def long_header(kind: bytes) -> Spoil:
    """SBD's archive, whose first header takes two megabytes: a name, or properties of the next member."""

    def spoil(ground: Ground) -> None:
        path = ground.path(path_of(SBD_TGZ))
        entry = tarfile.TarInfo("././@LongLink")
        entry.type, entry.size = kind, 2 << 20
        path.write_bytes(gzip.compress(entry.tobuf() + b"a" * entry.size + gzip.decompress(path.read_bytes())))
        ground.note_archives("voc")

    return spoil


def of_a_mac(members: Members) -> None:
    """What Finder and tar add there: a second file beside each one, and folders of them."""
    for name in [name for name in members if not name.endswith("/")]:
        folder, _, file = name.rpartition("/")
        members[f"{folder}/._{file}"] = b"\0\5\x16\7\0\2\0\0Mac OS X"
    members[f"__MACOSX/{ADE}images/training/ADE_train_00000001.jpg"] = b"\0\5\x16\7"
    members[f"{ADE}.DS_Store"] = b"\0\0\0\1Bud1"


CASE_ALONE = ("ade_train_00000001", "ADE_train_00000001")


def colliding(members: Members) -> None:
    """Two images whose names differ in case alone."""
    for id in CASE_ALONE:
        members[f"{ADE}images/training/{id}.jpg"] = encoded(pixels(7), "JPEG")
        members[f"{ADE}annotations/training/{id}.png"] = encoded(values(7, [1, 2]))


def both_are_there(ground: Ground) -> None:
    assert {*CASE_ALONE} <= {*ground.json("data/demo/ade20k/train.index.json")["ids"]}


def manifest(content: str) -> Spoil:
    return write("data/demo/archives/ade20k.json", content)


bare = cases(command="fetch voc")
ade = cases(state="ade20k", command="prepare ade20k")
voc = cases(state="voc", command="prepare voc")
DATA = ("cannot download data.zip", "127.0.0.1")


def served(name: str, behave: Behave, *words: str, body: bytes = GOOD) -> Case:
    return bare(name, from_server(behave, body), *DATA, *words)


DAMAGED = "cut off or damaged|truncated or damaged"
UNSAFE = "not safe|unsafe"
LINK = "is a link or a device|is a link or device"
CASES = (
    bare("archive without a URL", without_urls, VOC_TAR, "URL", "POINTREND_ARCHIVES"),
    bare("plan of an archive without a URL", without_urls, "no URL", command="plan", code=0),
    served("redirect loop", answer(302, Location="/data.zip"), "redirect"),
    served("redirect to a file", answer(302, Location="file:///etc/passwd"), "InvalidSchema"),
    served("length too large", answer(200, GOOD, len(GOOD) + 9), f"{len(GOOD) + 9} bytes instead of {len(GOOD)}"),
    served("length too small", answer(200, GOOD, len(GOOD) - 9), f"{len(GOOD) - 9} bytes instead of {len(GOOD)}"),
    served("page for an archive", answer(200, PAGE), "web page", body=PAGE),
    served("wrong checksum", answer(200, OTHER), "md5 is"),
    bare(
        "a web page lies there",
        both(write("data/archives/official/data.zip", PAGE), from_server(answer(200, GOOD))),
        *("official/data.zip is not", "web page", "move"),
    ),
    voc("truncated tar", cut(path_of(VOC_TAR), 0.6), VOC_TAR, DAMAGED),
    ade("zip that climbs", zip_entry("../../escaped"), "'../../escaped'", UNSAFE),
    ade("zip with a link", zip_entry("l", b"/etc", 0o120777), ADE_ZIP, " l ", LINK),
    ade("zip with a device", zip_entry("d", b"", 0o020666), ADE_ZIP, " d ", LINK),
    voc("tar with a link", tar_entry("l", tarfile.SYMTYPE, "/etc/passwd"), VOC_TAR, " l ", LINK),
    voc("tar with a hard link", tar_entry("l", tarfile.LNKTYPE, "x"), VOC_TAR, " l ", LINK),
    voc("tar with a device", tar_entry("d", tarfile.CHRTYPE), VOC_TAR, " d ", LINK),
    voc("tar with no UTF-8 in a name", tar_entry("\udce9", tarfile.FIFOTYPE), r"\udce9", LINK),
    ade("bomb that declares little", declaring(10, bytes(1 << 20)), "3 of 3 images", code=0),
    ade("bomb that declares much", declaring(2 << 30, b"0123456789" * 1234), "bomb0", "2147483648 bytes"),
    ade("members that declare much together", declaring(500 << 20, b"0123456789" * 1234, 5), "than 1073741824 bytes"),
    ade("zip bomb", deflated(ADE_ZIP), ADE_ZIP, "times its own size"),
    voc("tar.gz bomb", deflated(SBD_TGZ), SBD_TGZ, "times its own size"),
    ade("zip of too many", limit(MEMBERS_LIMIT=11), ADE_ZIP, "more than 11 members"),
    voc("tar of too many", limit(MEMBERS_LIMIT=11), VOC_TAR, "more than 11 members"),
    voc("tar.gz of too many", limit(MEMBERS_LIMIT=6), "more than 6 members"),
    voc("tar with an endless name", long_header(tarfile.GNUTYPE_LONGNAME), SBD_TGZ, "header"),
    voc("tar with endless properties", long_header(tarfile.XHDTYPE), SBD_TGZ, "header"),
    ade("wrong top folder", named(ADE_ZIP, "elsewhere/{}".format), ADE_ZIP, "images/training: ", "elsewhere, not ADE"),
    voc(
        *("top folder that is missing", named(VOC_TAR, lambda name: name.removeprefix("VOCdevkit/")), VOC_TAR),
        *("VOCdevkit/VOC2012/ImageSets/Segmentation: ", " VOC2012, not VOCdevkit"),
    ),
    voc(
        *("folder in between that is missing", named(VOC_TAR, lambda name: name.replace("VOC2012/", "")), VOC_TAR),
        *("VOCdevkit/ ", "ImageSets, JPEGImages, SegmentationClass, not VOC2012"),
    ),
    voc(
        *("other top folder in a tar.gz", named(SBD_TGZ, lambda name: name.replace("benchmark_RELEASE", "sbd"))),
        *(SBD_TGZ, "benchmark_RELEASE/dataset: ", " sbd, not benchmark_RELEASE"),
    ),
    cases(state="cityscapes", command="prepare cityscapes")(
        "other top folder of masks", named(FINE_ZIP, "data/{}".format), FINE_ZIP, "gtFine/train: ", "data, not gtFine"
    ),
    ade("archive that a Mac packed", repacked(ADE_ZIP, of_a_mac), f"{ADE_ZIP}: 13 file", "3 of 3 images", code=0),
    ade(
        "names that differ in case",
        both(repacked(ADE_ZIP, colliding), put("scales.demo.images", {"train": 4, "val": 2})),
        code=0,
        then=both_are_there,
    ),
    ade("archive that is gone", remove(path_of(ADE_ZIP)), ADE_ZIP, MISSING, "fetch ade20k"),
    ade("manifest that is a list", manifest("[]"), "ade20k.json", "files"),
    ade("manifest without checksums", manifest('{"files": {"a": {}}}'), "ade20k.json", "sha256"),
    ade("manifest of other files", manifest('{"files": {}}'), ADE_ZIP, MISSING),
    ade("not fetched yet", nothing, "ade20k.json", MISSING, "fetch ade20k", state="bare"),
)
