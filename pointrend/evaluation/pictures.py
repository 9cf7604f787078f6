"""Pictures for the eye: photo, label and predictions side by side, and predictions laid over the photo."""

from __future__ import annotations

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pointrend.datasets.classes import DatasetClasses
from pointrend.evaluation.confusion import LabelMap
from pointrend.evaluation.inference import Picture, Segmentation

RgbImage = NDArray[np.uint8]
"""RGB (H, W, 3)."""
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Entry = tuple[str, tuple[int, ...]]
"""A name in the legend and its RGB colour."""

NOT_LABELLED = (255, 255, 255)
"""White, which no palette uses."""
PAPER, INK, POINT = (240, 240, 238), (40, 40, 40), (255, 90, 0)
PANEL_HEIGHT, PANEL_WIDTH, SHEET_WIDTH = 240, 560, 1860
"""Largest height and width of a panel, and width of a row of panels, in pixels."""
GAP, CAPTION, LINE = 8, 22, 20
"""Space between panels, height of a caption and of a line of the legend, in pixels."""
OVERLAY = 0.55
"""Share of the class colour in an overlay."""


def colour(labels: LabelMap, palette: RgbImage) -> RgbImage:
    """Paint a label map (H, W) in the colours of a palette (K, 3); what is no class becomes white."""
    table = np.full((256, 3), NOT_LABELLED, np.uint8)
    table[: len(palette)] = palette
    return table[labels]


def overlaid(picture: Picture, labels: LabelMap, palette: RgbImage) -> RgbImage:
    """The photo with the class colours shining through, RGB."""
    mixed = (1 - OVERLAY) * picture[..., ::-1] + OVERLAY * colour(labels, palette)
    return np.rint(mixed).astype(np.uint8)


def side_by_side(picture: Picture, label: LabelMap, segmentation: Segmentation, classes: DatasetClasses) -> bytes:
    """A PNG of five captioned panels and a legend: photo, label, coarse, refined, where the last step refined."""
    height, width = label.shape
    scale = min(PANEL_HEIGHT / height, PANEL_WIDTH / width)
    size = (max(1, round(scale * width)), max(1, round(scale * height)))
    photo = Image.fromarray(np.ascontiguousarray(picture[..., ::-1])).resize(size, Image.Resampling.LANCZOS)
    maps = {"label": label, "coarse": segmentation.coarse, "refined": segmentation.refined}
    panels = {"photo": photo}
    for caption, labels in maps.items():
        painted = Image.fromarray(colour(labels, classes.palette))
        panels[caption] = painted.resize(size, Image.Resampling.NEAREST)
    panels["refined in the last step"] = _marked(photo, segmentation.last_refined)
    present = np.unique(np.concatenate([labels.ravel() for labels in maps.values()]))
    return _png(_sheet(panels, _legend(present, classes)))


def _marked(photo: Image.Image, marks: NDArray[np.bool_]) -> Image.Image:
    """The photo in pale grey, with the marked cells of a map of any size on it."""
    pale = photo.convert("L").point(lambda grey: grey // 2 + 100).convert("RGB")
    covered = Image.fromarray(marks.astype(np.uint8) * 255).resize(photo.size, Image.Resampling.BOX)
    # A lone cell of a large map covers little of a panel's pixel; the square root keeps it visible.
    pale.paste(POINT, mask=covered.point(lambda share: round(math.sqrt(255 * share))))
    return pale


def _legend(present: NDArray[np.uint8], classes: DatasetClasses) -> list[Entry]:
    names = len(classes.names)
    entries = [(classes.names[i], tuple(classes.palette[i].tolist())) for i in present if i < names]
    return entries + ([("not labelled", NOT_LABELLED)] if (present >= names).any() else [])


def _sheet(panels: dict[str, Image.Image], legend: list[Entry]) -> Image.Image:
    """Captioned panels in as many rows as they need, and the legend below them."""
    font = ImageFont.load_default(13)
    panel_width, panel_height = next(iter(panels.values())).size
    rows = math.ceil(len(panels) / max(1, SHEET_WIDTH // (panel_width + GAP)))
    columns = math.ceil(len(panels) / rows)
    width = GAP + columns * (panel_width + GAP)
    legend_top = math.ceil(len(panels) / columns) * (CAPTION + panel_height + GAP)
    places, lines = _place(legend, font, width)
    sheet = Image.new("RGB", (width, legend_top + lines * LINE + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    for index, (caption, panel) in enumerate(panels.items()):
        left = GAP + index % columns * (panel_width + GAP)
        top = index // columns * (CAPTION + panel_height + GAP) + CAPTION
        draw.text((left, top - 5), caption, INK, font, anchor="ls")
        sheet.paste(panel, (left, top))
    for (name, fill), (x, line) in zip(legend, places, strict=True):
        y = legend_top + line * LINE
        draw.rectangle((x, y + 3, x + 12, y + 15), fill, INK)
        draw.text((x + 18, y + 14), name, INK, font, anchor="ls")
    return sheet


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


def _png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True)
    return stream.getvalue()
