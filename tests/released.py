"""Small inputs for scoring released weights: VOC's two archives with a few images, and a checkpoint on offer."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray

from pointrend.cli import main
from pointrend.files import sha256_file, write_json
from pointrend.model.pointrend import Architecture, PointRend
from pointrend.model.weights import to_upstream
from tests.datasets.layouts import SBD, VOC, Members, encoded, pixels, values, write_archives
from tests.mirrors import read_mirrors, set_urls

ROOT = Path(__file__).parents[1]
FIRST_NAME = "pointrend_resnet50os8_voc_train.pth"
SECOND_NAME = "pointrend_resnet50os32_voc.pth"
Masks = dict[str, NDArray[np.uint8]]
THIN = {"width": 4, "fpn_channels": 8, "scale_channels": 8, "point_channels": 8, "base_size": [64, 32]}


def noise_masks(count: int = 3) -> Masks:
    return {f"val{number}": values(number, [0, 1, 20, 255], 18, 24) for number in range(count)}


def offer_voc(folder: Path, masks: Masks, params: dict[str, Any], checkout: Path = Path()) -> None:
    """Write VOC with these val masks into ``folder``; let ``params`` and the checkout take it for the official one."""
    lists = f"{VOC}ImageSets/Segmentation/"
    voc: Members = {f"{lists}train.txt": b"a", f"{lists}val.txt": "\n".join(masks).encode()}
    for seed, (name, mask) in enumerate({"a": values(9, [0, 1]), **masks}.items()):
        voc[f"{VOC}JPEGImages/{name}.jpg"] = encoded(pixels(seed, *mask.shape), "JPEG")
        voc[f"{VOC}SegmentationClass/{name}.png"] = encoded(mask, mode="P")
    sbd = {f"{SBD}train.txt": b"a\n", f"{SBD}val.txt": b""}
    paths = write_archives(folder, {"VOCtrainval_11-May-2012.tar": voc, "benchmark.tgz": sbd})
    images = {"train": 1, "val": len(masks)}
    digests = {name: {"sha256": sha256_file(path)} for name, path in paths.items()}
    archives = [{"name": name, **digest} for name, digest in digests.items()]
    params["datasets"]["voc"] |= {"images": images, "archives": archives}
    path = checkout / "published/definition.json"
    assert not path.resolve().is_relative_to(ROOT), "the project's own definition is no file of tests"
    definition = json.loads(path.read_text())
    definition["datasets"]["voc"] |= {"images": images, "archives": digests}
    write_json(path, definition)


def offer_weights(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint as SSSegmentation's trainer does, with an optimiser's state that is ignored."""
    torch.save({"epoch": 60, "model": dict(state), "optimizer": {"state": {}, "param_groups": [{"lr": 1e-4}]}}, path)


def thin_state(num_classes: int = 21, depth: int = 50) -> dict[str, Any]:
    """Random weights of a network of the sizes THIN, under SSSegmentation's names."""
    torch.manual_seed(1)
    sizes = {key: size for key, size in THIN.items() if key != "base_size"}
    return to_upstream(PointRend(Architecture(num_classes, depth, **sizes)).state_dict())


def serve_from(url: str, checkout: Path = Path()) -> None:
    """Let every file come from ``url``, under each name that it was ever offered by."""
    for name, mirrors in read_mirrors(checkout).items():
        names = [address.rpartition("/")[2] for address in mirrors["urls"]] or [name]
        set_urls({name: [f"{url}/{offered}" for offered in dict.fromkeys(names)]}, checkout)


def read_params() -> dict[str, Any]:
    return yaml.safe_load(Path("params.yaml").read_text())


def write_params(params: dict[str, Any]) -> None:
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def paper(words: str) -> int:
    return main(["--scale", "paper", *words.split()])


def prepare(offered: Path, masks: Masks, **recipe: Any) -> None:
    """Fetch and prepare a VOC with these val masks; ``recipe`` overrides the published one for voc_r50."""
    params = read_params()
    offer_voc(offered, masks, params)
    params["runs"]["voc_r50"] |= recipe
    write_params(params)
    assert paper("fetch voc") == paper("prepare voc") == 0
