"""Pictures, masks and lists of ids. What every viewer shows is read as OpenCV's colour read shows it; the rest ends in
one line that names the picture."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from PIL import Image

from pointrend.datasets.store import Store
from tests.datasets.jpegs import hurt
from tests.datasets.layouts import ADE, SBD, VOC, archive_members, encoded, pixels, sbd_mask, values
from tests.trust.bad_archives import ADE_PREPARE, SBD_TGZ, VOC_PREPARE, VOC_TAR, ade20k
from tests.trust.cases import Case, nothing
from tests.trust.ground import Ground

PICTURE, MASK = f"{ADE}images/training/ADE_train_00000001.jpg", f"{ADE}annotations/training/ADE_train_00000001.png"
ID = "ADE_train_00000001"
GOOD = encoded(pixels(1, width=9), "JPEG")
HURT_MASK = encoded(values(1, [1, 2], 130, 250))
GOOD_MASK = encoded(values(1, [1, 2], width=9))
TRAIN_LIST = f"{VOC}ImageSets/Segmentation/train.txt"


def picture(data: bytes, mask: bytes | None = None) -> Callable[[Ground], None]:
    """Replace the first picture of ADE20K, and its mask."""
    return ade20k(lambda members: members.update({PICTURE: data, **({MASK: mask} if mask else {})}))


def mask(data: bytes) -> Callable[[Ground], None]:
    return picture(GOOD, data)


def without(member: str) -> Callable[[Ground], None]:
    return ade20k(lambda members: members.pop(member) and None)


def image(mode: str, size: tuple[int, int] = (9, 6), kind: str = "PNG", **options: Any) -> bytes:
    """A picture of noise in a mode of Pillow's."""
    rng = np.random.default_rng(5)
    bands = len(Image.new(mode, (1, 1)).getbands())
    depth = np.uint16 if mode == "I;16" else np.uint8
    noise = rng.integers(0, np.iinfo(depth).max, (size[1], size[0], bands), endpoint=True).astype(depth)
    stream = io.BytesIO()
    Image.frombytes(mode, size, noise.tobytes()).save(stream, kind, **options)
    return stream.getvalue()


def turned() -> bytes:
    """A picture whose EXIF says that the camera was held upright: 6 by 9 as it is displayed."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return image("RGB", kind="JPEG", exif=exif)


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def official(data: bytes) -> Callable[[Ground], None]:
    """Pictures as above in archives that have the official checksums, for all that this checkout knows."""

    def spoil(ground: Ground) -> None:
        picture(data, HURT_MASK)(ground)
        ground.path("data/demo").rename(ground.path("data/pilot"))
        ground.put("scale", "pilot")
        ground.put("datasets.ade20k.images", {"train": 3, "val": 2})

    return spoil


def read_as_opencv_reads(data: bytes, scale: str = "demo") -> Callable[[Ground], None]:
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)

    def look(ground: Ground) -> None:
        store = Store(ground.path(f"data/{scale}/ade20k"), "train")
        found = store.picture(store.ids.index(ID))
        assert found.shape == expected.shape
        np.testing.assert_array_equal(found, expected)

    return look


def fine(name: str, data: bytes, size: tuple[int, int] = (9, 6)) -> Case:
    """A picture that is taken as it looks."""
    spoil = picture(data, encoded(values(1, [1, 2], size[1], size[0])))
    return Case(name, "ade20k", spoil, ADE_PREPARE, 0, (), read_as_opencv_reads(data))


def wrong(name: str, spoil: Callable[[Ground], Any], *words: str) -> Case:
    return Case(name, "ade20k", spoil, ADE_PREPARE, 2, words)


def ignored_everywhere(ground: Ground) -> None:
    store = Store(ground.path("data/demo/ade20k"), "train")
    assert (store.label(store.ids.index(ID)) == 255).all()


def voc_list(text: bytes) -> Callable[[Ground], None]:
    """Replace VOC's list of training pictures."""

    def spoil(ground: Ground) -> None:
        archives = archive_members()["voc"]
        archives[VOC_TAR][TRAIN_LIST] = text
        ground.archives("voc", archives)

    return spoil


def named(id: str) -> Callable[[Ground], None]:
    """Call the first training picture otherwise, in every place."""

    def spoil(ground: Ground) -> None:
        archives = archive_members()["voc"]
        voc = archives[VOC_TAR]
        for pattern in ("JPEGImages/{}.jpg", "SegmentationClass/{}.png"):
            voc[VOC + pattern.format(id)] = voc.pop(VOC + pattern.format("a"))
        voc[TRAIN_LIST] = f"c\n{id}\n".encode()
        ground.archives("voc", archives)

    return spoil


def listed(*ids: str) -> Callable[[Ground], None]:
    def look(ground: Ground) -> None:
        assert Store(ground.path("data/demo/voc"), "train").ids == sorted(ids)

    return look


def sbd(data: bytes) -> Callable[[Ground], None]:
    """Replace one of SBD's masks."""

    def spoil(ground: Ground) -> None:
        archives = archive_members()["voc"]
        archives[SBD_TGZ][f"{SBD}cls/d.mat"] = data
        ground.archives("voc", archives)

    return spoil


SHELL = "$(touch canary);'\"`&|*"
CASES = (
    wrong("picture of 0 bytes", picture(b""), ID, "cannot be decoded"),
    wrong("truncated JPEG", picture(GOOD[: len(GOOD) // 2]), ID, "cannot be decoded"),
    wrong("JPEG damaged in the middle", picture(hurt(), HURT_MASK), ID, "the image is damaged, the image data end too"),
    Case(
        "damaged JPEG that is official",
        "ade20k",
        official(hurt()),
        ADE_PREPARE,
        0,
        (),
        read_as_opencv_reads(hurt(), "pilot"),
    ),
    wrong("JPEG without its end", picture(GOOD[:-2]), ID, "the image"),
    wrong("PNG with a wrong checksum", picture(flipped(image("RGB"), 30)), ID, "the image"),
    wrong("mask with a wrong checksum", mask(flipped(GOOD_MASK, 72)), ID, "the mask is damaged, the checksum at byte"),
    wrong("mask without its end", mask(GOOD_MASK[:-12]), ID, "the mask is damaged, its end is missing"),
    wrong("truncated PNG", picture(image("RGB")[:100]), ID, "cannot be decoded"),
    wrong("text for a picture", picture(b"<html>"), ID, "cannot be decoded"),
    wrong("picture of 100,000 x 100,000", picture(b"P5 100000 100000 255\n"), ID, "cannot be decoded"),
    fine("CMYK JPEG", image("CMYK", kind="JPEG")),
    fine("grey JPEG", image("L", kind="JPEG")),
    fine("grey PNG of 16 bits", image("I;16")),
    fine("PNG with alpha", image("RGBA")),
    fine("PNG of one bit", image("1", size=(16, 6)), size=(16, 6)),
    fine("PNG with a palette", image("P")),
    fine("JPEG turned by EXIF", turned(), size=(6, 9)),
    fine("PNG named .jpg", image("RGB")),
    fine("1x1", image("RGB", size=(1, 1)), size=(1, 1)),
    fine("20000x20", image("RGB", size=(20_000, 20)), size=(20_000, 20)),
    wrong("EXIF that the mask does not follow", picture(turned()), ID, "the image is 6x9, its mask 9x6"),
    wrong("mask of another size", mask(encoded(values(1, [1], 5, 9))), ID, "the image is 9x6, its mask 9x5"),
    wrong("mask of colours", mask(encoded(pixels(1, width=9))), ID, "mode RGB, not palette (P) or 8-bit grey (L)"),
    wrong("mask of 16 bits", mask(image("I;16")), ID, "not palette (P) or 8-bit grey (L)"),
    wrong("mask with alpha", mask(image("LA")), ID, "mode LA"),
    wrong("mask of 0 bytes", mask(b"\0"), ID, "the mask cannot be decoded"),
    wrong("truncated mask", mask(GOOD_MASK[:50]), ID, "the mask cannot be decoded"),
    wrong("label out of table", mask(encoded(values(1, [1, 151], width=9))), ID, "label value 151, not one of ADE20K"),
    wrong("missing mask", without(MASK), ID, "the image has no mask"),
    wrong("missing picture", without(PICTURE), ID, "the mask has no image"),
    Case(
        "mask that is all ignored",
        "ade20k",
        mask(encoded(values(1, [0], width=9))),
        ADE_PREPARE,
        0,
        (),
        ignored_everywhere,
    ),
    Case("list with CRLF", "voc", voc_list(b"c\r\na\r\n"), VOC_PREPARE, 0, (), listed("a", "c", "d", "e")),
    Case("list with blanks", "voc", voc_list(b"\n c \n\n\ta\n\n"), VOC_PREPARE, 0, (), listed("a", "c", "d", "e")),
    Case("list without a last newline", "voc", voc_list(b"c\na"), VOC_PREPARE, 0, (), listed("a", "c", "d", "e")),
    Case("id listed twice", "voc", voc_list(b"c\na\nc\n"), VOC_PREPARE, 2, ("c is listed twice", TRAIN_LIST)),
    Case("id that is not there", "voc", voc_list(b"c\nnobody\n"), VOC_PREPARE, 2, ("nobody", "no such image")),
    Case(
        "list with a byte order mark",
        "voc",
        voc_list(b"\xef\xbb\xbfc\na\n"),
        VOC_PREPARE,
        0,
        (),
        listed("a", "c", "d", "e"),
    ),
    Case("list that is no text", "voc", voc_list(b"\xff\xfe\x00\n"), VOC_PREPARE, 2, ("no such image",)),
    Case("empty list", "voc", voc_list(b""), VOC_PREPARE, 2, ("train has 3 images, not the official 4",)),
    Case("name that is not ASCII", "voc", named("übung_日本"), VOC_PREPARE, 0, (), listed("c", "d", "e", "übung_日本")),
    Case("name with shell characters", "voc", named(SHELL), VOC_PREPARE, 0, (), listed("c", "d", "e", SHELL)),
    Case("SBD mask that is no .mat", "voc", sbd(b"MATLAB 5.0"), VOC_PREPARE, 2, ("d: SBD's mask cannot be read",)),
    Case("SBD mask of 16 bits", "voc", sbd(sbd_mask(values(1, [1]).astype(np.uint16))), VOC_PREPARE, 2, ("uint16",)),
    Case(
        "portrait", "ade20k", picture(image("RGB", (6, 9)), encoded(values(1, [1], 9, 6))), ADE_PREPARE, 0, (), nothing
    ),
)
