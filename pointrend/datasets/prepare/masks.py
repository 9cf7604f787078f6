"""Masks as the archives hold them: 8-bit PNG files, and SBD's class labels in MATLAB files.

The usual forms are read by code that leaves Python's lock alone, so that several are decoded at a time. Whatever looks
unusual or damaged goes to Pillow or scipy, which read more forms and say what is wrong.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pointrend.datasets.prepare.damage import PNG_SIGNATURE, png_chunks
from pointrend.errors import DatasetError

Bytes = NDArray[np.uint8]

FETCH_AGAIN = "the archive is damaged or not the official one; fetch it again"

GREY, PALETTE = 0, 3
"""Colour types of PNG that have one byte a pixel."""

MATLAB_HEADER = 128
UINT8, MATRIX, COMPRESSED = 2, 14, 15
"""Data types of a MATLAB 5 file."""
STRUCT_CLASS, UINT8_CLASS = 2, 9
"""Classes of its arrays."""


def decode_mask(id: str, data: bytes) -> Bytes:
    """The values (H, W), uint8, of an 8-bit mask: palette indices or grey levels, never the colours shown."""
    grey = _as_grey_png(data)
    if grey is not None:
        found = cv2.imdecode(np.frombuffer(grey, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
        if found is not None:
            return np.asarray(found, dtype=np.uint8)
    try:
        with Image.open(io.BytesIO(data)) as image:
            mode, values = image.mode, np.array(image)
    except Exception as problem:  # Pillow's readers raise errors of many kinds on damaged files
        raise DatasetError(f"{id}: the mask cannot be decoded ({problem})", FETCH_AGAIN) from problem
    if mode not in ("P", "L"):
        raise DatasetError(f"{id}: the mask has mode {mode}, not palette (P) or 8-bit grey (L)", FETCH_AGAIN)
    return values


def decode_sbd_mask(id: str, data: bytes) -> Bytes:
    """The class label (H, W), uint8, in the bytes of one of SBD's MATLAB files."""
    mask = _sbd_segmentation(data)
    if mask is not None:
        return mask
    from scipy.io import loadmat

    try:
        mask = loadmat(io.BytesIO(data), variable_names=["GTcls"])["GTcls"]["Segmentation"].item()
    except Exception as problem:  # scipy raises errors of many kinds on damaged files
        raise DatasetError(f"{id}: SBD's mask cannot be read ({problem})", FETCH_AGAIN) from problem
    if mask.dtype != np.uint8 or mask.ndim != 2:
        raise DatasetError(f"{id}: SBD's mask is {mask.dtype} with {mask.ndim} axes, not uint8 with 2", FETCH_AGAIN)
    return mask


def _as_grey_png(data: bytes) -> bytes | None:
    """The same PNG file with its palette indices as grey levels; None unless it is a whole 8-bit grey or palette one.

    OpenCV would show a palette's colours. It also fills damaged pictures with zeros, so checksums are looked at here.
    """
    if not data.startswith(PNG_SIGNATURE):
        return None
    parts = [PNG_SIGNATURE]
    try:
        for kind, content in png_chunks(data):
            if kind == b"IHDR":
                if len(content) != 13 or content[8] != 8 or content[9] not in (GREY, PALETTE):
                    return None
                content = content[:9] + bytes([GREY]) + content[10:]
            if kind in (b"IHDR", b"IDAT", b"IEND"):
                parts.append(struct.pack(">I", len(content)) + kind + content)
                parts.append(struct.pack(">I", zlib.crc32(kind + content)))
    except ValueError:
        return None
    return b"".join(parts)


def _sbd_segmentation(data: bytes) -> Bytes | None:
    """GTcls.Segmentation of a MATLAB 5 file in the byte order of PCs; None where the file is anything else."""
    if data[MATLAB_HEADER - 2 : MATLAB_HEADER] != b"IM":
        return None
    try:
        for kind, content in _elements(memoryview(data)[MATLAB_HEADER:]):
            if kind == COMPRESSED:
                kind, content = next(_elements(memoryview(zlib.decompress(content))))
            parts = [part for _, part in _elements(content)] if kind == MATRIX else []
            if parts and parts[0][0] == STRUCT_CLASS and bytes(parts[2]) == b"GTcls":
                (width,) = struct.unpack("<i", parts[3])
                names = [
                    bytes(parts[4][start : start + width]).rstrip(b"\0") for start in range(0, len(parts[4]), width)
                ]
                return _uint8_matrix(parts[5 + names.index(b"Segmentation")]) if len(parts) == 5 + len(names) else None
    except (struct.error, zlib.error, ValueError, IndexError, StopIteration):
        pass
    return None


def _uint8_matrix(content: memoryview) -> Bytes | None:
    (_, flags), (_, sides), _, (kind, values) = _elements(content)
    if flags[0] != UINT8_CLASS or kind != UINT8 or len(sides) != 8:
        return None
    height, width = struct.unpack("<2i", sides)
    return np.ascontiguousarray(np.frombuffer(values, dtype=np.uint8).reshape(width, height).T)


def _elements(content: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Data type and bytes of the elements that follow each other in a MATLAB 5 file.

    Raises ValueError where one is cut off.
    """
    place = 0
    while place < len(content):
        kind, length = struct.unpack_from("<II", content, place)
        start = place + 8
        if kind >> 16:  # a short element has both numbers in four bytes
            kind, length, start = kind & 0xFFFF, kind >> 16, place + 4
        if start + length > len(content):
            raise ValueError("cut off")
        yield kind, content[start : start + length]
        # Elements begin at multiples of eight bytes, but for compressed ones.
        place = start + length if kind == COMPRESSED else -(-(start + length) // 8) * 8
