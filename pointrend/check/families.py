"""The golden numbers of the original implementation, compared with what this code computes on one device.

A family is one part of the computation. It gives differences, each beside the one that its precision may have.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from pointrend.check.golden import (
    VOC_R50,
    golden_arrays,
    golden_batch,
    golden_facts,
    golden_label,
    golden_model,
    image_and_label,
    training_batch,
)
from pointrend.datasets.classes import IGNORE
from pointrend.evaluation.confusion import Confusion
from pointrend.evaluation.segmenters import Segmentation, segmenter
from pointrend.model.inputs import TestTransform, normalize_batch
from pointrend.model.pointrend import PointDraws, PointRend
from pointrend.model.points import select_training_points
from pointrend.model.weights import to_upstream
from pointrend.settings.recipe import Recipe
from pointrend.training.loop import make_optimizer
from pointrend.training.schedule import learning_rate
from pointrend.training.transforms import TrainTransform, photometric_distortion

LOSSES = {"loss_coarse": "loss_aux", "loss_point": "loss_cls", "loss": "loss_total"}  # the original's names
# The published recipe, as far as the trajectories need it: params.yaml may hold another one.
PUBLISHED = Recipe.model_construct(
    None,
    **{"lr": 0.01, "momentum": 0.9, "weight_decay": 5e-4},
    **{"poly_power": 0.9, "min_lr_ratio": 0.01, "warmup_iterations": 200, "warmup_ratio": 0.1},
)
CASES, MODES = (0, 1), ("evalbn", "trainbn")
STEPS = (1e-5, 1e-3, 1e-2, 1e-2, 1e-2)  # allowed in float32: rounding grows from step to step
# Allowed in bfloat16: two to four times what a CPU gives.
BF16 = {"forward": 1.2, "labels": 0.03, "points": 0.03, "losses": 5e-3, "gradients": 0.05, "trajectory": 0.04}
# Base (long, short) and crop (height, width), by configuration of the golden pipelines.
SIZES = {
    "DATASET_CFG_VOCAUG_512x512": ((2048, 512), (512, 512)),
    "DATASET_CFG_ADE20k_512x512": ((2048, 512), (512, 512)),
    "DATASET_CFG_CITYSCAPES_512x1024": ((2048, 1024), (512, 1024)),
}


class Place(NamedTuple):
    """Where and how exactly to compute."""

    device: torch.device
    precision: str

    def autocast(self) -> torch.autocast:
        """For forward passes: bfloat16 as in trainings of that precision."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    @property
    def modes(self) -> tuple[str, ...]:
        """Batch norms frozen and not; the latter over 8 cells, which magnifies rounding, in float32 alone."""
        return MODES if self.precision == "float32" else MODES[:1]

    def allows(self, float32: float, bf16: float) -> float:
        """The allowed difference of this precision. TF32 rounds 8 times as finely as bfloat16, and only factors."""
        return {"float32": float32, "tf32": max(float32, bf16 / 4), "bf16": bf16}[self.precision]

    def model(self) -> PointRend:
        """The golden network, in train mode and in the memory layout of trainings."""
        return golden_model().to(self.device).to(memory_format=torch.channels_last)

    def batch(self) -> tuple[Tensor, Tensor, PointDraws]:
        """The golden training batch."""
        images, labels, draws = training_batch(torch.float32)
        images = images.to(self.device).contiguous(memory_format=torch.channels_last)
        return images, labels.to(self.device), PointDraws(*(draw.to(self.device) for draw in draws))


class Difference(NamedTuple):
    """How far ``what`` is from its golden value, and how far it may be."""

    what: str
    found: float
    allowed: float

    @property
    def met(self) -> bool:
        """Whether it is as near as it may be; a value that is not a number is not."""
        return self.found <= self.allowed

    @property
    def ratio(self) -> float:
        """How large the difference is as a share of the allowed one, infinite for not a number."""
        if math.isnan(self.found):
            return math.inf
        return self.found / self.allowed if self.allowed else math.inf * self.found if self.found else 0.0


def transforms(place: Place) -> Iterator[Difference]:
    """Training and test images, normalised on the device; labels and colours as whole numbers."""
    arrays, facts = golden_arrays("transforms"), golden_facts("transforms")
    for case in facts["photometric"]:
        image = arrays["pmd_input_bgr"][..., ::-1].copy()
        photometric_distortion(image, np.random.RandomState(case["np_random_seed"]))
        off = np.abs(image[..., ::-1].astype(int) - arrays[f"pmd_{case['index']}_output_bgr"])
        yield Difference(f"colours {case['index']}, grey levels", off.max(), 0)
    for case in facts["pipelines"]:
        name, (base, crop) = f"pipe_{case['index']}", SIZES[case["config"]]
        image, label = image_and_label(case["picture"])
        if case["split"] == "test":
            floats = TestTransform(base)(image)
        else:
            sample = TrainTransform(base, crop)(image, label, np.random.RandomState(case["np_random_seed"]))
            pixels = torch.from_numpy(sample.image[None]).to(place.device)
            floats = normalize_batch(pixels, torch.tensor([sample.inside]))[0].cpu().numpy()
            other = golden_label(sample.label)[::8, ::8] != arrays[f"{name}_label_sub"]
            yield Difference(f"{name}, share of labels", other.mean(), 0)
        yield Difference(f"{name}, normalised", _largest(floats[:, ::16, ::16], arrays[f"{name}_image_sub"]), 2e-6)


def forward(place: Place) -> Iterator[Difference]:
    """Pyramid, coarse and refined logits, and label maps of two test images, in eval mode."""
    allowed, arrays = place.allows(2e-4, BF16["forward"]), golden_arrays()
    for case in CASES:
        found, segmentation = _tested(place, case)
        for name, every, values in found:
            golden = arrays[f"test{case}_{name}_sub{every}"]
            yield Difference(f"test{case}_{name}", _largest(values.float().flatten()[::every].cpu(), golden), allowed)
        height, width = segmentation.refined.shape
        other = segmentation.refined != arrays[f"test{case}_labelmap_{height}x{width}"]
        yield Difference(f"test{case}, share of labels", other.mean(), place.allows(0.001, BF16["labels"]))


def points(place: Place) -> Iterator[Difference]:
    """The cells that are refined last, and the points that are trained on: the share that is not a golden one."""
    arrays, allowed = golden_arrays(), place.allows(4 / 8196, BF16["points"])
    for case in CASES:
        found = _tested(place, case)[1].last_refined
        golden = np.unpackbits(arrays[f"test{case}_step1_selected_packbits"], count=found.size).reshape(found.shape)
        yield Difference(f"test{case}, number of cells", abs(int(found.sum()) - int(golden.sum())), 0)
        yield Difference(f"test{case}, share of cells", (found != golden).sum() / 2 / golden.sum(), allowed)
    for mode in place.modes:
        model, batch = _mode(place.model(), mode), place.batch()
        with torch.no_grad(), place.autocast():
            coarse = model.features(batch[0])[1]
            chosen = select_training_points(coarse, *batch[2], important=VOC_R50.important_points)
        for image, eighth in zip(chosen.tolist(), arrays[f"train_{mode}_points_sorted"].tolist(), strict=True):
            ours = set(map(tuple, image))
            missing = sum(tuple(point) not in ours for point in eighth) / len(eighth)
            yield Difference(f"{mode}, share of points", missing, place.allows(4 / 256, BF16["points"]))


def losses(place: Place) -> Iterator[Difference]:
    """The losses of one training step, norms frozen and not."""
    for mode in place.modes:
        golden, found = golden_facts()[f"train_{mode}"]["losses"], _step(place, mode)[0]
        for ours, theirs in LOSSES.items():
            yield Difference(
                f"{mode} {ours}", _relative(found[ours], golden[theirs]), place.allows(1e-5, BF16["losses"])
            )


def gradients(place: Place) -> Iterator[Difference]:
    """The norms of 18 gradients and of all together, norms frozen and not."""
    for mode in place.modes:
        allowed = place.allows(1e-4 if mode == "evalbn" else 5e-3, BF16["gradients"])
        golden, found = golden_facts()[f"train_{mode}"], _step(place, mode)[1]
        for name, norm in golden["grad_norms"].items():
            yield Difference(f"{mode} {name}", _relative(found[name], norm), allowed)
        total = math.sqrt(sum(norm**2 for norm in found.values()))
        yield Difference(f"{mode} all", _relative(total, golden["grad_norm_total"]), allowed)


def trajectory(place: Place) -> Iterator[Difference]:
    """The losses of five optimiser steps, in the warm-up and halfway, and the weights after them."""
    facts = golden_facts()
    for name in ("trajectory_warmup", "trajectory_midway"):
        plan, model, batch = facts[name], place.model(), place.batch()
        optimizer = make_optimizer(model, PUBLISHED)
        before = _abs_sum(model)
        for row, float32 in zip(plan["rows"], STEPS, strict=True):
            lr = optimizer.param_groups[0]["lr"] = learning_rate(PUBLISHED, row["iter"], plan["max_iters"])
            yield Difference(f"{name} {row['iter']} learning rate", _relative(lr, row["lr"]), 1e-12)
            with place.autocast():
                found = model(*batch)
            optimizer.zero_grad()
            found["loss"].backward()
            optimizer.step()
            for ours, theirs in LOSSES.items():
                off = _relative(found[ours].item(), row[theirs])
                yield Difference(f"{name} {row['iter']} {ours}", off, place.allows(float32, BF16["trajectory"]))
        golden = plan["all_params_abs_sum_after"] - before
        off = _relative(_abs_sum(model) - before, golden)
        yield Difference(f"{name} change of all weights", off, place.allows(0.01, BF16["trajectory"]))


def metric(place: Place) -> Iterator[Difference]:
    """IoU of every class and mIoU; counted on the CPU, whatever the device is."""
    arrays = golden_arrays("metric")
    for case, facts in golden_facts("metric").items():
        confusion = Confusion(facts["num_classes"])
        for image in range(facts["n_images"]):
            truth = arrays[f"{case}_gt{image}"]
            confusion.add(arrays[f"{case}_pred{image}"], np.where(truth < 0, IGNORE, truth).astype(np.uint8))
        counts = confusion.counts()
        found, golden = np.nan_to_num(counts.iou(), nan=-1), np.nan_to_num(arrays[f"{case}_iou"], nan=-1)
        yield Difference(f"{case} IoU", _largest(found, golden), 1e-12)
        yield Difference(f"{case} mIoU", abs(counts.miou() - facts["miou"]), 1e-12)


FAMILIES: dict[str, Callable[[Place], Iterator[Difference]]] = {
    family.__name__: family for family in (transforms, forward, points, losses, gradients, trajectory, metric)
}
EXACT = ("transforms", "metric")  # the same in every precision


def _tested(place: Place, case: int) -> tuple[list[tuple[str, int, Tensor]], Segmentation]:
    """The maps of a test image by their golden name, with every how many-th value is stored; and its label maps."""
    model, facts = place.model().eval(), golden_facts()[f"test{case}"]
    image = golden_batch(5010 + 10 * case, 1, *facts["input_hw"])
    on_device = image.to(place.device).contiguous(memory_format=torch.channels_last)
    with torch.no_grad(), place.autocast():
        pyramid = model.fpn(model.backbone(on_device))
        maps = [*((f"fpn{level}", 97, features) for level, features in enumerate(pyramid))]
        maps.append(("coarse", 7, model.features(on_device)[1]))
    if place.precision != "bf16":  # which has an inference of its own, with label maps alone
        maps.append(("refined", 7, model.infer(on_device).refined))
    way = segmenter(model, "bf16" if place.precision == "bf16" else "exact", place.device)
    return maps, way(image, tuple(facts["orig_hw"]), f"test{case}")


def _mode(model: PointRend, mode: str) -> PointRend:
    """The model in train mode, its norms in eval mode for ``evalbn``."""
    for module in model.modules():
        if mode == "evalbn" and isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.eval()
    return model


def _step(place: Place, mode: str) -> tuple[dict[str, float], dict[str, float]]:
    """Losses and gradient norms of one step, the latter under the original's names."""
    model = _mode(place.model(), mode)
    with place.autocast():
        losses = model(*place.batch())
    losses["loss"].backward()
    gradients = to_upstream({name: weight.grad for name, weight in model.named_parameters()})
    norms = {name: math.nan if value is None else value.norm().item() for name, value in gradients.items()}
    return {name: losses[name].item() for name in LOSSES}, norms


def _largest(found: ArrayLike, golden: NDArray[Any]) -> float:
    """Largest absolute difference; infinite if the shapes differ."""
    values = np.asarray(found)
    return float(np.abs(values - golden).max()) if values.shape == golden.shape else math.inf


def _relative(found: float, golden: float) -> float:
    return abs(found - golden) / abs(golden)


def _abs_sum(model: nn.Module) -> float:
    return sum(weight.detach().double().abs().sum().item() for weight in model.parameters())
