"""What is written down about a training: the code, the machine and the software that it ran on. See docs/provenance.md.

Nothing here enters a fingerprint.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import cv2
import torch
from torch import nn

from pointrend.model.norm import JoinedBatchNorm
from pointrend.source_version import lock_sha256, source_version

if TYPE_CHECKING:
    from pointrend.training.loop import Trainer

CHECKPOINT_RULE = "last iteration of the last epoch, never the best"
"""Which weights are kept and scored (RECIPE section 11)."""


ARITHMETIC = (
    *("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE"),
    *("DNNL_DEFAULT_FPMATH_MODE", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "OPENBLAS_CORETYPE"),
    *("OPENCV_CPU_DISABLE", "OPENCV_IPP", "NPY_DISABLE_CPU_FEATURES", "NPY_ENABLE_CPU_FEATURES"),
    *("GLIBC_TUNABLES", "NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "CUBLAS_WORKSPACE_CONFIG"),
)
"""Variables of the environment that choose how numbers are computed, and so change their last digits."""


def machine_record(device: torch.device) -> dict[str, Any]:
    """Device, processor, threads, versions, and the instructions that these use of the processor."""
    cuda = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if cuda else "cpu",
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda if cuda else None,
        "cudnn": torch.backends.cudnn.version() if cuda else None,
        "numpy": version("numpy"),
        "opencv": version("opencv-python-headless"),
        "instruction_sets": instruction_sets(),
    }


def instruction_sets() -> dict[str, str]:
    """Instructions that torch and OpenCV use here, and the variables that were set: other ones give other bytes."""
    found = {"torch": torch.backends.cpu.get_cpu_capability(), "opencv": cv2.getCPUFeaturesLine()}
    return found | {name: os.environ[name] for name in ARITHMETIC if name in os.environ}


def code_record(code_sha256: str) -> dict[str, Any]:
    """The code of a stage, the commit that it is of as far as git knows, and the list of exact versions."""
    return {"code_sha256": code_sha256, "source": asdict(source_version()), "lock_sha256": lock_sha256()}


def training_record(trainer: Trainer, attempts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How a finished training was computed; the last of its ``attempts`` speaks for the code and the machine."""
    recipe, last = trainer.recipe, attempts[-1]
    return {
        **{key: last[key] for key in ("code_sha256", "source", "lock_sha256", "machine")},
        "attempts": list(attempts),
        "iterations": trainer.total,
        "iterations_per_epoch": trainer.epoch_iterations,
        "gpus": trainer.processes.count,
        "nodes": recipe.nodes,
        "images_per_gpu": recipe.batch_size // trainer.processes.count,
        "batch_norm": batch_norm_kind(trainer.model),
        "precision": precision_record(recipe.precision),
        "checkpoint_rule": CHECKPOINT_RULE,
        "seconds": round(trainer.progress.seconds, 1),
    }


def precision_record(arithmetic: str) -> dict[str, str | bool]:
    """The ``arithmetic`` that was asked for, and what torch has now; networks are made in its default type."""
    return {
        "arithmetic": arithmetic,
        "dtype": str(torch.get_default_dtype()).removeprefix("torch."),
        "tf32": torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }


def batch_norm_kind(model: nn.Module) -> str:
    """What the network's norms are: of one process, torch's synchronised ones, or ours on CPUs."""
    kinds = {nn.SyncBatchNorm: "SyncBatchNorm", JoinedBatchNorm: "JoinedBatchNorm", nn.BatchNorm2d: "BatchNorm"}
    return next(name for kind, name in kinds.items() if any(isinstance(module, kind) for module in model.modules()))
