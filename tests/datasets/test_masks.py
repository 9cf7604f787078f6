"""Masks in PNG and MATLAB files: their values, and that no damaged or hostile file crashes or fills the memory."""

import io
import tracemalloc
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pointrend.datasets.prepare import masks
from pointrend.datasets.prepare.masks import decode_mask, decode_sbd_mask
from pointrend.errors import DatasetError
from tests.datasets.layouts import encoded, mat, sbd_mask

VALUES = np.random.default_rng(0).integers(0, 256, (13, 21), np.uint8)
P = encoded(VALUES, mode="P")


def saved(**options: Any) -> bytes:
    stream = io.BytesIO()
    Image.open(io.BytesIO(P)).save(stream, "PNG", **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    "data",
    [P, encoded(VALUES), saved(transparency=3), saved(compress_level=0)],
    ids=["P", "L", "alpha", "stored"],
)
def test_the_values_of_png_masks_are_indices_and_grey_levels(data):
    np.testing.assert_array_equal(decode_mask("x", data), VALUES)


def test_a_png_bomb_is_refused_undecoded(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DatasetError, match=r"^x: the mask cannot be decoded \(Image size \(273 pixels\) exceeds limit"):
        decode_mask("x", P)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 20), (20, 1), (13, 8), (7, 64)])
@pytest.mark.parametrize("others", [False, True])
def test_the_values_of_matlab_masks(height, width, others):
    values = np.arange(height * width).astype(np.uint8).reshape(height, width)
    more = {"other": np.arange(5.0), "GTinst": {"Segmentation": values + 1}} if others else {}
    found = decode_sbd_mask("x", mat(**more, GTcls={"Boundaries": np.eye(3), "Segmentation": values}))
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (sbd_mask(VALUES)[:200], "it is cut off"),
        (b"MATLAB 5.0", "it is not a MATLAB 5 file"),
        (sbd_mask(VALUES).replace(b"IM", b"MI", 1), "it is not a MATLAB 5 file"),
        (mat(False, GTcls={"Segmentation": VALUES}), "it is not compressed"),
        (sbd_mask(VALUES)[:-1] + b"?", ".* incorrect data check"),
        (mat(GTinst=np.eye(2)), r"'GTcls'\)"),
        (mat(GTcls={"Categories": np.eye(2)}), "no field of name Segmentation"),
    ],
)
def test_other_matlab_files_are_refused(data, words):
    with pytest.raises(DatasetError, match=rf"^x: SBD's mask cannot be read \({words}"):
        decode_sbd_mask("x", data)


@pytest.mark.parametrize("compress", [True, False])
def test_damaged_matlab_files_are_refused_before_scipy_crashes(compress):
    """scipy's reader ends the whole process with a segmentation fault for some of the files that are not compressed."""
    rng = np.random.default_rng(0)
    whole = mat(compress, GTcls={"Boundaries": np.eye(3), "Segmentation": VALUES})
    damaged = [whole[:length] for length in range(0, len(whole), 7)]
    for _ in range(1500):
        data = bytearray(whole)
        for place in rng.integers(128, len(data), 3):
            data[place : place + 2] = rng.bytes(2)
        damaged.append(bytes(data))
    for file in damaged:
        with pytest.raises(DatasetError, match=r"^x: SBD's mask cannot be read"):
            decode_sbd_mask("x", file)


@pytest.mark.parametrize("parts", [1, 3])
def test_a_matlab_bomb_is_refused_unpacked_up_to_the_limit(parts, monkeypatch):
    data = mat(**{f"part{number}": np.zeros(300_000 // parts, np.uint8) for number in range(parts)})
    monkeypatch.setattr(masks, "MATLAB_LIMIT", 200_000)
    tracemalloc.start()
    with pytest.raises(DatasetError, match="it is cut off, or unpacks to more than 200000 bytes"):
        decode_sbd_mask("x", data)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
