"""Signs of damage in image files that OpenCV and Pillow decode without an error.

A PNG file has a checksum for each of its chunks. JPEG has none. Its decoder reads on through damaged data, and the only
signs are misplaced markers, and image data that end too early or too late: libjpeg warns of these, but neither OpenCV
nor Pillow reports it. The same signs are found here by how much of the data the decoder takes. Damage that leaves the
number of codes as it was shows none, and in progressive files only the markers are checked.
"""

from __future__ import annotations

import io
import re
import struct
import zlib

from PIL.JpegImagePlugin import JpegImageFile

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_SIGNATURE = b"\xff\xd8\xff"

# JPEG markers. Image data of a sequential frame are in one scan, of other frames in several.
SEQUENTIAL = (0xC0, 0xC1)
FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
RESTARTS = range(0xD0, 0xD8)
SCAN, RESTART_INTERVAL, END = 0xDA, 0xDD, 0xD9
# Bytes that libjpeg may ask for beyond those that it needs.
READ_AHEAD = 8
# Largest side, in pixels, that libjpeg decodes.
LARGEST_SIDE = 65_500

_MARKER = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)


def damage(data: bytes) -> str | None:
    """The sign that a PNG or JPEG file is damaged, in words; None if there is none, and for any other file."""
    try:
        if data.startswith(PNG_SIGNATURE):
            _check_png(data)
        elif data.startswith(JPEG_SIGNATURE):
            _check_jpeg(data)
    except ValueError as sign:
        return str(sign)
    return None


def _check_png(data: bytes) -> None:
    place, kind = len(PNG_SIGNATURE), b""
    while kind != b"IEND":
        if place + 12 > len(data):
            raise ValueError("its end is missing")
        (length,) = struct.unpack_from(">I", data, place)
        end = place + 8 + length
        kind = data[place + 4 : place + 8]
        if data[end : end + 4] != struct.pack(">I", zlib.crc32(data[place + 4 : end])):
            raise ValueError(f"the checksum at byte {place} is wrong")
        place = end + 4


def _check_jpeg(data: bytes) -> None:
    frame, scans, interval, place = (0, 0), [], 0, 2
    while True:
        found = _MARKER.match(data, place)
        if not found:
            raise ValueError(f"no marker at byte {place}")
        marker, content = found[1][0], found.end()
        if marker == END:
            break
        if marker in RESTARTS or content + 2 > len(data):
            raise ValueError(f"a misplaced marker at byte {place}")
        place = content + int.from_bytes(data[content : content + 2])
        if marker in FRAMES:
            frame = marker, content
        elif marker == RESTART_INTERVAL:
            interval = int.from_bytes(data[content + 2 : content + 4])
        elif marker == SCAN:
            scans.append(_stretches(data, place))
            place = scans[-1][-1][1]
    if frame[0] in SEQUENTIAL and len(scans) == 1:
        _check_lengths(data, frame[1], scans[0], interval)


def _stretches(data: bytes, start: int) -> list[tuple[int, int]]:
    """Start and end of the image data between the restart markers of the scan at ``start``, up to the next marker."""
    stretches, begin = [], start
    for found in _MARKER.finditer(data, start):
        stretches.append((begin, found.start()))
        if found[1][0] not in RESTARTS:
            return stretches
        if found[1][0] != RESTARTS[(len(stretches) - 1) % len(RESTARTS)]:
            raise ValueError(f"restart markers out of order in the image data at byte {start}")
        begin = found.end()
    return [*stretches, (begin, len(data))]


def _check_lengths(data: bytes, frame: int, stretches: list[tuple[int, int]], interval: int) -> None:
    """Check that the decoder needs exactly the data between restart markers, which come every ``interval`` units."""
    header = data[: stretches[0][0]]
    height, width, components = struct.unpack_from(">HHB", data, frame + 3)
    factors = data[frame + 9 : frame + 8 + 3 * components : 3]
    if not (height and width and components == len(factors) and all(value >> 4 and value & 15 for value in factors)):
        return
    if not interval:
        if len(stretches) == 1:
            _check_stretch(data, header, *stretches[0])
        return
    # A scan of one component is coded block by block, whatever its factors are.
    across, down = (1, 1) if components == 1 else (max(v >> 4 for v in factors), max(v & 15 for v in factors))
    units = -(-width // (8 * across)) * -(-height // (8 * down))
    if len(stretches) != -(-units // interval):
        raise ValueError(f"the image data have {len(stretches)} parts instead of {-(-units // interval)}")
    for order, stretch in enumerate(stretches):
        # Each stretch is decoded as an image of its own, whose units are in one row.
        row = 8 * across * min(interval, units - order * interval)
        size = struct.pack(">HH", 8 * down, min(row, LARGEST_SIDE))
        if row <= LARGEST_SIDE:
            _check_stretch(data, header[: frame + 3] + size + header[frame + 7 :], *stretch)


def _check_stretch(data: bytes, header: bytes, start: int, end: int) -> None:
    stretch = data[start:end]
    if not _suffices(header + stretch + bytes(READ_AHEAD)):
        # Where the decoder fails on the file as it is, the length cannot be checked.
        if _suffices(header + stretch + b"\xff\xd9"):
            raise ValueError(f"the image data end too early at byte {end}")
        return
    filled = len(stretch.rstrip(b"\x00\xff"))  # some cameras fill up the end
    if filled and _suffices(header + stretch[: filled - 1]):
        raise ValueError(f"the image data end too late at byte {end}")


def _suffices(data: bytes) -> bool:
    """Whether the decoder decodes a whole image without asking for more data."""
    try:
        # Image.open would refuse large images.
        with JpegImageFile(io.BytesIO(data)) as image:
            image.draft(None, (image.width // 8, image.height // 8))
            image.load()
    except Exception:  # Pillow's readers raise errors of many kinds on damaged files
        return False
    return True
