"""Signs of damage in image files that OpenCV and Pillow decode without an error.

A PNG file has a checksum for each of its chunks. JPEG has none. Its decoder reads on through damaged data, and the only
signs are markers that do not belong there, and image data that end too early or too late: libjpeg warns of these, but
neither OpenCV nor Pillow reports it. The same signs are found here by how much of the data the decoder takes. Damage
that leaves the number of codes as it was shows none, and of progressive files the markers alone are looked at.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from PIL.JpegImagePlugin import JpegImageFile

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_SIGNATURE = b"\xff\xd8\xff"

SEQUENTIAL, PROGRESSIVE = (0xC0, 0xC1), (0xC2,)
"""Markers of the frames that are looked into."""
RESTARTS = range(0xD0, 0xD8)
SCAN, RESTART_INTERVAL, END = 0xDA, 0xDD, 0xD9
READ_AHEAD = 8
"""Bytes that libjpeg may ask for beyond those that it needs."""
LARGEST_SIDE = 65_500
"""In pixels, of what libjpeg decodes."""

_MARKER = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)


def damage(data: bytes) -> str | None:
    """What shows that a PNG or JPEG file is damaged, in words; None where nothing does, or for any other file."""
    if data.startswith(PNG_SIGNATURE):
        return _png_damage(data)
    if data.startswith(JPEG_SIGNATURE):
        return _jpeg_damage(data)
    return None


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and content of a PNG file's chunks up to the last one. Raises ValueError where one is damaged or missing."""
    place = len(PNG_SIGNATURE)
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        kind, content = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        if data[place + 8 + length : place + 12 + length] != struct.pack(">I", zlib.crc32(kind + content)):
            raise ValueError(f"the checksum at byte {place} is wrong")
        yield kind, content
        if kind == b"IEND":
            return
        place += 12 + length
    raise ValueError("its end is missing")


def _png_damage(data: bytes) -> str | None:
    try:
        for _ in png_chunks(data):
            pass
    except ValueError as problem:
        return str(problem)
    return None


@dataclass(frozen=True)
class _Scan:
    """The compressed data of one scan, between its header and the marker that ends it.

    ``ends`` are the places of its restart markers and of that marker; ``restarts`` the numbers of the former.
    """

    start: int
    ends: tuple[int, ...]
    restarts: tuple[int, ...]

    @property
    def intervals(self) -> list[tuple[int, int]]:
        """Start and end of the data between restart markers."""
        return [(before + 2 * (before != self.start), after) for before, after in pairwise((self.start, *self.ends))]


def _jpeg_damage(data: bytes) -> str | None:
    scans: list[_Scan] = []
    frame, interval, place = None, 0, 2
    while True:
        found = _MARKER.match(data, place)
        if not found:
            return f"no marker at byte {place}"
        marker, content = found[1][0], found.end()
        if marker == END:
            break
        if marker in RESTARTS or content + 2 > len(data):
            return f"a marker that does not belong there at byte {place}"
        (length,) = struct.unpack_from(">H", data, content)
        place = content + length
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            frame = marker, found.start(), content
        elif marker == RESTART_INTERVAL and content + 4 <= len(data):
            (interval,) = struct.unpack_from(">H", data, content + 2)
        elif marker == SCAN:
            scans.append(scan := _scan(data, place))
            place = scan.ends[-1]
            if any(number != order % 8 for order, number in enumerate(scan.restarts)):
                return f"restart markers out of order in the image data at byte {scan.start}"
    if frame is None or not scans or frame[0] not in (*SEQUENTIAL, *PROGRESSIVE):
        return None
    return _length_damage(data, frame[2], scans[0], interval) if len(scans) == 1 and frame[0] in SEQUENTIAL else None


def _scan(data: bytes, start: int) -> _Scan:
    ends: list[int] = []
    restarts: list[int] = []
    for found in _MARKER.finditer(data, start):
        ends.append(found.start())
        if found[1][0] not in RESTARTS:
            return _Scan(start, tuple(ends), tuple(restarts))
        restarts.append(found[1][0] - RESTARTS[0])
    return _Scan(start, (*ends, len(data)), tuple(restarts))


def _length_damage(data: bytes, frame: int, scan: _Scan, interval: int) -> str | None:
    """Whether the decoder needs exactly the data that there are, for each stretch between restart markers."""
    units = _Units.of(data, frame)
    if units is None or (not interval and scan.restarts):
        return None
    if not interval:
        return _stretch_damage(data, data[: scan.start], *scan.intervals[0])
    wanted = -(-units.count // interval)
    if len(scan.intervals) != wanted:
        return f"the image data have {len(scan.intervals)} parts instead of {wanted}"
    for order, (start, end) in enumerate(scan.intervals):
        header = units.header_of(data[: scan.start], frame, min(interval, units.count - order * interval))
        if header is not None and (found := _stretch_damage(data, header, start, end)):
            return found
    return None


@dataclass(frozen=True)
class _Units:
    """The units in which a sequential scan is coded: their size in pixels and their number."""

    width: int
    height: int
    count: int

    @classmethod
    def of(cls, data: bytes, frame: int) -> _Units | None:
        """Of the frame whose header is at a place in a file; None where the header is cut off or says nothing."""
        if frame + 8 > len(data):
            return None
        height, width, components = struct.unpack_from(">HHB", data, frame + 3)
        factors = data[frame + 9 : frame + 8 + 3 * components : 3]
        if not (
            height and width and components == len(factors) and all(value >> 4 and value & 15 for value in factors)
        ):
            return None
        # A scan of one component is coded block by block, whatever its factors are.
        across, down = (1, 1) if components == 1 else (max(v >> 4 for v in factors), max(v & 15 for v in factors))
        unit_width, unit_height = 8 * across, 8 * down
        return cls(unit_width, unit_height, -(-width // unit_width) * -(-height // unit_height))

    def header_of(self, header: bytes, frame: int, count: int) -> bytes | None:
        """The header for so many units in one row; None where the row would be too long."""
        if count * self.width > LARGEST_SIDE:
            return None
        return header[: frame + 3] + struct.pack(">HH", self.height, count * self.width) + header[frame + 7 :]


def _stretch_damage(data: bytes, header: bytes, start: int, end: int) -> str | None:
    stretch = data[start:end]
    # Some cameras fill up the end.
    filled = len(stretch.rstrip(b"\x00\xff"))
    if not _suffices(header + stretch + bytes(READ_AHEAD)):
        # Where the decoder does not get through the file as it is, it cannot be asked.
        return f"the image data end too early at byte {end}" if _suffices(header + stretch + b"\xff\xd9") else None
    if filled and _suffices(header + stretch[: filled - 1]):
        return f"the image data end too late at byte {end}"
    return None


def _suffices(data: bytes) -> bool:
    """Whether the decoder gets through a whole image without asking for more data."""
    try:
        # The class is named, as Image.open refuses large images.
        with JpegImageFile(io.BytesIO(data)) as image:
            image.draft(None, (image.width // 8, image.height // 8))
            image.load()
    except Exception:  # Pillow's readers raise errors of many kinds on damaged files
        return False
    return True
