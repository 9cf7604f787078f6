"""From verified archives to the prepared form with its ``manifest.json``, and a description of that form."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median_low
from typing import Any

import numpy as np
from tqdm import tqdm

from pointrend.datasets.classes import IGNORE, DatasetClasses
from pointrend.datasets.prepare.masks import FETCH_AGAIN
from pointrend.datasets.prepare.samples import ArchiveSource, Sample, decode_samples, prefetched
from pointrend.datasets.registry import classes_of, source_of
from pointrend.datasets.store import PREPARE_AGAIN, RAW, Store, StoreWriter
from pointrend.errors import DatasetError
from pointrend.files import read_json, sha256_json, write_json
from pointrend.logs import hides_bars

MANIFEST = "manifest.json"
# Images between two lines of progress, and decoded images that wait to be written.
IMAGES_PER_LINE = 1000
WAITING = 4

log = logging.getLogger(__name__)


def prepare_dataset(
    name: str,
    archives: Mapping[str, Path],
    archive_records: Mapping[str, Mapping[str, Any]],
    out: Path,
    expected: Mapping[str, int] | None,
    enforce: bool,
    limit: int | None,
    pins: str,
    form: str = RAW,
    code_sha256: str = "",
    inspect: bool = True,
) -> dict[str, Any]:
    """Write the prepared form of dataset ``name`` to the folder ``out`` and return its manifest.

    ``archives`` are paths and ``archive_records`` sizes and checksums, both by official file name. ``expected`` are the
    numbers of images per split. They are compared with all that the archives hold, before ``limit`` keeps the first
    ones of each split; a difference is an error with ``enforce`` and a warning without. ``pins`` names the checksums
    that the archives were verified against, ``code_sha256`` is the digest of the code that prepares, and ``inspect``
    checks files that can be decoded for damage. ``content`` in the manifest is the same for either ``form`` of the
    store.

    The manifest is written last and has no time and no path: the same archives give the same bytes. Raises
    DatasetError for whatever is wrong in the archives.
    """
    classes = classes_of(name)
    with source_of(name)(archives) as source:
        found = source.splits()
        ids = {split: found[split][:limit] for split in found}
        counts = {
            split: {
                "found": len(found[split]),
                "official": (expected or {}).get(split),
                "kept": len(ids[split]),
                "ids_sha256": sha256_json(ids[split]),
            }
            for split in ids
        }
        _check_counts(classes.title, counts, enforce)
        with ExitStack() as stack:
            writers = {split: stack.enter_context(StoreWriter(out, split, form)) for split in ids}
            splits = {split: fill_split(writers[split], source, classes, split, ids[split], inspect) for split in ids}
            # From here on old files may be replaced, so the old manifest no longer describes them.
            (out / MANIFEST).unlink(missing_ok=True)
    files = {file: record for writer in writers.values() for file, record in writer.files.items()}
    manifest = {
        "dataset": name,
        "pins": pins,
        "classes": list(classes.names),
        "archives": {
            archive: {kind: archive_records[archive][kind] for kind in ("bytes", "md5", "sha256")}
            for archive in source.archive_names
        },
        "counts": counts,
        "files": files,
        "splits": splits,
        "content": sha256_json({file: record.get("raw_sha256", record["sha256"]) for file, record in files.items()}),
        "form": form,
        "code_sha256": code_sha256,
    }
    if source.label_source is not None:
        manifest["label_source"] = source.label_source
    write_json(out / MANIFEST, manifest)
    return manifest


def fill_split(
    writer: StoreWriter, source: ArchiveSource, classes: DatasetClasses, split: str, ids: Sequence[str], inspect: bool
) -> dict[str, Any]:
    """Write the samples of a split; return how many images and how many pixels of each train id they are."""

    def write(sample: Sample) -> Sample:
        writer.add(sample.id, sample.image, sample.label)
        return sample

    pixels = np.zeros(256, dtype=np.int64)
    what, started, written = f"{classes.title} {split}", time.monotonic(), 0
    # One thread hashes and writes, in order, while this one reads the archives and the others decode.
    decoded = decode_samples(source.samples(split, ids), classes, inspect)
    with (
        closing(prefetched(write, decoded, ahead=WAITING)) as samples,
        tqdm(samples, what, len(ids), unit="image", disable=hides_bars()) as bar,
    ):
        for done, sample in enumerate(bar, start=1):
            pixels += sample.pixels
            written += sample.image.nbytes + sample.label.nbytes
            if done % IMAGES_PER_LINE == 0 or done == len(ids):
                rate = written / 1e6 / (time.monotonic() - started)
                log.info("%s: %d of %d images, %.0f MB/s of pixels", what, done, len(ids), rate)
    by_class = {str(train_id): int(pixels[train_id]) for train_id in range(len(classes.names))}
    return {"images": len(ids), "pixels": {**by_class, "ignore": int(pixels[IGNORE])}}


def _check_counts(title: str, counts: Mapping[str, Mapping[str, Any]], enforce: bool) -> None:
    for split, count in counts.items():
        found, official = count["found"], count["official"]
        if not found:
            raise DatasetError(f"{title}: the archives hold no image of {split}", FETCH_AGAIN)
        if official in (None, found):
            continue
        what = f"{title}: {split} has {found} images, not the official {official}"
        if enforce:
            raise DatasetError(what, FETCH_AGAIN)
        log.warning("%s", what)


def describe(folder: Path) -> dict[str, Any]:
    """What a prepared dataset holds: per split the images, the pixels per train id, and the sizes of the images.

    Raises DatasetError if the prepared form is missing or incomplete.
    """
    manifest = read_json(folder / MANIFEST, DatasetError, PREPARE_AGAIN)
    splits = {}
    for split, found in manifest["splits"].items():
        sides = zip(("height", "width"), zip(*Store(folder, split).sizes, strict=True), strict=True)
        spread = {side: {"min": min(of), "median": median_low(of), "max": max(of)} for side, of in sides}
        splits[split] = {**found, **spread}
    return {"dataset": manifest["dataset"], "pins": manifest["pins"], "splits": splits}
