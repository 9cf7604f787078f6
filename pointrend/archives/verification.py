"""Whether a file is the archive that it should be."""

from __future__ import annotations

import hashlib
import tarfile
from dataclasses import dataclass
from pathlib import Path

from pointrend.settings.archives import Archive

_CHUNK = 1 << 20
_HEAD = 1024


@dataclass(frozen=True)
class Digests:
    """Size and checksums (hex) of a file."""

    bytes: int
    md5: str
    sha256: str


class WrongFile(Exception):
    """A file is not the archive that it should be. The text gives the reason."""


class OtherBytes(WrongFile):
    """A file of the right kind, but with other bytes."""


def digest_file(path: Path) -> Digests:
    """Size, md5 and sha256 of a file, in one pass."""
    size, md5, sha256 = 0, hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with open(path, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            size += len(chunk)
            md5.update(chunk)
            sha256.update(chunk)
    return Digests(size, md5.hexdigest(), sha256.hexdigest())


def verify_file(archive: Archive, path: Path, known: Digests | None = None) -> Digests:
    """Compare a file with everything that is known of ``archive``; the cheap checks come first.

    ``known``: the digests of these bytes, where they have been computed before. Raises :class:`WrongFile`.
    """
    if not path.is_file():
        raise WrongFile("it is not a file")
    _check_head(archive.name, path)
    size = path.stat().st_size
    if archive.bytes is not None and size != archive.bytes:
        raise OtherBytes(f"it has {size} bytes instead of {archive.bytes}")
    digests = known or digest_file(path)
    for kind, found, wanted in (
        ("md5", digests.md5, archive.md5),
        ("sha256", digests.sha256, archive.sha256),
        ("sha256", digests.sha256, archive.sha256_prefix),
    ):
        if wanted is not None and not found.startswith(wanted):
            raise OtherBytes(f"its {kind} is {found[:16]}... instead of {wanted[:16]}...")
    return digests


def _check_head(name: str, path: Path) -> None:
    """Refuse a web page (login pages arrive with status 200), and a file that does not begin as its ending requires."""
    with open(path, "rb") as stream:
        head = stream.read(_HEAD)
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith((b"<!doctype", b"<html")):
        raise WrongFile("it is a web page")
    for endings, begins_well in _BEGINNINGS.items():
        if name.endswith(endings) and not begins_well(head):
            raise WrongFile(f"it does not begin as a {endings[0]} file does")


def _begins_as_tar(head: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(head[: tarfile.BLOCKSIZE], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


_BEGINNINGS = {
    (".tar",): _begins_as_tar,
    (".tgz", ".tar.gz"): lambda head: head.startswith(b"\x1f\x8b"),
    (".zip",): lambda head: head.startswith(b"PK\x03\x04"),
    # torch.save writes zip files; before torch 1.6 it wrote a pickle of protocol 2.
    (".pth",): lambda head: head.startswith((b"PK\x03\x04", b"\x80\x02")),
}
