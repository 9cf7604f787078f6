"""The network that a run's setting describes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pointrend.model.pointrend import Architecture

if TYPE_CHECKING:
    from pointrend.settings.params import RunSetting


def architecture(setting: RunSetting, num_classes: int) -> Architecture:
    """Architecture of one run with ``num_classes`` classes."""
    recipe = setting.recipe
    return Architecture(
        num_classes=num_classes,
        depth=setting.depth,
        width=recipe.width,
        fpn_channels=recipe.fpn_channels,
        scale_channels=recipe.scale_channels,
        point_channels=recipe.point_channels,
        output_stride=recipe.output_stride,
        zero_init_last_norm=recipe.zero_init_last_norm,
        train_points=recipe.train_points,
        oversample_ratio=recipe.oversample_ratio,
        importance_ratio=recipe.importance_ratio,
        subdivision_steps=recipe.subdivision_steps,
        subdivision_points=recipe.subdivision_points,
        point_loss_weight=recipe.point_loss_weight,
        coarse_loss_weight=recipe.coarse_loss_weight,
    )
