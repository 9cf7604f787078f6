"""The transforms against the golden numbers (transforms.npz, transforms.json) and a few properties."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pointrend.datasets.classes import IGNORE
from pointrend.datasets.registry import classes_of
from pointrend.training.normalization import normalize_batch
from pointrend.training.transforms import (
    TestTransform,
    TrainPixels,
    TrainTransform,
    Window,
    choose_crop,
    normalize,
    pad_to,
    photometric_distortion,
    random_crop,
    random_flip,
    resize,
    resize_shape,
)
from tests.tiny import DATASETS

GOLDEN = Path(__file__).parents[1] / "golden"
CASES: dict[str, Any] = json.loads((GOLDEN / "transforms.json").read_text())
ARRAYS = dict(np.load(GOLDEN / "transforms.npz"))

SIZES = {  # base (long, short) and crop (height, width) by the configuration that made the golden pipelines
    "DATASET_CFG_VOCAUG_512x512": ((2048, 512), (512, 512)),
    "DATASET_CFG_ADE20k_512x512": ((2048, 512), (512, 512)),
    "DATASET_CFG_CITYSCAPES_512x1024": ((2048, 1024), (512, 1024)),
}


class RecordedDraws:
    """numpy's legacy random numbers, and a list of what was drawn in the form of the golden lists."""

    def __init__(self, seed: int) -> None:
        self.state = np.random.RandomState(seed)
        self.list: list[list[Any]] = []

    def random_sample(self) -> float:
        return self._note("random_sample", [], self.state.random_sample())

    def randint(self, low: int, high: int | None = None) -> int:
        return self._note("randint", [low] if high is None else [low, high], int(self.state.randint(low, high)))

    def uniform(self, low: float, high: float) -> float:
        return self._note("uniform", [low, high], self.state.uniform(low, high))

    def _note(self, name: str, arguments: list[float], value: Any) -> Any:
        self.list.append([name, arguments, value])
        return value


class FixedDraw:
    """One value of ``random_sample``, for cases on a boundary."""

    def __init__(self, value: float) -> None:
        self.random_sample = lambda: value


def picture_and_label(name: str) -> tuple[np.ndarray, np.ndarray]:
    """A golden picture and its label, in our convention: uint8, 255 ignored."""
    source = "land" if name in ("allignore", "oneclass") else name
    picture = ARRAYS[f"pic_{source}_image_bgr"]
    label = np.where(ARRAYS[f"pic_{source}_label"] == -100, IGNORE, ARRAYS[f"pic_{source}_label"]).astype(np.uint8)
    if name == "allignore":
        label[:] = IGNORE
    if name == "oneclass":
        label[label != IGNORE] = 2
    return picture, label


def golden_label(label: np.ndarray) -> np.ndarray:
    """One of our labels in the golden convention: int16, -100 ignored."""
    return np.where(label == IGNORE, -100, label.astype(np.int16)).astype(np.int16)


def normalized(pixels: TrainPixels) -> np.ndarray:
    """What the network sees of one sample: float32 (3, H, W), RGB."""
    return normalize_batch(torch.from_numpy(pixels.picture[None]), torch.tensor([pixels.inside]))[0].numpy()


def sha256(array: np.ndarray) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()


def test_resize_shape_is_the_golden_table() -> None:
    for base_long, base_short, height, width, train, u, *expected in ARRAYS["resize_table"]:
        scale = 0.5 + 1.5 * u if train else 1.0
        assert resize_shape(int(height), int(width), int(base_long), int(base_short), scale) == tuple(expected)


@pytest.mark.parametrize(
    "case", sorted(name[:-2] for name in ARRAYS if name.startswith("resize_") and name[-2:] == "_u")
)
def test_resize_gives_the_golden_pixels(case: str) -> None:
    picture, label = picture_and_label(case.split("_")[1])
    picture, label = resize(picture, label, (256, 64), 0.5 + 1.5 * float(ARRAYS[f"{case}_u"]))
    np.testing.assert_array_equal(picture, ARRAYS[f"{case}_image"])
    np.testing.assert_array_equal(golden_label(label), ARRAYS[f"{case}_label"])


@pytest.mark.parametrize("case", CASES["random_crop"], ids=lambda case: f"{case['picture']}-{case['np_random_seed']}")
def test_random_crop_is_the_golden_one(case: dict[str, Any]) -> None:
    picture, label = picture_and_label(case["picture"])
    draws = RecordedDraws(case["np_random_seed"])
    cropped_picture, cropped_label = random_crop(picture, label, tuple(case["crop_size"]), 0.75, draws)
    drawn = [value for _, _, value in draws.list]
    assert list(map(list, zip(drawn[::2], drawn[1::2], strict=True))) == case["draws_top_left"]
    assert len(drawn) == 2 * case["tries"]
    as_cropped = np.minimum(case["crop_size"], label.shape)
    assert (cropped_label.shape != tuple(as_cropped)) == case["returned_uncropped"]
    assert list(cropped_label.shape) == case["returned_shape"]
    assert sha256(cropped_picture) == case["image_sha256"]
    assert sha256(golden_label(cropped_label)) == case["label_int16_sha256"]


def test_a_crop_with_exactly_the_largest_share_is_not_accepted() -> None:
    label = np.array([[0, 0, 0, 1]], dtype=np.uint8)
    draws = RecordedDraws(0)
    random_crop(np.zeros((1, 4, 3), np.uint8), label, (1, 4), 0.75, draws)
    assert len(draws.list) == 20


@pytest.mark.parametrize("case", CASES["random_flip"], ids=lambda case: f"u={case['u']}")
def test_random_flip_is_the_golden_one(case: dict[str, Any]) -> None:
    picture, label = picture_and_label("land")
    draws: Any = FixedDraw(case["u"]) if "note" in case else RecordedDraws(case["np_random_seed"])
    flipped_picture, flipped_label = random_flip(picture, label, draws)
    step = -1 if case["flipped"] else 1
    np.testing.assert_array_equal(flipped_picture, picture[:, ::step])
    np.testing.assert_array_equal(flipped_label, label[:, ::step])


def test_the_golden_photometric_cases_are_all_branches() -> None:
    switches = ("brightness_on", "mode", "contrast_on", "saturation_on", "hue_on")
    assert len({tuple(case[switch] for switch in switches) for case in CASES["photometric"]}) == 32


@pytest.mark.parametrize("case", CASES["photometric"], ids=lambda case: str(case["index"]))
def test_photometric_distortion_is_the_golden_one(case: dict[str, Any]) -> None:
    draws = RecordedDraws(case["np_random_seed"])
    distorted = photometric_distortion(ARRAYS["pmd_input_bgr"], draws)
    np.testing.assert_array_equal(distorted, ARRAYS[f"pmd_{case['index']}_output_bgr"])
    amounts = [value for _, arguments, value in draws.list if arguments != [2]]
    in_order = ["brightness_delta", "contrast_alpha", "saturation_alpha", "hue_delta"]
    if case["mode"] == 0:
        in_order = ["brightness_delta", "saturation_alpha", "hue_delta", "contrast_alpha"]
    assert amounts == [case[name] for name in in_order if name in case]


def test_normalize_gives_the_golden_values() -> None:
    image = normalize(ARRAYS["pmd_input_bgr"])
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, ARRAYS["normalize_output_hwc_rgb"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("case", CASES["padding"], ids=lambda case: str(case["index"]))
def test_pad_to_gives_the_golden_margins(case: dict[str, Any]) -> None:
    height, width = case["in_hw"]
    image = (np.arange(3 * height * width, dtype=np.uint8) + 1).reshape(3, height, width).transpose(1, 2, 0)
    label = np.arange(height * width, dtype=np.uint8).reshape(height, width)
    padded = pad_to(image, label, tuple(case["output_size"]))
    assert list(padded.label.shape) == case["out_hw"]
    np.testing.assert_array_equal(padded.picture[..., ::-1].transpose(2, 0, 1), ARRAYS[f"pad_{case['index']}_image"])
    np.testing.assert_array_equal(golden_label(padded.label), ARRAYS[f"pad_{case['index']}_label"])
    outside = np.ones(padded.label.shape, np.bool_)
    top, left, bottom, right = padded.inside
    outside[top:bottom, left:right] = False
    np.testing.assert_array_equal(outside, (padded.picture == 0).all(-1))


@pytest.mark.parametrize("case", CASES["pipelines"], ids=lambda case: f"{case['index']}-{case['split']}")
def test_the_whole_path_is_the_golden_one(case: dict[str, Any]) -> None:
    base_size, crop_size = SIZES[case["config"]]
    picture, label = picture_and_label(case["picture"])
    if case["split"] == "test":
        image = TestTransform(base_size)(picture)
        assert image.flags.c_contiguous
    else:
        draws = RecordedDraws(case["np_random_seed"])
        pixels = TrainTransform(base_size, crop_size)(picture, label, draws)
        image, label = normalized(pixels), pixels.label
        # The one draw of the flip is made by another function of the same stream in the golden lists.
        assert draws.list == [["random_sample" if name == "rand" else name, *rest] for name, *rest in case["draws"]]
        assert sha256(golden_label(label)) == case["label_int16_sha256"]
        np.testing.assert_array_equal(golden_label(label)[::8, ::8], ARRAYS[f"pipe_{case['index']}_label_sub"])
    assert image.dtype == np.float32
    assert list(image.shape) == case["shape"]
    np.testing.assert_allclose(image[:, ::16, ::16], ARRAYS[f"pipe_{case['index']}_image_sub"], rtol=0, atol=2e-6)
    assert image.mean(dtype=np.float64) == pytest.approx(case["image_mean"], abs=1e-5)
    assert np.abs(image).mean(dtype=np.float64) == pytest.approx(case["image_absmean"], abs=1e-5)


@pytest.mark.parametrize("dataset", DATASETS)
def test_raw_labels_become_the_golden_train_labels(dataset: str) -> None:
    classes = classes_of(dataset)
    golden = CASES["raw_label_to_train_label"][dataset]
    ours = ["error" if classes.forbidden[raw] else int(golden_label(classes.train_ids[raw])) for raw in range(256)]
    assert ours == golden


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_class_has_a_name_a_colour_and_a_label_value(dataset: str) -> None:
    classes = classes_of(dataset)
    assert len(set(classes.names)) == len(classes.names) == len(classes.palette)
    assert sorted({*classes.train_ids.tolist()} - {IGNORE}) == list(range(len(classes.names)))
    assert (classes.palette.dtype, classes.palette.shape[1]) == (np.uint8, 3)
    assert (classes.train_ids[classes.forbidden] == IGNORE).all()


@settings(deadline=None, max_examples=60)
@given(
    height=st.integers(8, 90),
    width=st.integers(8, 90),
    crop=st.tuples(st.integers(8, 48), st.integers(8, 48)),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_training_sample_has_the_crop_size_and_known_labels(
    height: int, width: int, crop: tuple[int, int], seed: int
) -> None:
    random = np.random.RandomState(seed)
    picture = random.randint(0, 256, (height, width, 3)).astype(np.uint8)
    label = random.choice(np.array([0, 7, 20, IGNORE], dtype=np.uint8), (height, width))
    for array in (picture, label):
        array.setflags(write=False)  # as the store gives them
    train_picture, train_label, _ = TrainTransform((128, 32), crop)(picture, label, random)
    assert train_picture.shape == (*train_label.shape, 3)
    assert train_label.shape in (crop, crop[::-1])
    assert (train_picture.dtype, train_label.dtype) == (np.uint8, np.uint8)
    assert set(np.unique(train_label)) <= {0, 7, 20, IGNORE}


@settings(deadline=None, max_examples=200)
@given(st.integers(30, 5000), st.integers(30, 5000), st.floats(0.5, 2.0))
def test_a_resized_picture_fits_its_base_size_and_touches_it(height: int, width: int, scale: float) -> None:
    sides = resize_shape(height, width, 2048, 512, scale)
    longest, shortest = int(2048 * scale), int(512 * scale)
    assert max(sides) <= longest
    assert min(sides) <= shortest
    assert max(sides) == longest or min(sides) == shortest
    assert resize_shape(width, height, 2048, 512, scale) == sides[::-1]


@pytest.mark.parametrize("share", [0.2, 0.34, 0.75, 1.0])
def test_a_crop_is_mixed_where_counting_every_class_says_so(share: float) -> None:
    random = np.random.default_rng(0)
    for _ in range(300):
        values = random.choice([0, 1, 2, 3, 4, 254, IGNORE], 6)
        shape = random.integers(1, 70, 2)
        label = random.choice(values, shape, p=random.dirichlet(np.full(6, 0.3))).astype(np.uint8)
        labelled = label[label != IGNORE]
        wanted = bool(labelled.size and np.bincount(labelled).max() < share * labelled.size)
        tried: list[Window] = []

        def cut(window: Window, label: np.ndarray = label, tried: list[Window] = tried) -> np.ndarray:
            tried.append(window)
            return label

        choose_crop(label.shape, label.shape, share, np.random.RandomState(0), cut)
        assert (len(tried) == 1) == wanted
