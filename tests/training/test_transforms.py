"""The transforms compared with the golden numbers (transforms.npz, transforms.json) and with the plain steps."""

import hashlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import plain_loader
from benchmarks.drawn import draw_picture
from pointrend.check.golden import golden_arrays, golden_facts, golden_label, image_and_label
from pointrend.datasets.classes import IGNORE
from pointrend.datasets.registry import classes_of
from pointrend.model.inputs import TestTransform, normalize_batch, resize_shape
from pointrend.training.transforms import (
    TrainPixels,
    TrainTransform,
    is_mixed,
    pad_to,
    photometric_distortion,
    random_crop,
    random_flip,
    resized_window,
)
from tests.datasets.layouts import pixels
from tests.tiny import DATASETS

CASES, ARRAYS = golden_facts("transforms"), golden_arrays("transforms")

# An image's usual size, base (long, short) and crop (height, width), by configuration of the golden pipelines.
SIZES = {
    "DATASET_CFG_VOCAUG_512x512": ((375, 500), (2048, 512), (512, 512)),
    "DATASET_CFG_ADE20k_512x512": ((512, 683), (2048, 512), (512, 512)),
    "DATASET_CFG_CITYSCAPES_512x1024": ((1024, 2048), (2048, 1024), (512, 1024)),
}


class RecordedDraws:
    """numpy's legacy random numbers, and a list of what was drawn in the form of the golden lists."""

    def __init__(self, seed: int) -> None:
        self.state = np.random.RandomState(seed)
        self.list: list[list[Any]] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def draw(*arguments: Any) -> Any:
            self.list.append([name, [*arguments], getattr(self.state, name)(*arguments)])
            return self.list[-1][-1]

        return draw


def blocks(seed: int, height: int, width: int, values: list[int]) -> np.ndarray:
    """A label of squares with one of the values each."""
    coarse = np.random.default_rng(seed).choice(np.array(values, np.uint8), (height // 9 + 1, width // 9 + 1))
    return np.ascontiguousarray(np.kron(coarse, np.ones((9, 9), np.uint8))[:height, :width])


def normalized(sample: TrainPixels) -> np.ndarray:
    """What the network sees of one sample: float32 (3, H, W), RGB."""
    return normalize_batch(torch.from_numpy(sample.image[None]), torch.tensor([sample.inside]))[0].numpy()


def sha256(array: np.ndarray) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()


def test_resize_shape_is_the_golden_table():
    for base_long, base_short, height, width, train, u, *expected in ARRAYS["resize_table"]:
        scale = 0.5 + 1.5 * u if train else 1.0
        assert resize_shape((int(height), int(width)), (int(base_long), int(base_short)), scale) == tuple(expected)


@pytest.mark.parametrize(
    "case", sorted(name[:-2] for name in ARRAYS if name.startswith("resize_") and name[-2:] == "_u")
)
def test_resize_gives_the_golden_pixels(case):
    image, label = image_and_label(case.split("_")[1])
    shape = resize_shape(label.shape, (256, 64), 0.5 + 1.5 * float(ARRAYS[f"{case}_u"]))
    window, label = random_crop(label, shape, shape, 1.1, RecordedDraws(0))
    np.testing.assert_array_equal(resized_window(image, shape, window), ARRAYS[f"{case}_image"])
    np.testing.assert_array_equal(golden_label(label), ARRAYS[f"{case}_label"])


@pytest.mark.parametrize("case", CASES["random_crop"], ids=lambda case: f"{case['picture']}-{case['np_random_seed']}")
def test_random_crop_is_the_golden_one(case):
    image, label = image_and_label(case["picture"])
    draws = RecordedDraws(case["np_random_seed"])
    window, cropped_label = random_crop(label, label.shape, tuple(case["crop_size"]), 0.75, draws)
    drawn = [value for _, _, value in draws.list]
    assert list(map(list, zip(drawn[::2], drawn[1::2], strict=True))) == case["draws_top_left"]
    assert len(drawn) == 2 * case["tries"]
    as_cropped = np.minimum(case["crop_size"], label.shape)
    assert (cropped_label.shape != tuple(as_cropped)) == case["returned_uncropped"]
    assert list(cropped_label.shape) == case["returned_shape"]
    assert sha256(resized_window(image, label.shape, window)) == case["image_sha256"]
    assert sha256(golden_label(cropped_label)) == case["label_int16_sha256"]


def test_a_crop_with_exactly_the_largest_share_is_not_accepted():
    draws = RecordedDraws(0)
    random_crop(np.array([[0, 0, 0, 1]], dtype=np.uint8), (1, 4), (1, 4), 0.75, draws)
    assert len(draws.list) == 20


@pytest.mark.parametrize("case", CASES["random_flip"], ids=lambda case: f"u={case['u']}")
def test_random_flip_is_the_golden_one(case):
    image, label = image_and_label("land")
    on_a_boundary = SimpleNamespace(random_sample=lambda: case["u"])
    draws: Any = on_a_boundary if "note" in case else RecordedDraws(case["np_random_seed"])
    flipped_image, flipped_label = random_flip(image, label, draws)
    step = -1 if case["flipped"] else 1
    np.testing.assert_array_equal(flipped_image, image[:, ::step, ::-1])
    np.testing.assert_array_equal(flipped_label, label[:, ::step])


@pytest.mark.parametrize("case", CASES["photometric"], ids=lambda case: str(case["index"]))
def test_photometric_distortion_is_the_golden_one(case):
    draws = RecordedDraws(case["np_random_seed"])
    distorted = ARRAYS["pmd_input_bgr"][..., ::-1].copy()
    photometric_distortion(distorted, draws)
    np.testing.assert_array_equal(distorted[..., ::-1], ARRAYS[f"pmd_{case['index']}_output_bgr"])
    amounts = [value for _, arguments, value in draws.list if arguments != [2]]
    in_order = ["brightness_delta", "contrast_alpha", "saturation_alpha", "hue_delta"]
    if case["mode"] == 0:
        in_order = ["brightness_delta", "saturation_alpha", "hue_delta", "contrast_alpha"]
    assert amounts == [case[name] for name in in_order if name in case]


def test_a_batch_is_normalised_to_the_golden_values_and_0_beside_its_images():
    image, golden = ARRAYS["pmd_input_bgr"][..., ::-1].copy(), ARRAYS["normalize_output_hwc_rgb"]
    height, width = image.shape[:2]
    inside = torch.tensor([[0, 0, height, width], [1, 2, height - 3, width - 1]])
    found = normalize_batch(torch.from_numpy(np.stack([image, image])), inside)
    assert found.dtype == torch.float32
    assert found.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_allclose(found[0].numpy().transpose(1, 2, 0), golden, rtol=0, atol=1e-6)
    beside = np.ones((height, width), np.bool_)
    beside[1 : height - 3, 2 : width - 1] = False
    np.testing.assert_array_equal(found[1].numpy(), np.where(beside, 0, found[0].numpy()))


@pytest.mark.parametrize("case", CASES["padding"], ids=lambda case: str(case["index"]))
def test_pad_to_gives_the_golden_margins(case):
    height, width = case["in_hw"]
    image = (np.arange(3 * height * width, dtype=np.uint8) + 1).reshape(3, height, width).transpose(1, 2, 0)
    label = np.arange(height * width, dtype=np.uint8).reshape(height, width)
    padded = pad_to(image, label, tuple(case["output_size"]))
    assert list(padded.label.shape) == case["out_hw"]
    np.testing.assert_array_equal(padded.image.transpose(2, 0, 1), ARRAYS[f"pad_{case['index']}_image"])
    np.testing.assert_array_equal(golden_label(padded.label), ARRAYS[f"pad_{case['index']}_label"])
    outside = np.ones(padded.label.shape, np.bool_)
    top, left, bottom, right = padded.inside
    outside[top:bottom, left:right] = False
    np.testing.assert_array_equal(outside, (padded.image == 0).all(-1))


@pytest.mark.parametrize("case", CASES["pipelines"], ids=lambda case: f"{case['index']}-{case['split']}")
def test_the_whole_path_is_the_golden_one(case):
    _, base_size, crop_size = SIZES[case["config"]]
    image, label = image_and_label(case["picture"])
    if case["split"] == "test":
        floats = TestTransform(base_size)(image)
        assert floats.flags.c_contiguous
    else:
        draws = RecordedDraws(case["np_random_seed"])
        sample = TrainTransform(base_size, crop_size)(image, label, draws)
        floats, label = normalized(sample), sample.label
        # The one draw of the flip is made by another function of the same stream in the golden lists.
        assert draws.list == [["random_sample" if name == "rand" else name, *rest] for name, *rest in case["draws"]]
        assert sha256(golden_label(label)) == case["label_int16_sha256"]
        np.testing.assert_array_equal(golden_label(label)[::8, ::8], ARRAYS[f"pipe_{case['index']}_label_sub"])
    assert floats.dtype == np.float32
    assert list(floats.shape) == case["shape"]
    np.testing.assert_allclose(floats[:, ::16, ::16], ARRAYS[f"pipe_{case['index']}_image_sub"], rtol=0, atol=2e-6)
    assert floats.mean(dtype=np.float64) == pytest.approx(case["image_mean"], abs=1e-5)
    assert np.abs(floats).mean(dtype=np.float64) == pytest.approx(case["image_absmean"], abs=1e-5)


def assert_bytes_of_the_plain_steps(image: np.ndarray, label: np.ndarray, base: Any, crop: Any, seed: int) -> None:
    for array in (image, label):
        array.setflags(write=False)  # as the store gives them
    draws = RecordedDraws(seed), RecordedDraws(seed)
    plain, plain_label = plain_loader.augmented(image, label, base, crop, draws[0])
    planes = torch.from_numpy(np.stack([*plain.transpose(2, 0, 1)[::-1], np.full(plain_label.shape, 1, np.uint8)]))
    planes, padded_label = plain_loader.pad(planes, torch.from_numpy(plain_label.copy()), crop)
    found = TrainTransform(base, crop)(image, label, draws[1], np.zeros((*crop, 3), np.uint8) if seed % 3 else None)
    top, left, bottom, right = found.inside
    inside = np.zeros(found.label.shape, np.uint8)
    inside[top:bottom, left:right] = 1
    assert draws[0].list == draws[1].list
    assert (found.image.dtype, found.label.dtype) == (np.uint8, np.uint8)
    for ours, published in zip((*found.image.transpose(2, 0, 1), inside), planes.numpy(), strict=True):
        np.testing.assert_array_equal(ours, published)
    np.testing.assert_array_equal(found.label, padded_label)


MANY, FEW = [0] * 12 + [1, 2, IGNORE], [0, 1, 2, 3, IGNORE]
LABELS = [*[MANY, FEW] * 12, [IGNORE], [2]]  # values of a label's pixels


@pytest.mark.parametrize("config", SIZES)
def test_a_thousand_draws_have_the_bytes_of_the_plain_steps(config):
    """Of images with about an eighth of the usual sides, every other one of noise, and a few of the usual size."""
    size, base, crop = (tuple(side // 8 for side in sides) for sides in SIZES[config])
    images = [draw(0, 2 * size[0], 2 * size[1]) for draw in (draw_picture, pixels)]
    for seed in range(1000):
        height, width = np.random.default_rng(seed).integers(np.multiply(size, 3) // 4, np.multiply(size, 3) // 2)
        image, label = images[seed % 2][:height, -width:].copy(), blocks(seed, height, width, LABELS[seed % 26])
        assert_bytes_of_the_plain_steps(image, label, base, crop, seed)
    usual, usual_base, usual_crop = SIZES[config]
    for seed in range(8):
        image, label = draw_picture(seed, *usual), blocks(seed, *usual, MANY)
        assert_bytes_of_the_plain_steps(image, label, usual_base, usual_crop, seed)


@settings(deadline=None, max_examples=200)
@given(
    size=st.tuples(st.integers(4, 160), st.integers(4, 160)),
    base=st.sampled_from([(128, 32), (256, 64), (160, 160), (64, 48)]),
    crop=st.tuples(st.integers(4, 90), st.integers(4, 90)),
    values=st.sampled_from([MANY, FEW, [IGNORE] * 9 + [5], [IGNORE], [2]]),
    seed=st.integers(0, 2**31),
)
def test_images_and_crops_of_any_size_have_the_bytes_of_the_plain_steps(size, base, crop, values, seed):
    assert_bytes_of_the_plain_steps(pixels(seed, *size), blocks(seed, *size, values), base, crop, seed)


def test_a_corner_whose_size_does_not_change_is_interpolated_all_the_same():
    image, window = pixels(0, 40, 40), (slice(2, 10), slice(3, 10))
    whole = cv2.resize(image, (41, 41), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(resized_window(image, (41, 41), window), whole[window])


@pytest.mark.parametrize("share", [0.2, 0.34, 0.75, 1.0])
def test_a_crop_is_mixed_where_counting_every_class_says_so(share):
    random = np.random.default_rng(0)
    for _ in range(300):
        values = random.choice([0, 1, 2, 3, 4, 254, IGNORE], 6)
        label = random.choice(values, random.integers(1, 70, 2), p=random.dirichlet(np.full(6, 0.3))).astype(np.uint8)
        labelled = label[label != IGNORE]
        assert is_mixed(label, share) == bool(labelled.size and np.bincount(labelled).max() < share * labelled.size)


@pytest.mark.parametrize("dataset", DATASETS)
def test_raw_labels_become_the_golden_train_labels(dataset):
    classes = classes_of(dataset)
    golden = CASES["raw_label_to_train_label"][dataset]
    ours = ["error" if classes.forbidden[raw] else int(golden_label(classes.train_ids[raw])) for raw in range(256)]
    assert ours == golden
    assert len(set(classes.names)) == len({*ours} - {"error", -100})
