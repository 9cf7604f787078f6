"""Damaged image files that OpenCV decodes nevertheless are noticed; intact ones of every form are not."""

import io
import itertools

import cv2
import numpy as np
import pytest
from PIL import Image

from pointrend.datasets.prepare.damage import damage
from tests.datasets.jpegs import FORMS, hurt, jpeg, photo


@pytest.mark.parametrize("form", FORMS)
def test_intact_jpegs_show_nothing(form):
    sizes = ((130, 250), (1, 1), (7, 9), (17, 33), (8, 16), (200, 16))
    for (height, width), quality in itertools.product(sizes, (30, 75, 95, 100)):
        for image in (photo(height, width), photo(height, width)[..., 0], np.full((height, width, 3), 255, np.uint8)):
            assert damage(jpeg(image, quality, form)) is None, (height, width, quality, image.shape)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_intact_jpegs_of_pillow_show_nothing(mode):
    for options in ({}, {"restart_marker_rows": 1}, {"progressive": True}, {"exif": b"Exif", "subsampling": 0}):
        stream = io.BytesIO()
        Image.fromarray(photo()).convert(mode).save(stream, "JPEG", **options)
        assert damage(stream.getvalue()) is None, options


def test_other_intact_files_show_nothing():
    data = jpeg(photo())
    for filled in (b"\xff\xff", bytes(16)):
        assert damage(data[:-2] + filled + data[-2:]) is None
    assert damage(data + b"a preview, or the next photo") is None
    for ending in (".bmp", ".tiff", ".webp"):
        assert damage(cv2.imencode(ending, photo())[1].tobytes()) is None
    assert damage(b"") is None


def test_a_photo_larger_than_pillow_likes_is_checked_as_well(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert damage(jpeg(photo())) is None
    assert damage(hurt())


def flipped(byte: int, rng: np.random.Generator) -> bytes:
    return bytes([byte ^ int(rng.integers(1, 256))])


def overwritten(byte: int, rng: np.random.Generator) -> bytes:
    return rng.bytes(16)


@pytest.mark.parametrize(
    ("length", "replacement", "form", "least"),
    [
        (1, flipped, "4:2:0", 5),
        (16, overwritten, "4:2:0", 20),
        (512, lambda byte, rng: bytes(512), "4:2:0", 35),
        (100, lambda byte, rng: b"", "4:2:0", 15),
        (1, flipped, "restarts of a row", 5),
        (16, overwritten, "restarts of a row", 20),
    ],
)
def test_damage_that_libjpeg_warns_of_is_noticed(length, replacement, form, least, capfd):
    """OpenCV decodes, and its libjpeg prints a warning that no program sees."""
    rng = np.random.default_rng(3)
    whole, noticed = jpeg(photo(), 95, form), 0
    header = whole.index(b"\xff\xda") + 2
    scan = header + int.from_bytes(whole[header : header + 2])
    for _ in range(40):
        place = int(rng.integers(scan, len(whole) - 600))
        data = whole[:place] + replacement(whole[place], rng) + whole[place + length :]
        capfd.readouterr()
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        warned, found = "Corrupt JPEG data" in capfd.readouterr().err, damage(data)
        assert found or not warned
        noticed += found is not None
    assert noticed >= least


@pytest.mark.parametrize(
    ("change", "form", "words"),
    [
        (lambda data: data[:-2], "4:2:0", "no marker at byte"),
        (lambda data: data[:-40] + data[-2:], "4:2:0", "end too early"),
        (lambda data: data[:-2] + b"twelve bytes" + data[-2:], "4:2:0", "end too late"),
        (lambda data: data[:-300] + b"\xff\x01" + data[-298:], "4:2:0", "byte"),
        (lambda data: data.replace(b"\xff\xd1", b"\xff\xd2", 1), "restarts", "restart markers out of order"),
        (lambda data: data.replace(b"\xff\xd3", b"", 1), "restarts", "restart markers out of order"),
        (lambda data: data[: data.index(b"\xff\xd3")] + data[-2:], "restarts", "parts instead of"),
        (lambda data: data[:-300] + b"\xff\x01" + data[-298:], "progressive", "byte"),
        (lambda data: data[:2] + b"\xff\xd0" + data[2:], "4:2:0", "a misplaced marker at byte 2"),
    ],
)
def test_the_sign_of_damage_is_named(change, form, words):
    assert words in str(damage(change(jpeg(photo(), 90, form))))


def test_every_byte_of_a_png_counts():
    whole = cv2.imencode(".png", photo(20, 30))[1].tobytes()
    assert damage(whole) is damage(whole + b"more") is None
    for place in range(8, len(whole), 7):
        data = bytearray(whole)
        data[place] ^= 1
        assert damage(bytes(data)), place
    assert damage(whole[:-12]) == "its end is missing"
