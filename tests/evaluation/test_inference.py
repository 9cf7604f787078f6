from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pointrend.errors import WeightsError
from pointrend.evaluation.inference import label_map
from pointrend.evaluation.segmenters import segmenter
from pointrend.model.pointrend import Inference

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = json.loads((GOLDEN / "postprocess.json").read_text())


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("case", CASES)
def test_golden_labels(case: str, layout: torch.memory_format) -> None:
    height, width = CASES[case]["orig_hw"]
    with np.load(GOLDEN / "postprocess.npz") as arrays:
        logits = torch.from_numpy(arrays[f"{case}_logits_f16"].astype(np.float32)).contiguous(memory_format=layout)
        expected = arrays[f"{case}_label"]
        undecided = np.unpackbits(arrays[f"{case}_gap_small_packbits"], count=height * width).astype(bool)
    found = label_map(logits, height, width)
    assert (found.shape, found.dtype) == ((height, width), np.uint8)
    differs = found != expected
    assert not (differs & ~undecided.reshape(height, width)).any()


def test_the_lowest_of_equal_logits_wins() -> None:
    logits = torch.zeros(1, 4, 2, 2)
    logits[0, 1, 0, 0] = logits[0, 3, 0, 0] = 1
    assert label_map(logits, 2, 2).tolist() == [[1, 0], [0, 0]]


class Answer(nn.Module):
    """A network that always says the same."""

    def __init__(self, inference: Inference) -> None:
        super().__init__()
        self.inference = inference
        self.unused = nn.Parameter(torch.zeros(1))

    def infer(self, images: Tensor) -> Inference:
        assert images.shape == (1, 3, 5, 7)
        return self.inference


def answer(refined: Tensor, coarse: Tensor, *cells: list[int]) -> Answer:
    return Answer(Inference(refined, coarse, tuple(torch.tensor([step]) for step in cells)))


def run(model: Answer) -> object:
    return segmenter(model, "exact", "cpu")(torch.zeros(1, 3, 5, 7), (3, 4), "street/7")


def test_a_segmentation_has_the_size_of_the_picture() -> None:
    refined, coarse = torch.zeros(1, 2, 8, 8), torch.zeros(1, 2, 2, 2)
    refined[0, 1] = 1
    found = run(answer(refined, coarse, [3], [0, 9]))
    assert found.refined.tolist() == [[1] * 4] * 3
    assert found.coarse.tolist() == [[0] * 4] * 3
    assert np.argwhere(found.last_refined).tolist() == [[0, 0], [1, 1]]
    assert found.last_refined.shape == (8, 8)


def test_without_subdivision_nothing_was_refined() -> None:
    assert not run(answer(torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2, 2))).last_refined.any()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("which", [0, 1])
def test_logits_that_are_not_finite_are_an_error(value: float, which: int) -> None:
    logits = [torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2, 2)]
    logits[which][0, 1, 1, 0] = value
    with pytest.raises(WeightsError, match="street/7"):
        run(answer(*logits))
