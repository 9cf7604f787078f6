"""The drawn scenes: the same everywhere, learnable, balanced, and worth refining."""

import hashlib

import numpy as np
import pytest

from pointrend.archives.demo.scenes import Scene, draw_scene

WIDTHS = {"voc": 160, "ade20k": 160, "cityscapes": 256}
IGNORED = {"voc": {255}, "ade20k": {0}, "cityscapes": {1, 4}}
DIGESTS = {"voc": "d086f6630b25f49a", "ade20k": "9d4c25caed6aa9ee", "cityscapes": "00039e0b54adccd6"}
ALL_DIGESTS = {"voc": "4500f6386537bc28", "ade20k": "59bb45d1400a1736", "cityscapes": "4f5e48f44203301d"}


@pytest.fixture(scope="module", params=WIDTHS)
def val_scenes(request):
    dataset = request.param
    return dataset, [draw_scene(dataset, "val", index, 128, WIDTHS[dataset]) for index in range(24)]


def pixels_per_class(dataset: str, scenes: list[Scene]) -> dict[int, int]:
    counts = np.bincount(np.concatenate([scene.label.ravel() for scene in scenes]))
    return {int(label): int(counts[label]) for label in np.flatnonzero(counts) if label not in IGNORED[dataset]}


@pytest.mark.parametrize("dataset", WIDTHS)
def test_scenes_have_the_same_pixels_on_every_machine(dataset):
    digests = []
    for index in range(6):  # which show every shape and texture
        scene = draw_scene(dataset, "train", index, 48, 64)
        parts = scene.picture.tobytes() + scene.label.tobytes() + scene.layer.tobytes()
        digests.append(hashlib.sha256(parts).hexdigest())
    assert digests[5][:16] == DIGESTS[dataset]
    assert hashlib.sha256("".join(digests).encode()).hexdigest()[:16] == ALL_DIGESTS[dataset]


def test_scene_is_bgr():
    sky = draw_scene("cityscapes", "train", 0, 64, 128)
    blue, _, red = sky.picture[sky.label == 23].mean(axis=0)
    assert blue > red + 20


def test_scenes_differ():
    places = [(dataset, split, index) for dataset in WIDTHS for split in ("train", "val", "test") for index in range(4)]
    assert len({draw_scene(*place, 32, 40).picture.tobytes() for place in places}) == len(places)


def test_at_least_eight_classes_and_no_constant_answer_pays(val_scenes):
    dataset, scenes = val_scenes
    pixels = pixels_per_class(dataset, scenes)
    assert len(pixels) >= 8
    best_constant = 100 * max(pixels.values()) / sum(pixels.values()) / len(pixels)
    assert best_constant <= 15
    assert min(pixels.values()) > 0.01 * sum(pixels.values()), "a class too rare to be learnt"
