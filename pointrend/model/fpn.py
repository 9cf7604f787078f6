"""The feature pyramid between the backbone and the heads (RECIPE section 7.2)."""

from __future__ import annotations

from collections.abc import Sequence

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
