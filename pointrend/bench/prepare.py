"""Preparing: pictures and masks decoded one after the other, against several at a time and written beside it."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from scipy.io import loadmat, savemat

from pointrend.bench.drawn import KINDS, Kind, draw_mask, draw_picture
from pointrend.bench.figures import FAST, PLAIN, Figure, Finding, Growth
from pointrend.bench.timing import interleaved
from pointrend.datasets.prepare.masks import decode_mask, decode_sbd_mask
from pointrend.datasets.prepare.prepare import fill_split
from pointrend.datasets.prepare.samples import ArchiveSource, EncodedSample
from pointrend.datasets.store import StoreWriter

PICTURES = {"voc": 32, "ade20k": 24, "cityscapes": 6}
MASKS = 50
CORES = (1, 2, 4, 8)


def run() -> list[Finding]:
    """Whole splits of drawn pictures, single masks, and how the rate grows with the cores."""
    masks = _masks("PNG mask of VOC", _palette_png(), _plain_png, decode_mask)
    over_cores = map(_over_cores, KINDS) if hasattr(os, "sched_setaffinity") else ()
    return [*map(_split, KINDS), masks, _sbd(), *over_cores]


class _Encoded(ArchiveSource):
    """Drawn pictures as they would lie in an archive."""

    def __init__(self, kind: Kind) -> None:
        self._samples = [_encode(seed, kind) for seed in range(PICTURES[kind.dataset])]

    def splits(self) -> dict[str, list[str]]:
        return {"train": [sample.id for sample in self._samples]}

    def samples(self, split: str, ids: Sequence[str]) -> Iterator[EncodedSample]:
        return iter(self._samples)


def _encode(seed: int, kind: Kind) -> EncodedSample:
    picture, mask = draw_picture(seed, kind.height, kind.width), draw_mask(seed, kind)
    data = [cv2.imencode(ending, pixels)[1].tobytes() for ending, pixels in ((kind.ending, picture), (".png", mask))]
    return EncodedSample(str(seed), data[0], data[1], decode_mask)


def _split(kind: Kind) -> Figure:
    source = _Encoded(kind)
    ids = source.splits()["train"]

    def plain(writer: StoreWriter) -> None:
        for sample in source.samples("train", ids):
            picture = cv2.imdecode(np.frombuffer(sample.picture, np.uint8), cv2.IMREAD_COLOR)
            mask = np.array(Image.open(io.BytesIO(sample.mask)))
            np.bincount(mask.ravel(), minlength=256)
            writer.add(sample.id, np.asarray(picture, np.uint8), kind.classes.train_ids[mask])

    def fast(writer: StoreWriter) -> None:
        fill_split(writer, source, kind.classes, "train", ids, inspect=False)

    timings = interleaved({PLAIN: lambda: _written(plain), FAST: lambda: _written(fast)})
    return Figure(f"{kind.classes.title}, a split", "picture", len(ids), timings, {"dataset": kind.dataset})


def _over_cores(kind: Kind) -> Growth:
    """The rate on one core, on two and so on, by taking the others away from this process (Linux alone can)."""
    source, rates = _Encoded(kind), dict[int, float]()
    ids, allowed = source.splits()["train"], os.sched_getaffinity(0)

    def fast(writer: StoreWriter) -> None:
        fill_split(writer, source, kind.classes, "train", ids, inspect=False)

    for cores in (count for count in CORES if count <= len(allowed)):
        os.sched_setaffinity(0, sorted(allowed)[:cores])  # threads that are started from here on take it over
        try:
            rates[cores] = len(ids) / interleaved({FAST: lambda: _written(fast)})[FAST].median_s
        finally:
            os.sched_setaffinity(0, allowed)
    return Growth(f"{kind.classes.title} prepared", "pictures a second", "cores", rates)


def _written(fill: Callable[[StoreWriter], None]) -> None:
    with tempfile.TemporaryDirectory(prefix="pointrend-bench-") as folder, StoreWriter(Path(folder), "train") as writer:
        fill(writer)


def _sbd() -> Figure:
    stream = io.BytesIO()
    fields = {"Boundaries": np.eye(20), "Segmentation": draw_mask(0, KINDS[0]), "CategoriesPresent": np.arange(3)}
    savemat(stream, {"GTcls": fields}, do_compression=True)
    return _masks("SBD mask", stream.getvalue(), _plain_sbd, decode_sbd_mask)


def _masks(name: str, data: bytes, plain: Callable[[bytes], object], fast: Callable[[str, bytes], object]) -> Figure:
    candidates = {
        PLAIN: lambda: [plain(data) for _ in range(MASKS)],
        FAST: lambda: [fast("", data) for _ in range(MASKS)],
    }
    return Figure(name, "mask", MASKS, interleaved(candidates))


def _plain_png(data: bytes) -> object:
    return np.array(Image.open(io.BytesIO(data)))


def _plain_sbd(data: bytes) -> object:
    return loadmat(io.BytesIO(data))["GTcls"]["Segmentation"].item()


def _palette_png() -> bytes:
    image = Image.fromarray(draw_mask(0, KINDS[0]), mode="L")
    image.putpalette(KINDS[0].classes.palette.tobytes())
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
