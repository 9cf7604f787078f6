"""A network whose answers are known, for everything that only passes them on."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pointrend.model.pointrend import Inference

STEP = 10  # blue level of class 1; class k has k times as much


class ReadsBlue(nn.Module):
    """Takes the blue channel of a :func:`plain` image for the class; its coarse logits see every fourth pixel."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.unused = nn.Parameter(torch.zeros(1))
        self.seen = 0

    def infer(self, images: Tensor) -> Inference:
        assert not self.training
        assert len(images) == 1
        self.seen += 1
        classes = (images[:, 0] / STEP).long()
        refined = functional.one_hot(classes, self.num_classes).permute(0, 3, 1, 2).float()
        return Inference(refined, refined[..., ::4, ::4], (torch.tensor([[0, 5]]),))


def plain(image: np.ndarray) -> np.ndarray:
    """An image (H, W, 3) as network input (3, H, W) without any change of its values."""
    return np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32)


def picture_of(classes: np.ndarray) -> np.ndarray:
    """A BGR image that :class:`ReadsBlue` segments into ``classes`` (H, W)."""
    return np.stack([classes * STEP, classes * 0 + 90, classes * 0 + 200], axis=-1).astype(np.uint8)
