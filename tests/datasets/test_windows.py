"""The quick way to a training sample against the published steps: draws, crops, labels equal, greys nearly so."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pointrend.datasets.classes import IGNORE
from pointrend.datasets.windows import WindowTransform, gather_turned, nearest, resized_window
from pointrend.training.normalization import normalize_batch
from pointrend.training.transforms import TrainTransform, normalize, resize_shape
from tests.training.test_transforms import CASES, SIZES, RecordedDraws, picture_and_label

SHARE_DIFFERENT = 0.01
"""Of the grey levels before the colours change, over a few crops: they differ by 1, never by more."""
SHARE_FAR = 0.0025
"""Of the grey levels after the colours changed, over a few crops: they differ by more than 2, as hue magnifies."""
SHARE_FAR_IN_ONE = 0.01
"""The same in any one crop."""

TRAIN_PIPELINES = [case for case in CASES["pipelines"] if case["split"] == "train"]


def differences(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    assert one.shape == other.shape
    return np.abs(one.astype(np.int16) - other)


def noise(seed: int, height: int, width: int) -> np.ndarray:
    """Black and white pixels: the steepest picture there is."""
    return np.random.default_rng(seed).choice(np.array([0, 255], np.uint8), (height, width, 3))


def photo(seed: int, height: int, width: int) -> np.ndarray:
    """Smooth colours with a little grain."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (height // 16 + 1, width // 16 + 1, 3)).astype(np.float32)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return (smooth + random.normal(0, 4, smooth.shape)).clip(0, 255).astype(np.uint8)


def blocks(seed: int, height: int, width: int, values: list[int]) -> np.ndarray:
    random = np.random.default_rng(seed)
    coarse = random.choice(np.array(values, np.uint8), (height // 9 + 1, width // 9 + 1))
    return np.ascontiguousarray(np.kron(coarse, np.ones((9, 9), np.uint8))[:height, :width])


def both(
    picture: np.ndarray, label: np.ndarray, base: tuple[int, int], crop: tuple[int, int], seed: int, scale: float
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """What both ways crop; they must draw the same."""
    draws = RecordedDraws(seed), RecordedDraws(seed)
    exact = TrainTransform(base, crop).resize_and_crop(picture, label, scale, draws[0])
    fast = WindowTransform(base, crop).resize_and_crop(picture, label, scale, draws[1])
    assert draws[0].list == draws[1].list
    return exact, fast


@settings(deadline=None, max_examples=300)
@given(
    height=st.integers(4, 160),
    width=st.integers(4, 160),
    base=st.sampled_from([(128, 32), (256, 64), (160, 160), (64, 48)]),
    crop=st.tuples(st.integers(4, 90), st.integers(4, 90)),
    scale=st.floats(0.5, 2.0),
    values=st.sampled_from([[0, 7, 20, IGNORE], [0, 0, 0, 0, 0, 3], [IGNORE] * 9 + [5], [IGNORE], [2]]),
    seed=st.integers(0, 2**32 - 1),
)
@example(height=5, width=78, base=(160, 160), crop=(4, 4), scale=0.5, values=[0, 7], seed=1)  # rounds to its own size
def test_crops_and_labels_are_those_of_the_published_steps(
    height: int,
    width: int,
    base: tuple[int, int],
    crop: tuple[int, int],
    scale: float,
    values: list[int],
    seed: int,
) -> None:
    picture, label = noise(seed, height, width), blocks(seed, height, width, values)
    for array in (picture, label):
        array.setflags(write=False)  # as the store gives them
    exact, fast = both(picture, label, base, crop, seed, scale)
    np.testing.assert_array_equal(fast[1], exact[1])
    assert differences(fast[0], exact[0]).max() <= 1


@pytest.mark.parametrize("case", TRAIN_PIPELINES, ids=lambda case: str(case["index"]))
def test_the_golden_draws_give_the_golden_labels(case: dict[str, Any]) -> None:
    base, crop = SIZES[case["config"]]
    picture, label = picture_and_label(case["picture"])
    draws = RecordedDraws(case["np_random_seed"]), RecordedDraws(case["np_random_seed"])
    exact = TrainTransform(base, crop)(picture, label, draws[0])
    fast = WindowTransform(base, crop)(picture, label, draws[1])
    assert draws[1].list == draws[0].list
    assert fast.inside == exact.inside
    np.testing.assert_array_equal(fast.label, exact.label)
    assert (differences(fast.picture, exact.picture) > 2).mean() <= SHARE_FAR_IN_ONE


@pytest.mark.parametrize(
    ("size", "base", "crop"),
    [
        ((375, 500), (2048, 512), (512, 512)),
        ((512, 683), (2048, 512), (512, 512)),
        ((1024, 2048), (2048, 1024), (512, 1024)),
    ],
    ids=["voc", "ade20k", "cityscapes"],
)
def test_few_grey_levels_differ_and_by_little(
    size: tuple[int, int], base: tuple[int, int], crop: tuple[int, int]
) -> None:
    picture, label = photo(1, *size), blocks(1, *size, [0, 1, 2])
    before, after = [], []
    for seed in range(12):
        exact, fast = both(picture, label, base, crop, seed, 0.5 + 0.125 * seed)
        np.testing.assert_array_equal(fast[1], exact[1])
        before.append(differences(fast[0], exact[0]))
        exact, fast = (
            way(base, crop)(picture, label, RecordedDraws(seed)) for way in (TrainTransform, WindowTransform)
        )
        after.append(differences(fast.picture, exact.picture))
    assert max(found.max() for found in before) <= 1
    assert np.mean([found.mean() for found in before]) <= SHARE_DIFFERENT
    assert np.mean([(found > 2).mean() for found in after]) <= SHARE_FAR


def test_black_beside_white_moves_by_one_level_at_most() -> None:
    picture = noise(4, 300, 700)
    for scale in (0.5, 0.93, 1.37, 1.999):
        shape = resize_shape(300, 700, 700, 300, scale)
        whole = cv2.resize(picture, shape[::-1], interpolation=cv2.INTER_LINEAR)
        for start in range(0, shape[0] - 64, 37):
            window = slice(start, start + 64), slice(2 * start, 2 * start + 64)
            assert differences(resized_window(picture, shape, window), whole[window]).max() <= 1


@settings(deadline=None, max_examples=100)
@given(length=st.integers(1, 400), resized=st.integers(1, 900))
def test_nearest_is_opencvs_rule(length: int, resized: int) -> None:
    values = np.random.default_rng(length).integers(0, 256, (length, 1), np.uint8)
    expected = cv2.resize(values, (1, resized), interpolation=cv2.INTER_NEAREST)
    np.testing.assert_array_equal(values[nearest(length, resized)], expected)


def test_gathering_is_indexing() -> None:
    label = blocks(0, 20, 30, [1, 2, 3])
    rows, columns = np.array([3, 3, 4, 9]), np.array([5, 6, 6, 6, 29])
    np.testing.assert_array_equal(gather_turned(label, rows, columns), label[rows][:, columns].T)


def test_a_batch_is_normalised_as_single_pictures_are() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), np.uint8)
    images = normalize_batch(torch.from_numpy(pictures[..., ::-1].copy()), torch.tensor([[0, 0, 5, 7], [1, 2, 4, 6]]))
    assert images.dtype == torch.float32
    assert images.is_contiguous(memory_format=torch.channels_last)
    first, second = (normalize(picture).transpose(2, 0, 1) for picture in pictures)
    np.testing.assert_array_equal(images[0].numpy(), first)
    outside = np.ones((5, 7), np.bool_)
    outside[1:4, 2:6] = False
    second[:, outside] = 0
    np.testing.assert_array_equal(images[1].numpy(), second)
