"""Masks as the archives hold them: 8-bit image files, and SBD's class labels in MATLAB files."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pointrend.errors import DatasetError

Bytes = NDArray[np.uint8]

FETCH_AGAIN = "the archive is damaged or not the official one; fetch it again"

MATLAB_5 = b"MATLAB 5.0 MAT-file"
HEADER, COMPRESSED = 128, 15
# Bytes that a MATLAB file may unpack to: SBD's largest images have 500 x 500 pixels.
MATLAB_LIMIT = 64 << 20


def decode_mask(id: str, data: bytes) -> Bytes:
    """The values (H, W), uint8, of an 8-bit mask: palette indices or grey levels, never the colours shown.

    Raises DatasetError with the id. Pillow refuses sizes that would fill the memory before it decodes them.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            mode, values = image.mode, np.array(image)
    except Exception as problem:  # Pillow's readers raise errors of many kinds on damaged files
        raise DatasetError(f"{id}: the mask cannot be decoded ({problem})", FETCH_AGAIN) from problem
    if mode not in ("P", "L"):
        raise DatasetError(f"{id}: the mask has mode {mode}, not palette (P) or 8-bit grey (L)", FETCH_AGAIN)
    return values


def decode_sbd_mask(id: str, data: bytes) -> Bytes:
    """The class label (H, W), uint8, in the bytes of one of SBD's MATLAB files. Raises DatasetError with the id."""
    from scipy.io import loadmat  # takes long to import, and other datasets do without it

    try:
        _check_matlab(data)
        # A MATLAB 5 file holds numbers, texts, structs and cells: scipy unpickles and executes nothing in it.
        mask = loadmat(io.BytesIO(data), variable_names=["GTcls"])["GTcls"]["Segmentation"].item()
    except Exception as problem:  # scipy raises errors of many kinds on damaged files
        raise DatasetError(f"{id}: SBD's mask cannot be read ({problem})", FETCH_AGAIN) from problem
    if mask.dtype != np.uint8 or mask.ndim != 2:
        raise DatasetError(f"{id}: SBD's mask is {mask.dtype} with {mask.ndim} axes, not uint8 with 2", FETCH_AGAIN)
    return np.ascontiguousarray(mask)


def _check_matlab(data: bytes) -> None:
    """Compare zlib's checksums and sizes: scipy's reader would crash on damaged data and fill the memory with a bomb.

    Raises ValueError, struct.error or zlib.error where the file is not whole, not compressed or too large.
    """
    if not data.startswith(MATLAB_5) or data[HEADER - 2 : HEADER] != b"IM":
        raise ValueError("it is not a MATLAB 5 file")
    place, left = HEADER, MATLAB_LIMIT
    while place < len(data):
        kind, length = struct.unpack_from("<II", data, place)
        if kind != COMPRESSED:
            raise ValueError("it is not compressed")
        place += 8 + length
        reader = zlib.decompressobj()
        left -= len(reader.decompress(data[place - length : place], left + 1))
        if left < 0 or not reader.eof:
            raise ValueError(f"it is cut off, or unpacks to more than {MATLAB_LIMIT} bytes")
