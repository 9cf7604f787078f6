"""From the backbone's stages to logits: a pyramid, and two heads on it (RECIPE sections 7.2 to 7.4)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import Conv2dNormActivation


class FeaturePyramid(nn.Module):
    """Top-down pyramid in which the lateral convolutions, too, have a norm and a ReLU."""

    def __init__(self, in_channels: Sequence[int], channels: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(Conv2dNormActivation(inputs, channels, 1) for inputs in in_channels)
        self.output = nn.ModuleList(Conv2dNormActivation(channels, channels, 3) for _ in in_channels)

    def forward(self, stages: Sequence[Tensor]) -> list[Tensor]:
        """Backbone stages, finest first, to as many maps (B, channels, h, w) of the same sizes."""
        merged = [lateral(stage) for lateral, stage in zip(self.lateral, stages, strict=True)]
        for level in range(len(merged) - 2, -1, -1):
            size = merged[level].shape[-2:]
            merged[level] = merged[level] + functional.interpolate(merged[level + 1], size, mode="nearest")
        return [output(level) for output, level in zip(self.output, merged, strict=True)]


class CoarseHead(nn.Module):
    """Brings every pyramid level to the finest grid, sums them, and classifies each cell."""

    def __init__(self, levels: int, in_channels: int, channels: int, num_classes: int) -> None:
        super().__init__()
        self.scales = nn.ModuleList(_scale(level, in_channels, channels) for level in range(levels))
        self.classifier = nn.Conv2d(channels, num_classes, kernel_size=1)

    def forward(self, pyramid: Sequence[Tensor]) -> Tensor:
        """Pyramid maps, finest (B, C, h, w) first, to logits (B, K, h, w)."""
        size = pyramid[0].shape[-2:]
        total = self.scales[0](pyramid[0])
        for scale, level in zip(self.scales[1:], pyramid[1:], strict=True):
            # The doublings overshoot an odd size, so a further resize gives the exact one.
            total = total + functional.interpolate(scale(level), size, mode="bilinear", align_corners=False)
        return self.classifier(total)


def _scale(level: int, in_channels: int, channels: int) -> nn.Sequential:
    if level == 0:
        return nn.Sequential(Conv2dNormActivation(in_channels, channels, 3))
    layers: list[nn.Module] = []
    for step in range(level):
        layers.append(Conv2dNormActivation(channels if step else in_channels, channels, 3))
        layers.append(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False))
    return nn.Sequential(*layers)


class PointHead(nn.Module):
    """A small perceptron shared by all points, which sees the coarse logits again at every layer."""

    LAYERS = 3

    def __init__(self, in_channels: int, channels: int, num_classes: int) -> None:
        super().__init__()
        widths = (in_channels, *(channels for _ in range(self.LAYERS)))
        self.layers = nn.ModuleList(_point_layer(width + num_classes, channels) for width in widths[:-1])
        self.classifier = nn.Conv1d(channels + num_classes, num_classes, kernel_size=1)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """Features (B, C, N) and coarse logits (B, K, N) at N points to refined logits (B, K, N)."""
        hidden = torch.cat((fine, coarse), dim=1)
        for layer in self.layers:
            hidden = torch.cat((layer(hidden), coarse), dim=1)
        return self.classifier(hidden)


def _point_layer(in_channels: int, channels: int) -> nn.Sequential:
    convolution = nn.Conv1d(in_channels, channels, kernel_size=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm1d(channels), nn.ReLU(inplace=True))
