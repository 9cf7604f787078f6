"""A training small enough for tests: 12 small images, a thin network, 6 iterations."""

from pathlib import Path
from typing import Any

import numpy as np

from pointrend.checkout.code_digest import code_digest
from pointrend.datasets.store import RAW, Store, StoreWriter
from pointrend.files import sha256_file, sha256_json, write_json
from pointrend.settings.params import RunSetting, load_params

ROOT = Path(__file__).parents[1]
DATASETS = ("voc", "ade20k", "cityscapes")
TINY = (
    *("crop_size=[32, 32]", "base_size=[160, 40]", "batch_size=4", "epochs=2", "warmup_iterations=2"),
    *("width=4", "fpn_channels=8", "scale_channels=8", "point_channels=8"),
    *("train_points=64", "subdivision_points=128", "log_every=1", "checkpoint_minutes=0"),
)
ITERATIONS = 6


def tiny_setting(*more: str) -> RunSetting:
    """voc_r50 of the demo with everything small; ``more`` are further KEY=VALUE overrides."""
    return load_params(ROOT / "params.yaml").at_scale("demo").setting("voc_r50", (*TINY, *more))


def write_tiny_store(folder: Path, pictures: int = 12, form: str = RAW) -> Path:
    """Write a store of coloured blocks in both splits and return its folder."""
    rng = np.random.default_rng(3)
    for split in ("train", "val"):
        with StoreWriter(folder, split, form) as writer:
            for index in range(pictures):
                label = np.kron(rng.integers(0, 21, (4, 5), np.uint8), np.ones((10, 10), np.uint8))
                image = np.stack([label * 11, label * 29, label * 53], axis=-1)  # uint8 wraps around
                label[:2] = 255
                writer.add(f"{split}_{index:03d}", image, label)
    return folder


def write_tiny_data(folder: Path, form: str = RAW) -> Path:
    """Write a tiny store and its manifest, as of VOC prepared at scale demo; return its folder."""
    official = load_params(ROOT / "params.yaml").scales["demo"].images
    paths = sorted(write_tiny_store(folder, form=form).iterdir())
    files = {path.name: {"bytes": path.stat().st_size, "sha256": sha256_file(path)} for path in paths}
    counts = {}
    for split in ("train", "val"):
        ids = Store(folder, split).ids
        images = {"found": len(ids), "kept": len(ids), "official": getattr(official, split)}
        counts[split] = {**images, "ids_sha256": sha256_json(ids)}
    manifest = {"dataset": "voc", "pins": "demo", "archives": {}, "code_sha256": code_digest("prepare", "voc")}
    content = sha256_json({name: record["sha256"] for name, record in files.items()})
    write_json(folder / "manifest.json", {**manifest, "files": files, "content": content, "counts": counts})
    return folder


def put(values: Any, path: str, value: Any) -> None:
    """Set a value in nested mappings and lists; the path is dotted, or written with slashes where keys have dots."""
    *parents, last = path.split("/" if "/" in path else ".")
    for key in parents:
        values = values[int(key) if isinstance(values, list) else key]
    values[int(last) if isinstance(values, list) else last] = value
