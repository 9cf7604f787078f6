"""The network for inference: the same logits up to rounding, with fewer passes over large maps.

Batch norms are folded into the convolutions before them, and the coarse head classifies before it enlarges.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import pairwise
from typing import cast

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from pointrend.model.heads import CoarseHead
from pointrend.model.pointrend import PointRend, full_precision


def folded(model: PointRend) -> PointRend:
    """A copy of ``model`` in eval mode, without norms and with :class:`ClassifyingHead`, for inference alone."""
    network = copy.deepcopy(model).eval().requires_grad_(False)
    for parent in list(network.modules()):
        for (name, child), (norm_name, norm) in pairwise(list(parent.named_children())):
            if isinstance(child, nn.Conv1d | nn.Conv2d) and isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
                setattr(parent, name, fuse_conv_bn_eval(child, norm))
                setattr(parent, norm_name, nn.Identity())
    network.coarse_head = cast(CoarseHead, ClassifyingHead(network.coarse_head))
    return network


class ClassifyingHead(nn.Module):
    """A coarse head that enlarges logits, not features: of VOC 21 maps instead of 128.

    The classifier and the last enlargement of a level are both linear, so their order can be changed.
    """

    def __init__(self, head: CoarseHead) -> None:
        super().__init__()
        self.scales, self.classifier = head.scales, head.classifier

    def forward(self, pyramid: Sequence[Tensor]) -> Tensor:
        """As :meth:`CoarseHead.forward`; logits of a bfloat16 network are float32 from the classifier on."""
        size = pyramid[0].shape[-2:]
        logits = full_precision(self.classifier(self.scales[0](pyramid[0])))
        for scale, level in zip(self.scales[1:], pyramid[1:], strict=True):
            layers, doubling = cast(nn.Sequential, scale)[:-1], cast(nn.Sequential, scale)[-1]
            small = full_precision(functional.conv2d(layers(level), self.classifier.weight))
            logits = logits + functional.interpolate(doubling(small), size, mode="bilinear", align_corners=False)
        return logits
