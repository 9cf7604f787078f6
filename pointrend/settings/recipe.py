"""The keys of the recipe, and the parts of it that params.yaml gives at several levels.

:func:`setting` describes a key and what it counts for. :class:`.params.Params` puts the parts together.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from pointrend.settings.validation import Strict

PositiveInt = Annotated[int, Field(gt=0, le=1_000_000_000)]
Count = Annotated[int, Field(ge=0, le=1_000_000_000)]
# Bounds far above all use: a typing error is refused here, before memory or arithmetic fails halfway.
Channels = Annotated[int, Field(gt=0, le=4096)]
Weight = Annotated[float, Field(ge=0, le=1000)]
Factor = Annotated[float, Field(ge=0.05, le=20)]
UpTo65536 = Annotated[int, Field(gt=0, le=65_536)]
UpTo1024 = Annotated[int, Field(ge=0, le=1024)]
Share = Annotated[float, Field(ge=0, le=1)]
Pixels = Annotated[int, Field(gt=0, le=8192)]
Pair = tuple[Pixels, Pixels]
Inference = Literal["fast", "exact", "bf16"]
# Both become parts of paths and of commands that a shell reads (DVC puts them there unquoted).
Name = Annotated[str, Field(pattern="^[A-Za-z][A-Za-z0-9_]*$", max_length=64)]
FileName = Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=128)]


def setting(description: str, **extra: Any) -> Any:
    """A field that enters the fingerprint and counts for comparability, unless ``extra`` states otherwise."""
    return Field(description=description, json_schema_extra=extra or None)


class Recipe(Strict):
    """How one run is trained and scored, completely (RECIPE sections 3-10)."""

    lr: Annotated[float, Field(gt=0, le=1000)] = setting("base learning rate of SGD")
    momentum: Share = setting("momentum of SGD")
    weight_decay: Share = setting("weight decay, on every parameter")
    poly_power: Annotated[float, Field(gt=0, le=100)] = setting("power of the polynomial schedule")
    min_lr_ratio: Share = setting("smallest learning rate as a share of lr")
    warmup_iterations: Count = setting("iterations of linear warm-up")
    warmup_ratio: Share = setting("share of the scheduled rate at the first iteration")
    batch_size: UpTo65536 = setting("images per iteration, over all GPUs")
    epochs: PositiveInt = setting("passes over the training images")
    base_size: Pair = setting("[long, short] side that images are resized to at scale 1, pixels")
    crop_size: Pair = setting("[height, width] of a training crop, pixels")
    scale_range: tuple[Factor, Factor] = setting("random resize factors")
    max_class_share: Share = setting("largest share of one class in an accepted crop")
    output_stride: Literal[8, 16, 32] = setting("stride of the backbone's last stage")
    width: Annotated[int, Field(gt=0, le=1024, multiple_of=2)] = setting(
        "channels after the stem; 64 is the real network"
    )
    fpn_channels: Channels = setting("channels of the feature pyramid")
    scale_channels: Channels = setting("channels of the scale heads")
    point_channels: Channels = setting("channels of the point head")
    zero_init_last_norm: bool = setting("start every residual branch at zero")
    pretrained: bool = setting("start from the ImageNet backbone", layer="scale")
    train_points: Annotated[int, Field(gt=0, le=1_000_000)] = setting("points per image in the point loss")
    oversample_ratio: Annotated[int, Field(gt=0, le=100)] = setting("candidates drawn per training point")
    importance_ratio: Share = setting("share of training points chosen by uncertainty")
    subdivision_steps: Annotated[int, Field(ge=0, le=10)] = setting("refinement steps at inference")
    subdivision_points: Annotated[int, Field(gt=0, le=1_000_000)] = setting("points refined per step")
    point_loss_weight: Weight = setting("weight of the point loss")
    coarse_loss_weight: Weight = setting("weight of the coarse loss")
    precision: Literal["float32", "tf32", "bf16"] = setting("arithmetic of training; tf32 is float32 without a GPU")
    gpus: UpTo65536 = setting("processes in all, one per GPU", part="machine")
    nodes: UpTo65536 = setting("machines that the GPUs are on", part="machine")
    device: Literal["cuda", "cpu", "auto"] = setting("where to train", part="machine")
    threads: UpTo1024 = setting("CPU threads per process, 0: torch's choice", part="machine")
    channels_last: bool = setting("memory layout of the network", part="machine")
    compile: bool = setting("train through torch.compile, which needs a C++ compiler", part="machine")
    deterministic: bool = setting("use only kernels that sum in a fixed order, where there are such", part="machine")
    workers: UpTo1024 = setting("loader processes per GPU", part="operation")
    store: Literal["raw", "compact"] = setting("form of the prepared images, when next prepared", part="operation")
    stage_to_tmpdir: bool = setting("copy the prepared data to $TMPDIR first", part="operation")
    checkpoint_minutes: Annotated[float, Field(ge=0, le=100_000)] = setting(
        "time between checkpoints", part="operation"
    )
    log_every: PositiveInt = setting("iterations between records in metrics.jsonl", part="operation")
    validation_epochs: Count = setting("epochs between scores on a part of val; 0: none", part="operation")
    validation_images: PositiveInt = setting("images of that part, evenly spaced over val", part="operation")
    pictures: Count = setting(
        "first val images drawn, besides the best, the median and the worst one", part="operation", layer="scale"
    )
    inference: Inference = setting("how images are segmented, not in training", part="scoring", layer="scale")

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        if self.batch_size % self.gpus:
            raise ValueError(f"batch_size {self.batch_size} cannot be divided among {self.gpus} gpus")
        if self.gpus % self.nodes:
            raise ValueError(f"{self.gpus} gpus cannot be divided among {self.nodes} nodes")
        if self.scale_range[0] > self.scale_range[1]:
            raise ValueError("scale_range must be [smallest, largest]")
        if self.batch_size == 1 and max(self.crop_size) <= self.output_stride:
            raise ValueError(f"batch norm needs more than one cell: batch_size 1 with crop_size {list(self.crop_size)}")
        return self

    @classmethod
    @cache
    def keys_of(cls, part: str) -> frozenset[str]:
        """Names of the keys of a part.

        ``recipe``, ``machine`` (recorded), ``scoring`` (changes no weights) or ``operation`` (changes no result).
        """
        return frozenset(name for name in cls.model_fields if _extra(name, "part", "recipe") == part)

    @classmethod
    def keys_of_layer(cls, layer: str) -> set[str]:
        """Names of the keys that params.yaml gives in a layer: ``recipe``, ``operation``, or ``scale`` itself."""
        others = {name: "operation" if name in cls.keys_of("operation") else "recipe" for name in cls.model_fields}
        return {name for name, other in others.items() if _extra(name, "layer", other) == layer}


def _extra(name: str, key: str, default: str) -> str:
    extra = Recipe.model_fields[name].json_schema_extra
    return str(extra.get(key, default)) if isinstance(extra, dict) else default
