"""Photo-like images and masks of the datasets' usual sizes, for benchmarks that need no data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from pointrend.datasets.classes import DatasetClasses
from pointrend.datasets.registry import classes_of
from pointrend.datasets.store import Bytes, Store, StoreWriter

GRAIN = 5.0  # noise of a camera, in grey levels, which gives JPEG and PNG files of a usual size


@dataclass(frozen=True)
class Kind:
    """A dataset's usual image: its size in pixels, its file's ending, and the recipe's sizes."""

    dataset: str
    height: int
    width: int
    ending: str
    base_size: tuple[int, int]
    crop_size: tuple[int, int]
    images: int  # to be drawn

    @property
    def classes(self) -> DatasetClasses:
        return classes_of(self.dataset)


KINDS = (
    Kind("voc", 375, 500, ".jpg", (2048, 512), (512, 512), 12),
    Kind("ade20k", 512, 683, ".jpg", (2048, 512), (512, 512), 12),
    Kind("cityscapes", 1024, 2048, ".png", (2048, 1024), (512, 1024), 4),
)


class EndlessStore(Store):
    """A store whose images come again and again."""

    def picture(self, index: int) -> Bytes:
        return super().picture(index % len(self.ids))

    def label(self, index: int) -> Bytes:
        return super().label(index % len(self.ids))


@contextmanager
def drawn(kind: Kind) -> Iterator[tuple[list[tuple[Path, Path]], EndlessStore]]:
    """Files of images and masks, and the same in prepared form, in a folder that is removed in the end."""
    with TemporaryDirectory(prefix="pointrend-bench-") as name:
        folder = Path(name)
        files = []
        with StoreWriter(folder, "train") as writer:
            for index in range(kind.images):
                picture, mask = draw_picture(index, kind.height, kind.width), draw_mask(index, kind)
                files.append((folder / f"{index}{kind.ending}", folder / f"{index}_mask.png"))
                for path, pixels in zip(files[-1], (picture, mask), strict=True):
                    cv2.imwrite(str(path), pixels)
                writer.add(str(index), picture, kind.classes.train_ids[mask])
        yield files, EndlessStore(folder, "train")


def draw_picture(seed: int, height: int, width: int) -> Bytes:
    """Smooth colours with grain, uint8 (height, width, 3)."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (height // 32 + 2, width // 32 + 2, 3)).astype(np.float32)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return (smooth + random.normal(0, GRAIN, smooth.shape)).clip(0, 255).astype(np.uint8)


def draw_mask(seed: int, kind: Kind) -> Bytes:
    """Raw label values: one class over most of it, as background or road, and a dozen ellipses of others."""
    random = np.random.default_rng(seed)
    values = np.flatnonzero(kind.classes.train_ids < len(kind.classes.names))
    mask = np.full((kind.height, kind.width), values[0], dtype=np.uint8)
    for value in random.choice(values, 12).tolist():
        centre = random.integers(0, (kind.width, kind.height)).tolist()
        axes = random.integers(kind.height // 20, kind.height // 5, 2).tolist()
        cv2.ellipse(mask, centre, axes, int(random.integers(180)), 0, 360, value, cv2.FILLED)
    return mask
