"""Images, masks and lists of ids. What every viewer shows is read as OpenCV's colour read shows it; the rest ends in
one line that names the image."""

import io
from typing import Any

import cv2
import numpy as np
from PIL import Image

from pointrend.datasets.store import Store
from tests.datasets.jpegs import hurt
from tests.datasets.layouts import ADE, VOC, encoded, pixels, values
from tests.trust.bad_archives import ADE_ZIP, VOC_TAR, repacked
from tests.trust.cases import Case, Spoil, cases
from tests.trust.ground import Ground

ID = "ADE_train_00000001"
IMAGE, MASK = f"{ADE}images/training/{ID}.jpg", f"{ADE}annotations/training/{ID}.png"
GOOD, GOOD_MASK = encoded(pixels(1, width=9), "JPEG"), encoded(values(1, [1, 2], width=9))
HURT_MASK = encoded(values(1, [1, 2], 130, 250))
TRAIN_LIST = f"{VOC}ImageSets/Segmentation/train.txt"
SHELL = "$(touch canary);'\"`&|*"


def image(data: bytes, mask: bytes | None = None) -> Spoil:
    """Replace the first image of ADE20K, and its mask."""
    return repacked(ADE_ZIP, lambda members: members.update({IMAGE: data, **({MASK: mask} if mask else {})}))


def mask(data: bytes) -> Spoil:
    return image(GOOD, data)


def noise(mode: str, size: tuple[int, int] = (9, 6), kind: str = "PNG", **options: Any) -> bytes:
    rng = np.random.default_rng(5)
    bands = len(Image.new(mode, (1, 1)).getbands())
    depth = np.uint16 if mode == "I;16" else np.uint8
    content = rng.integers(0, np.iinfo(depth).max, (size[1], size[0], bands), endpoint=True).astype(depth)
    stream = io.BytesIO()
    Image.frombytes(mode, size, content.tobytes()).save(stream, kind, **options)
    return stream.getvalue()


def turned() -> bytes:
    """An image whose EXIF says that the camera was held upright: 6 by 9 as it is displayed."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return noise("RGB", kind="JPEG", exif=exif)


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def official(data: bytes) -> Spoil:
    """Images as above in archives that have the official checksums, for all that this checkout knows."""

    def spoil(ground: Ground) -> None:
        image(data, HURT_MASK)(ground)
        ground.path("data/demo").rename(ground.path("data/pilot"))
        ground.put("scale", "pilot")
        ground.put("datasets.ade20k.images", {"train": 3, "val": 2})

    return spoil


def read_as_opencv_reads(data: bytes, scale: str = "demo") -> Spoil:
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)

    def look(ground: Ground) -> None:
        store = Store(ground.path(f"data/{scale}/ade20k"), "train")
        np.testing.assert_array_equal(store.picture(store.ids.index(ID)), expected, strict=True)

    return look


def fine(name: str, data: bytes, size: tuple[int, int] = (9, 6)) -> Case:
    """An image that is taken as it looks."""
    spoil = image(data, encoded(values(1, [1, 2], size[1], size[0])))
    return ade(name, spoil, code=0, then=read_as_opencv_reads(data))


def ignored_everywhere(ground: Ground) -> None:
    store = Store(ground.path("data/demo/ade20k"), "train")
    assert (store.label(store.ids.index(ID)) == 255).all()


def voc_list(text: bytes) -> Spoil:
    return repacked(VOC_TAR, lambda members: members.update({TRAIN_LIST: text}))


def named(id: str) -> Spoil:
    """Call the first training image otherwise, wherever it is named."""
    patterns = (f"{VOC}JPEGImages/{{}}.jpg", f"{VOC}SegmentationClass/{{}}.png")
    return repacked(
        VOC_TAR,
        lambda members: members.update(
            {pattern.format(id): members.pop(pattern.format("a")) for pattern in patterns}
            | {TRAIN_LIST: f"c\n{id}\n".encode()}
        ),
    )


def listed(name: str, spoil: Spoil, id: str = "a") -> Case:
    """A list that is taken, with the ids that are meant."""

    def look(ground: Ground) -> None:
        assert Store(ground.path("data/demo/voc"), "train").ids == sorted(["c", "d", "e", id])

    return voc(name, spoil, code=0, then=look)


ade = cases(state="ade20k", command="prepare ade20k")
voc = cases(state="voc", command="prepare voc")
UNREADABLE = (f"{ID}: the picture cannot be decoded|{ID}: the image cannot be decoded",)
DAMAGED = (f"{ID}: the picture is damaged|{ID}: the image is damaged",)
NO_SUCH = "no such picture|no such image"
CASES = (
    ade("picture of 0 bytes", image(b""), *UNREADABLE),
    ade("truncated JPEG", image(GOOD[: len(GOOD) // 2]), *UNREADABLE),
    ade("JPEG damaged in the middle", image(hurt(), HURT_MASK), *DAMAGED, "data end too"),
    ade("damaged JPEG that is official", official(hurt()), code=0, then=read_as_opencv_reads(hurt(), "pilot")),
    ade("JPEG without its end", image(GOOD[:-2]), *UNREADABLE),
    ade("PNG with a wrong checksum", image(flipped(noise("RGB"), 30)), *UNREADABLE),
    ade("mask with a wrong checksum", mask(flipped(GOOD_MASK, 72)), ID, "the mask is damaged, the checksum at byte"),
    ade("mask without its end", mask(GOOD_MASK[:-12]), ID, "the mask is damaged, its end is missing"),
    ade("truncated PNG", image(noise("RGB")[:100]), *UNREADABLE),
    ade("text for a picture", image(b"<html>"), *UNREADABLE),
    ade("picture of 100,000 x 100,000", image(b"P5 100000 100000 255\n"), *UNREADABLE),
    fine("CMYK JPEG", noise("CMYK", kind="JPEG")),
    fine("grey JPEG", noise("L", kind="JPEG")),
    fine("grey PNG of 16 bits", noise("I;16")),
    fine("PNG with alpha", noise("RGBA")),
    fine("PNG of one bit", noise("1", size=(16, 6)), size=(16, 6)),
    fine("PNG with a palette", noise("P")),
    fine("JPEG turned by EXIF", turned(), size=(6, 9)),
    fine("PNG named .jpg", noise("RGB")),
    fine("1x1", noise("RGB", size=(1, 1)), size=(1, 1)),
    fine("20000x20", noise("RGB", size=(20_000, 20)), size=(20_000, 20)),
    fine("portrait", noise("RGB", (6, 9)), size=(6, 9)),
    ade("EXIF that the mask does not follow", image(turned()), ID, "is 6x9, its mask 9x6"),
    ade("mask of another size", mask(encoded(values(1, [1], 5, 9))), ID, "is 9x6, its mask 9x5"),
    ade("mask of colours", mask(encoded(pixels(1, width=9))), ID, "mask", "mode RGB", "palette (P) or 8-bit grey (L)"),
    ade("truncated mask", mask(GOOD_MASK[:50]), ID, "the mask cannot be decoded"),
    ade("mask that is all ignored", mask(encoded(values(1, [0], width=9))), code=0, then=ignored_everywhere),
    listed("list with CRLF", voc_list(b"c\r\na\r\n")),
    listed("list with blanks", voc_list(b"\n c \n\n\ta\n\n")),
    listed("list without a last newline", voc_list(b"c\na")),
    voc("id listed twice", voc_list(b"c\na\nc\n"), "c is listed twice", TRAIN_LIST),
    voc("id that is not there", voc_list(b"c\nnobody\n"), "nobody: ", VOC_TAR, NO_SUCH),
    listed("list with a byte order mark", voc_list(b"\xef\xbb\xbfc\na\n")),
    voc("list that is no text", voc_list(b"\xff\xfe\x00\n"), r"\x00: ", VOC_TAR, NO_SUCH),
    voc("empty list", voc_list(b""), "train has 3", "official 4"),
    listed("name that is not ASCII", named("übung_日本"), "übung_日本"),
    listed("name with shell characters", named(SHELL), SHELL),
)
