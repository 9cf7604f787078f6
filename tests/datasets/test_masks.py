"""The quick readers of masks against Pillow and scipy, and that they leave to those whatever is unusual or damaged."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.io import savemat

from pointrend.datasets.prepare import masks
from pointrend.datasets.prepare.masks import decode_mask, decode_sbd_mask
from pointrend.errors import DatasetError
from tests.datasets.test_prepare import prepare

VALUES = np.random.default_rng(0).integers(0, 256, (13, 21), np.uint8)


def png(values: np.ndarray, mode: str = "P", **options: Any) -> bytes:
    image = Image.fromarray(values, mode="L")
    if mode == "P":
        image.putpalette(np.random.default_rng(1).integers(0, 256, 768, np.uint8).tobytes())
        image = image if image.mode == "P" else image.convert("P")
    stream = io.BytesIO()
    image.save(stream, "PNG", **options)
    return stream.getvalue()


def mat(segmentation: np.ndarray, compress: bool = True, **more: Any) -> bytes:
    stream = io.BytesIO()
    fields = {"Boundaries": np.eye(3), "Segmentation": segmentation, "CategoriesPresent": np.array([1, 2], np.uint8)}
    savemat(stream, {**more, "GTcls": fields}, do_compression=compress)
    return stream.getvalue()


@pytest.fixture
def quick_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither Pillow nor scipy is asked."""
    monkeypatch.setattr(masks.Image, "open", None)
    monkeypatch.setattr("scipy.io.loadmat", None)


@pytest.mark.usefixtures("quick_only")
@pytest.mark.parametrize(
    "data", [png(VALUES), png(VALUES, "L"), png(VALUES, transparency=3), png(VALUES, compress_level=0)]
)
def test_usual_png_masks_are_read_quickly(data: bytes) -> None:
    np.testing.assert_array_equal(decode_mask("x", data), VALUES)


@pytest.mark.parametrize("place", range(8, len(png(VALUES)), 37))
def test_a_damaged_byte_of_a_png_mask_is_never_read_quickly(place: int) -> None:
    data = bytearray(png(VALUES))
    data[place] ^= 0x55
    assert masks._as_grey_png(bytes(data)) is None


def test_a_cut_png_mask_is_an_error_that_names_the_picture() -> None:
    with pytest.raises(DatasetError, match=r"^x: the mask cannot be decoded"):
        decode_mask("x", png(VALUES)[:-30])


def test_a_colour_png_is_refused() -> None:
    stream = io.BytesIO()
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(stream, "PNG")
    with pytest.raises(DatasetError, match=r"^x: the mask has mode RGB"):
        decode_mask("x", stream.getvalue())


@settings(deadline=None, max_examples=50)
@given(height=st.integers(1, 20), width=st.integers(1, 20), compress=st.booleans(), others=st.booleans())
def test_usual_matlab_masks_are_read_quickly(height: int, width: int, compress: bool, others: bool) -> None:
    values = np.arange(height * width, dtype=np.uint8).reshape(height, width)
    more = {"other": np.arange(5.0), "GTinst": {"Segmentation": values + 1}} if others else {}
    found = masks._sbd_segmentation(mat(values, compress, **more))
    assert found is not None
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (mat(VALUES)[:200], "cannot be read"),
        (b"not a file of this kind", "cannot be read"),
        (mat(VALUES.astype(np.float64)), "is float64 with 2 axes"),
    ],
)
def test_other_matlab_files_go_to_scipy_and_are_refused(data: bytes, words: str) -> None:
    assert masks._sbd_segmentation(data) is None
    with pytest.raises(DatasetError, match=rf"^x: SBD's mask {words}"):
        decode_sbd_mask("x", data)


def test_every_cut_of_a_matlab_file_is_noticed() -> None:
    data = mat(VALUES, compress=False)
    for length in range(0, len(data) - 200, 7):
        assert masks._sbd_segmentation(data[:length]) is None


def test_the_number_of_threads_changes_no_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for cores in (1, 6):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        prepare(tmp_path, "voc", out=str(cores))
    for path in (tmp_path / "1").iterdir():
        assert path.read_bytes() == (tmp_path / "6" / path.name).read_bytes()
