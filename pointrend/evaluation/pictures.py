"""Pictures to look at: photo, label and predictions side by side, and predictions laid over the photo."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pointrend.datasets.classes import DatasetClasses
from pointrend.evaluation.confusion import LabelMap

if TYPE_CHECKING:  # the page, which reads sheets, does without torch
    from pointrend.evaluation.segmenters import BgrImage, Segmentation

RgbImage = NDArray[np.uint8]  # (H, W, 3)
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Entry = tuple[str, tuple[int, ...]]  # a name in the legend and its RGB colour

NOT_LABELLED = (255, 255, 255)  # no palette uses white
PAPER, INK, POINT, WRONG = (240, 240, 238), (40, 40, 40), (255, 90, 0), (214, 0, 60)
# Largest height and width of a panel in pixels, and panels per row: two stay readable on a narrow screen.
PANEL_HEIGHT, PANEL_WIDTH, COLUMNS = 240, 480, 2
# Space between panels, height and least width of a caption, and height of a line of the legend, in pixels.
GAP, CAPTION, CAPTION_WIDTH, LINE = 8, 22, 160, 20
PHOTO_COLOURS = 128  # colours left for photographs in the palette of a sheet
PANELS = ("photo", "label", "coarse", "refined", "refined in the last step", "wrong after refining")
OVERLAY = 0.55  # share of the class colour in an overlay


class Sheet(NamedTuple):
    """Where the panels of a contact sheet are: left, top, width and height in pixels; and the classes in its maps."""

    boxes: dict[str, tuple[int, int, int, int]]
    legend: list[Entry]


def colour(labels: LabelMap, palette: RgbImage) -> RgbImage:
    """Paint a label map (H, W) in the colours of a palette (K, 3); pixels of no class become white."""
    table = np.full((256, 3), NOT_LABELLED, np.uint8)
    table[: len(palette)] = palette
    return table[labels]


def overlaid(image: BgrImage, labels: LabelMap, palette: RgbImage) -> RgbImage:
    """The photo mixed with the class colours, RGB."""
    mixed = (1 - OVERLAY) * image[..., ::-1] + OVERLAY * colour(labels, palette)
    return np.rint(mixed).astype(np.uint8)


def palette_png(labels: LabelMap, palette: RgbImage) -> bytes:
    """A PNG of the label map itself that viewers show in the colours of a palette (K, 3)."""
    image, stream = Image.fromarray(labels, "P"), io.BytesIO()
    image.putpalette([int(level) for level in palette.ravel()])
    image.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def explained_overlay(image: BgrImage, labels: LabelMap, classes: DatasetClasses) -> RgbImage:
    """The photo mixed with the class colours, and below it a legend of the classes that occur."""
    shown, legend = Image.fromarray(overlaid(image, labels, classes.palette)), _legend(np.unique(labels), classes)
    font = ImageFont.load_default(13)
    places, lines = _place(legend, font, shown.width)
    sheet = Image.new("RGB", (shown.width, shown.height + GAP + lines * LINE), PAPER)
    sheet.paste(shown)
    _draw_legend(ImageDraw.Draw(sheet), legend, places, shown.height + GAP // 2, font)
    return np.asarray(sheet)


def contact_sheet(image: BgrImage, label: LabelMap, segmentation: Segmentation, classes: DatasetClasses) -> bytes:
    """A PNG of six captioned panels and a legend, with the colours of the classes exact and those of the photo rounded.

    The panels: photo, label, coarse, refined, where the last step refined, where the refined labels are wrong.
    """
    height, width = label.shape
    scale = min(PANEL_HEIGHT / height, PANEL_WIDTH / width)
    size = (max(1, round(scale * width)), max(1, round(scale * height)))
    photo = Image.fromarray(np.ascontiguousarray(image[..., ::-1])).resize(size, Image.Resampling.LANCZOS)
    maps = {"label": label, "coarse": segmentation.coarse, "refined": segmentation.refined}
    painted = {name: Image.fromarray(colour(labels, classes.palette)) for name, labels in maps.items()}
    wrong = (segmentation.refined != label) & (label < len(classes.names))
    resized = [panel.resize(size, Image.Resampling.NEAREST) for panel in painted.values()]
    marked = [_marked(photo, marks, mark) for marks, mark in ((segmentation.last_refined, POINT), (wrong, WRONG))]
    panels = dict(zip(PANELS, (photo, *resized, *marked), strict=True))
    present = np.unique(np.concatenate([labels.ravel() for labels in maps.values()]))
    legend = _legend(present, classes)
    exact = [PAPER, INK, POINT, WRONG, *(entry for _, entry in legend)]
    photographs = [panels[name] for name in panels if name not in maps]
    sheet = _sheet(panels, legend).quantize(palette=_palette(exact, photographs), dither=Image.Dither.NONE)
    stream = io.BytesIO()
    sheet.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def read_sheet(png: bytes, classes: DatasetClasses) -> Sheet:
    """The layout of a :func:`contact_sheet`.

    Raises:
        ValueError: it is none.
    """
    try:
        sheet = Image.open(io.BytesIO(png))
        pixels, palette = np.asarray(sheet), np.array(sheet.getpalette() or [], np.uint8).reshape(-1, 3)
    except OSError as problem:
        raise ValueError(str(problem)) from problem
    column = (pixels.shape[1] - GAP) // COLUMNS
    # The label has no pixel in the colour of the paper around it.
    label = np.isin(pixels[CAPTION:, GAP + column :], np.flatnonzero((palette == PAPER).all(axis=1)))
    if column <= 0 or not label.size or not (label[0].any() and label[:, 0].any()):
        raise ValueError("it has no panels")
    width, height = int(label[0].argmax()), int(label[:, 0].argmax())
    boxes = {
        name: (GAP + index % COLUMNS * column, index // COLUMNS * (CAPTION + height + GAP) + CAPTION, width, height)
        for index, name in enumerate(PANELS)
    }
    maps = [boxes[name] for name in PANELS[1:4]]
    used = [np.unique(pixels[top : top + height, left : left + width]) for left, top, _, _ in maps]
    seen = set(map(tuple, palette[np.unique(np.concatenate(used))].tolist()))
    entries = _legend(np.arange(256, dtype=np.uint8), classes)
    return Sheet(boxes, [(name, fill) for name, fill in entries if fill in seen])


def _marked(photo: Image.Image, marks: NDArray[np.bool_], mark: tuple[int, int, int]) -> Image.Image:
    """The photo in pale grey, with the marked cells of a map of any size on it."""
    pale = photo.convert("L").point(lambda grey: grey // 2 + 100).convert("RGB")
    covered = Image.fromarray(marks.astype(np.uint8) * 255).resize(photo.size, Image.Resampling.BOX)
    # A lone cell of a large map covers little of a panel's pixel; the square root keeps it visible.
    pale.paste(mark, mask=covered.point(lambda share: round(math.sqrt(255 * share))))
    return pale


def _palette(exact: list[tuple[int, ...]], photographs: list[Image.Image]) -> Image.Image:
    """An image with a palette of at most 256: the ``exact`` colours, then those that suit the photographs best."""
    width, height = photographs[0].size
    joined = Image.new("RGB", (width, height * len(photographs)))
    for index, panel in enumerate(photographs):
        joined.paste(panel, (0, index * height))
    suited = joined.quantize(min(PHOTO_COLOURS, 256 - len(exact)), Image.Quantize.MEDIANCUT).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([*(level for entry in exact for level in entry), *suited][: 3 * 256])
    return palette


def _legend(present: NDArray[np.uint8], classes: DatasetClasses) -> list[Entry]:
    names = len(classes.names)
    entries = [(classes.names[i], tuple(classes.palette[i].tolist())) for i in present if i < names]
    return entries + ([("not labelled", NOT_LABELLED)] if (present >= names).any() else [])


def _sheet(panels: dict[str, Image.Image], legend: list[Entry]) -> Image.Image:
    """Captioned panels in rows of :data:`COLUMNS`, and the legend below them."""
    font = ImageFont.load_default(13)
    panel_width, panel_height = next(iter(panels.values())).size
    width = GAP + COLUMNS * (max(panel_width, CAPTION_WIDTH) + GAP)
    legend_top = math.ceil(len(panels) / COLUMNS) * (CAPTION + panel_height + GAP)
    places, lines = _place(legend, font, width)
    sheet = Image.new("RGB", (width, legend_top + lines * LINE + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    for index, (caption, panel) in enumerate(panels.items()):
        left = GAP + index % COLUMNS * (max(panel_width, CAPTION_WIDTH) + GAP)
        top = index // COLUMNS * (CAPTION + panel_height + GAP) + CAPTION
        draw.text((left, top - 5), caption, INK, font, anchor="ls")
        sheet.paste(panel, (left, top))
    _draw_legend(draw, legend, places, legend_top, font)
    return sheet


def _draw_legend(
    draw: ImageDraw.ImageDraw, legend: list[Entry], places: list[tuple[int, int]], top: int, font: Font
) -> None:
    for (name, fill), (x, line) in zip(legend, places, strict=True):
        y = top + line * LINE
        draw.rectangle((x, y + 3, x + 12, y + 15), fill, INK)
        draw.text((x + 18, y + 14), name, INK, font, anchor="ls")


def _place(legend: list[Entry], font: Font, width: int) -> tuple[list[tuple[int, int]], int]:
    """Left edge and line of every legend entry, and the number of lines."""
    places, x, line = [], GAP, 0
    for name, _ in legend:
        needed = 18 + round(font.getlength(name)) + 14
        if x + needed > width and x > GAP:
            x, line = GAP, line + 1
        places.append((x, line))
        x += needed
    return places, line + 1
