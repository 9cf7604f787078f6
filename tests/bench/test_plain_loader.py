"""The plain loader, with which ours is compared, makes the same samples from files as ours from the prepared form."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from benchmarks.drawn import draw_picture
from benchmarks.plain_loader import plain_sample
from pointrend.datasets.registry import classes_of
from pointrend.model.inputs import normalize_batch
from pointrend.training.transforms import TrainTransform
from tests.training.test_transforms import RecordedDraws, blocks


@pytest.mark.parametrize("seed", range(8))
def test_plain_samples_are_ours(tmp_path: Path, seed: int) -> None:
    classes, files = classes_of("ade20k"), (tmp_path / "image.png", tmp_path / "mask.png")
    image, mask = draw_picture(seed, 60, 90), blocks(seed, 60, 90, [0, 1, 5, 150])
    for path, pixels in zip(files, (image, mask), strict=True):
        cv2.imwrite(str(path), pixels)
    draws = RecordedDraws(seed), RecordedDraws(seed)
    floats, label = plain_sample(*files, classes, (160, 40), (48, 48), draws[0])
    expected = TrainTransform((160, 40), (48, 48))(image, classes.train_ids[mask], draws[1])
    assert draws[0].list == draws[1].list
    np.testing.assert_array_equal(label.numpy(), expected.label)
    seen = normalize_batch(torch.from_numpy(expected.image[None]), torch.tensor([expected.inside]))[0]
    np.testing.assert_allclose(floats.numpy(), seen.numpy(), rtol=0, atol=2e-6)
