"""The backbone: ResNet "v1c", three 3x3 convolutions in the stem (RECIPE section 7.1)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck
from torchvision.ops import Conv2dNormActivation

BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}  # bottlenecks per stage, by depth
OUTPUT_STRIDES = (8, 16, 32)


class ResNetV1c(nn.Module):
    """Four stages of bottlenecks, stride on the 3x3 convolution, shortcuts of strided 1x1 convolutions.

    ``width`` is 64 in the published nets; the stem has width/2, width/2, width channels and the stages
    4, 8, 16, 32 times ``width``. An ``output_stride`` below 32 replaces the strides of the last stages by
    dilations; the first block of such a stage keeps the dilation of the previous stage.
    """

    def __init__(self, depth: int, width: int = 64, output_stride: int = 32, zero_init_last_norm: bool = False) -> None:
        super().__init__()
        self.stem = _stem(width)
        self.pool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.channels = tuple(width * 2**stage * Bottleneck.expansion for stage in range(4))
        self.layer1, self.layer2, self.layer3, self.layer4 = _stages(BLOCKS[depth], width, output_stride)
        for module in self.modules() if zero_init_last_norm else ():
            if isinstance(module, Bottleneck):
                nn.init.zeros_(module.bn3.weight)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Images (B, 3, H, W) to the outputs of the four stages, finest (stride 4) first."""
        features = self.pool(self.stem(images))
        stages = []
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            features = layer(features)
            stages.append(features)
        return stages


def _stem(width: int) -> nn.Sequential:
    plan = ((3, width // 2, 2), (width // 2, width // 2, 1), (width // 2, width, 1))
    units = (Conv2dNormActivation(inputs, outputs, 3, stride) for inputs, outputs, stride in plan)
    return nn.Sequential(*(layer for unit in units for layer in unit))


def _stages(block_counts: Sequence[int], width: int, output_stride: int) -> list[nn.Sequential]:
    stages = []
    channels, total_stride, dilation = width, 4, 1
    for index, blocks in enumerate(block_counts):
        planes, stride, first_dilation = width * 2**index, 2 if index else 1, dilation
        if total_stride * stride > output_stride:
            stride, dilation = 1, dilation * stride
        stages.append(_stage(channels, planes, blocks, stride, first_dilation, dilation))
        channels, total_stride = planes * Bottleneck.expansion, total_stride * stride
    return stages


def _stage(inputs: int, planes: int, blocks: int, stride: int, first_dilation: int, dilation: int) -> nn.Sequential:
    outputs = planes * Bottleneck.expansion
    shortcut = Conv2dNormActivation(inputs, outputs, 1, stride, activation_layer=None)
    first = Bottleneck(inputs, planes, stride, shortcut, dilation=first_dilation)
    rest = (Bottleneck(outputs, planes, dilation=dilation) for _ in range(blocks - 1))
    return nn.Sequential(first, *rest)
