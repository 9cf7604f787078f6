"""Label maps: the golden ones, and the fast ways compared with the plain one."""

import dataclasses
import functools
import json

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.plain_network import PlainPointRend
from pointrend.check.golden import VOC_R50, golden_arrays, golden_batch, golden_facts, golden_model
from pointrend.errors import WeightsError
from pointrend.evaluation.segmenters import Segmentation, Segmenter, label_map, segmenter
from pointrend.model import resize
from pointrend.model.folding import folded
from pointrend.model.pointrend import Architecture, PointRend
from pointrend.model.refinement import RefinedMap, refine
from tests.golden_files import FOLDER

LABEL_MAPS = json.loads((FOLDER / "postprocess.json").read_text())
LABEL_TOLERANCE = 0.001
THIN = Architecture(
    4, 50, width=8, fpn_channels=16, scale_channels=8, point_channels=16, train_points=64, subdivision_points=500
)
# Sizes of the label map: the image's, smaller, larger than the network's output.
SIZES = [(97, 131), (60, 50), (211, 300)]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("case", LABEL_MAPS)
def test_golden_label_maps(case, layout):
    height, width = LABEL_MAPS[case]["orig_hw"]
    with np.load(FOLDER / "postprocess.npz") as arrays:
        logits = torch.from_numpy(arrays[f"{case}_logits_f16"].astype(np.float32)).contiguous(memory_format=layout)
        expected = arrays[f"{case}_label"]
        undecided = np.unpackbits(arrays[f"{case}_gap_small_packbits"], count=height * width).astype(bool)
    found = label_map(logits, height, width)
    assert (found.shape, found.dtype) == ((height, width), np.uint8)
    differs = found != expected
    assert not (differs & ~undecided.reshape(height, width)).any()


def test_the_lowest_of_equal_logits_wins():
    logits = torch.zeros(1, 4, 2, 2)
    logits[0, 1, 0, 0] = logits[0, 3, 0, 0] = 1
    assert label_map(logits, 2, 2).tolist() == [[1, 0], [0, 0]]


@functools.cache
def images(case: int) -> Tensor:
    height, width = golden_facts()[f"test{case}"]["input_hw"]
    return golden_batch(5010 + 10 * case, 1, height, width)


@functools.cache
def way(inference: str) -> Segmenter:
    return segmenter(golden_model(), inference, "cpu")


@functools.cache
def segmented(inference: str, size: tuple[int, int]) -> Segmentation:
    return way(inference)(images(0), size, "street/7")


def test_no_norm_is_left_and_the_logits_are_the_same():
    network = folded(golden_model())
    assert not [module for module in network.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    with torch.no_grad():
        found, expected = network.features(images(0)), golden_model().eval().features(images(0))
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize("case", [0, 1])
@pytest.mark.parametrize("block", [10_000, resize.CPU_BLOCK])
def test_golden_labels(case, block, monkeypatch):
    monkeypatch.setattr(resize, "CPU_BLOCK", block)
    height, width = golden_facts()[f"test{case}"]["orig_hw"]
    found = way("fast")(images(case), (height, width), "golden")
    expected = golden_arrays()[f"test{case}_labelmap_{height}x{width}"]
    assert (found.refined != expected).mean() <= LABEL_TOLERANCE


@pytest.mark.parametrize("size", SIZES)
def test_fast_is_exact_but_for_rounding(size):
    fast, exact = segmented("fast", size), segmented("exact", size)
    assert fast.refined.shape == fast.coarse.shape == size
    assert (fast.refined != exact.refined).sum() <= 1
    assert (fast.coarse != exact.coarse).sum() <= 1
    assert fast.last_refined.sum() == exact.last_refined.sum() == VOC_R50.subdivision_points
    assert (fast.last_refined != exact.last_refined).sum() <= 8


def test_the_network_that_is_timed_against_says_the_same():
    plain = PlainPointRend(VOC_R50).eval()
    plain.load_state_dict(golden_model().state_dict())
    refined, coarse = plain.labels(images(0), SIZES[0])
    exact = segmented("exact", SIZES[0])
    assert (refined[0].numpy() != exact.refined).sum() <= 1
    assert (coarse[0].numpy() != exact.coarse).sum() <= 1


def test_bf16_is_nearly_the_same():
    differs = (segmented("bf16", SIZES[0]).refined != segmented("exact", SIZES[0]).refined).mean()
    assert 0 < differs < 0.1, "random weights leave many cells undecided"


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_every_number_of_steps_and_points(steps):
    """In float64, where nothing is rounded differently enough to choose another point."""
    torch.manual_seed(1)
    model = PointRend(dataclasses.replace(THIN, subdivision_steps=steps)).double().eval()
    inputs = torch.randn(1, 3, 97, 131, dtype=torch.float64)
    expected = model.infer(inputs)
    with torch.inference_mode():
        refined = refine(model, *model.features(inputs))
    torch.testing.assert_close(refined.whole(), expected.refined, rtol=0, atol=1e-9)
    if steps:
        assert set(refined.cells.tolist()) == set(expected.refined_cells[-1][0].tolist())
        assert len(refined.cells) == THIN.subdivision_points


@pytest.mark.parametrize("inference", ["fast", "exact"])
def test_without_a_step_nothing_is_marked(inference):
    model = PointRend(dataclasses.replace(THIN, subdivision_steps=0))
    found = segmenter(model, inference, "cpu")(images(0), (30, 40), "street/7")
    assert found.refined.shape == found.coarse.shape == (30, 40)
    assert not found.last_refined.any()


@pytest.mark.parametrize("block", [1, 3000, 2**20])
@pytest.mark.parametrize("size", [(24, 40), (17, 33), (60, 81), (48, 80)])
def test_labels_by_rows_are_those_of_the_whole_map(size, block, monkeypatch):
    monkeypatch.setattr(resize, "CPU_BLOCK", block)
    generator = torch.Generator().manual_seed(5)
    source = torch.randn(1, 4, 24, 40, generator=generator, dtype=torch.float64)
    cells = torch.tensor([0, 79, 80, 1999, 48 * 80 - 1])
    logits = 9 * torch.randn(4, 5, generator=generator, dtype=torch.float64)
    refined = dataclasses.replace(RefinedMap.resized(source, 2), cells=cells, logits=logits)
    whole = functional.interpolate(source, scale_factor=2, mode="bilinear", align_corners=False)
    whole[0].flatten(1)[:, cells] = logits
    torch.testing.assert_close(refined.whole(), whole, rtol=0, atol=1e-14)
    expected = functional.interpolate(whole, size, mode="bilinear", align_corners=False).argmax(1)[0]
    assert torch.equal(refined.labels(*size).long(), expected)


def test_the_last_map_never_exists_as_a_whole(monkeypatch):
    monkeypatch.setattr(resize, "CPU_BLOCK", 20_000)
    sizes: list[int] = []
    rows = RefinedMap.rows

    def watched(self: RefinedMap, start: int, stop: int) -> Tensor:
        block = rows(self, start, stop)
        sizes.append(block.numel())
        return block

    monkeypatch.setattr(RefinedMap, "rows", watched)
    way("fast")(images(0), (97, 131), "street/7")
    assert max(sizes) <= 2 * 20_000
    assert sum(sizes) > 21 * 100 * 132


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["coarse_head.classifier.bias", "point_head.classifier.bias"])
@pytest.mark.parametrize("inference", ["fast", "exact"])
def test_logits_that_are_not_finite_are_an_error(inference, name, value):
    model = PointRend(THIN)
    model.get_parameter(name).data[3] = value
    with pytest.raises(WeightsError, match="not finite for image street/7"):
        segmenter(model, inference, "cpu")(images(0), (97, 131), "street/7")
