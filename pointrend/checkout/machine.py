"""The machine and the software that compute: which device is taken, and what is written down of it.

docs/provenance.md says what every key means. Nothing here enters a fingerprint.
"""

from __future__ import annotations

import os
import platform
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import cv2
import torch

from pointrend.checkout.source_version import lock_sha256, source_version
from pointrend.errors import MachineError

ARITHMETIC = (
    *("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE"),
    *("DNNL_DEFAULT_FPMATH_MODE", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "OPENBLAS_CORETYPE"),
    *("OPENCV_CPU_DISABLE", "OPENCV_IPP", "NPY_DISABLE_CPU_FEATURES", "NPY_ENABLE_CPU_FEATURES"),
    *("GLIBC_TUNABLES", "NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "CUBLAS_WORKSPACE_CONFIG"),
)
"""Variables of the environment that choose how numbers are computed, and so change their last digits."""


def choose_device(wanted: str) -> torch.device:
    """The device for ``wanted`` (``cuda``, ``cpu`` or ``auto``).

    Raises:
        MachineError: CUDA is wanted and not there, or torchrun has named a GPU that is not.
    """
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        do = "run where there is one, or set device: auto in params.yaml"
        raise MachineError("this setting trains on CUDA and torch sees no CUDA device", do)
    if wanted == "cpu" or not available:
        return torch.device("cpu")
    return torch.device("cuda", _local_rank())


def _local_rank() -> int:
    """Which GPU of this machine is ours: what torchrun says, or the first one."""
    local = os.environ.get("LOCAL_RANK", "0") if os.environ.get("WORLD_SIZE") else "0"
    there = torch.cuda.device_count()
    if not local.isdecimal() or int(local) >= there:
        do = "let torchrun start no more processes a machine than it has GPUs, or unset LOCAL_RANK and WORLD_SIZE"
        raise MachineError(f"LOCAL_RANK={local} is none of the {there} GPUs of this machine, counted from 0", do)
    return int(local)


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


def precision_record(arithmetic: str) -> dict[str, str | bool]:
    """The ``arithmetic`` that was asked for, and what torch has now; networks are made in its default type."""
    return {
        "arithmetic": arithmetic,
        "dtype": str(torch.get_default_dtype()).removeprefix("torch."),
        "tf32": torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }
