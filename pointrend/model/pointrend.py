"""The network of the six runs: coarse segmentation plus a point head (RECIPE sections 7 to 9)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from pointrend.errors import ParamsError
from pointrend.model.heads import CoarseHead, FeaturePyramid, PointHead
from pointrend.model.losses import cross_entropy, enlarged_cross_entropy
from pointrend.model.points import label_at_points, least_certain_cells, sample_points, select_training_points
from pointrend.model.resnet import BLOCKS, OUTPUT_STRIDES, ResNetV1c

if TYPE_CHECKING:
    from pointrend.settings.params import RunSetting


@dataclass(frozen=True)
class Architecture:
    """Everything that fixes the network and its losses; the defaults are those of the published runs."""

    num_classes: int
    depth: int
    width: int = 64
    fpn_channels: int = 256
    scale_channels: int = 128
    point_channels: int = 256
    output_stride: int = 32
    zero_init_last_norm: bool = False
    train_points: int = 2048
    oversample_ratio: float = 3
    importance_ratio: float = 0.75
    subdivision_steps: int = 2
    subdivision_points: int = 8196
    point_loss_weight: float = 1.0
    coarse_loss_weight: float = 0.4
    ignore_index: int = 255

    def __post_init__(self) -> None:
        if self.depth not in BLOCKS:
            raise ParamsError(f"ResNet-{self.depth} is not supported", f"choose one of {sorted(BLOCKS)}")
        if self.output_stride not in OUTPUT_STRIDES:
            do = f"choose one of {list(OUTPUT_STRIDES)}; the published runs have 32"
            raise ParamsError(f"output stride {self.output_stride} is not supported", do)

    @classmethod
    def of(cls, setting: RunSetting, num_classes: int) -> Architecture:
        """Architecture of one run: every field but the first two and the last is a key of its recipe."""
        of_recipe = {field.name: getattr(setting.recipe, field.name) for field in fields(cls)[2:-1]}
        return cls(num_classes, setting.depth, **of_recipe)

    @property
    def oversampled_points(self) -> int:
        """Random points per image among which the least certain are chosen."""
        return int(self.train_points * self.oversample_ratio)

    @property
    def important_points(self) -> int:
        """Points per image chosen for being uncertain; the other training points are uniform."""
        return int(self.train_points * self.importance_ratio)


class PointDraws(NamedTuple):
    """The randomness of one training step: uniform numbers in [0, 1), as points (x, y)."""

    oversampled: Tensor  # (B, oversampled_points, 2)
    uniform: Tensor  # (B, train_points - important_points, 2)


class Inference(NamedTuple):
    """Output of the network for a batch of images (B, 3, H, W)."""

    # Logits (B, K, 4 * ceil(H / 4), 4 * ceil(W / 4)) with the default two subdivision steps.
    refined: Tensor
    # Logits (B, K, ceil(H / 4), ceil(W / 4)) before any refinement.
    coarse: Tensor
    # Per subdivision step the row-major positions (B, N), int64, of the cells refined in that step's map.
    refined_cells: tuple[Tensor, ...]


class PointRend(nn.Module):
    """ResNet, feature pyramid, coarse head and point head, with torch's default initialisation throughout."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        arch = self.architecture = architecture
        self.backbone = ResNetV1c(arch.depth, arch.width, arch.output_stride, arch.zero_init_last_norm)
        levels = self.backbone.channels
        self.fpn = FeaturePyramid(levels, arch.fpn_channels)
        self.coarse_head = CoarseHead(len(levels), arch.fpn_channels, arch.scale_channels, arch.num_classes)
        self.point_head = PointHead(arch.fpn_channels, arch.point_channels, arch.num_classes)

    def forward(self, images: Tensor, labels: Tensor, point_draws: PointDraws) -> dict[str, Tensor]:
        """Training losses of images (B, 3, H, W) with labels (B, H, W), int64, ``ignore_index`` = no label.

        Returns scalars: ``loss`` = ``loss_point`` + ``loss_coarse``, both with their weights, and the int64
        counts ``valid_points`` and ``valid_pixels`` that they are means over. Where a count is 0 its loss is
        0, and so is its gradient. The means are over the batch of this process alone.
        """
        arch = self.architecture
        fine, coarse = self.features(images)
        points = select_training_points(coarse, *point_draws, important=arch.important_points)
        point_logits = self.point_head(sample_points(fine, points), sample_points(coarse, points))
        point_labels = label_at_points(labels, points)
        loss_point, valid_points = cross_entropy(full_precision(point_logits), point_labels, arch.ignore_index)
        loss_coarse, valid_pixels = enlarged_cross_entropy(coarse, labels, arch.ignore_index)
        loss_point, loss_coarse = arch.point_loss_weight * loss_point, arch.coarse_loss_weight * loss_coarse
        return {
            "loss": loss_point + loss_coarse,
            "loss_point": loss_point,
            "loss_coarse": loss_coarse,
            "valid_points": valid_points,
            "valid_pixels": valid_pixels,
        }

    @torch.no_grad()
    def infer(self, images: Tensor) -> Inference:
        """Logits of images (B, 3, H, W), refined by adaptive subdivision (PointRend paper, section 3.1).

        Each step doubles the map and replaces the logits of its least certain cells by those of the point head,
        which sees the unrefined coarse logits in every step. The caller puts the model into eval mode.
        """
        fine, coarse = self.features(images)
        refined, refined_cells = coarse, []
        for _ in range(self.architecture.subdivision_steps):
            refined = functional.interpolate(refined, scale_factor=2, mode="bilinear", align_corners=False)
            cells, centres = least_certain_cells(refined, self.architecture.subdivision_points)
            logits = self.point_head(sample_points(fine, centres), sample_points(coarse, centres))
            positions = cells.unsqueeze(1).expand_as(logits)
            refined = refined.flatten(2).scatter(2, positions, logits).unflatten(2, refined.shape[-2:])
            refined_cells.append(cells)
        return Inference(refined, coarse, tuple(refined_cells))

    def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs of the point head for images (B, 3, H, W): fine features (B, C, h, w), coarse logits (B, K, h, w)."""
        pyramid = self.fpn(self.backbone(images))
        return pyramid[0], full_precision(self.coarse_head(pyramid))


def draw_points(
    architecture: Architecture, batch: int, generator: torch.Generator, dtype: torch.dtype = torch.float32
) -> PointDraws:
    """The random numbers of one training step on ``batch`` images, from a generator on the CPU."""
    uniform_points = architecture.train_points - architecture.important_points
    counts = (architecture.oversampled_points, uniform_points)
    return PointDraws(*(torch.rand(batch, count, 2, generator=generator, dtype=dtype) for count in counts))


def full_precision(logits: Tensor) -> Tensor:
    """Logits in float32 where they were computed in less, so that losses and the choice of points are not coarser."""
    return logits.float() if logits.dtype == torch.bfloat16 else logits


def allow_tf32(allowed: bool) -> None:
    """Whether a GPU may round the factors of float32 products to TF32. torch's default allows it in convolutions."""
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed
