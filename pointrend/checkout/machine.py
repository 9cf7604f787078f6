"""The machine and the software that compute: which device is used, how memory is kept, and what is recorded.

docs/provenance.md explains every key. Nothing here enters a fingerprint.
"""

from __future__ import annotations

import ctypes
import logging
import os
import platform
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import cv2
import torch

from pointrend.checkout.source_version import lock_sha256, source_version
from pointrend.errors import MachineError

# Variables of the environment that choose how numbers are computed, and so change their last digits.
CUBLAS = "CUBLAS_WORKSPACE_CONFIG"  # the key `deterministic` sets it
ARITHMETIC = (
    *("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE"),
    *("DNNL_DEFAULT_FPMATH_MODE", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "OPENBLAS_CORETYPE"),
    *("OPENCV_CPU_DISABLE", "OPENCV_IPP", "NPY_DISABLE_CPU_FEATURES", "NPY_ENABLE_CPU_FEATURES"),
    *("GLIBC_TUNABLES", "NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", CUBLAS),
)
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's names (mallopt(3))
KEEP = 2**30  # bytes: smaller blocks are kept, and as much free memory at the end of the heap
log = logging.getLogger(__name__)


def choose_device(wanted: str) -> torch.device:
    """The device for ``wanted`` (``cuda``, ``cpu`` or ``auto``).

    Raises:
        MachineError: CUDA is wanted but not available, or torchrun has named a GPU that does not exist.
    """
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        do = "run on a machine with a GPU, or set device: auto in params.yaml"
        raise MachineError("this setting trains on CUDA, but torch finds no CUDA device", do)
    if wanted == "cpu" or not available:
        return torch.device("cpu")
    return torch.device("cuda", _local_rank())


def check_gpus(processes: int) -> None:
    """Make sure that this machine has a GPU for each of the processes that will run on it.

    Raises:
        MachineError: it has fewer, but at least one.
    """
    count = torch.cuda.device_count()
    if 0 < count < processes:
        do = f"set gpus: {count}, which changes no batch size, or use more nodes"
        raise MachineError(f"{processes} processes are to train on this machine, which has {count} GPUs", do)


def _local_rank() -> int:
    """The number of this process's GPU: the one that torchrun names, or the first one."""
    local = os.environ.get("LOCAL_RANK", "0") if os.environ.get("WORLD_SIZE") else "0"
    count, together = torch.cuda.device_count(), os.environ.get("LOCAL_WORLD_SIZE", "")
    check_gpus(int(together) if together.isdecimal() and os.environ.get("WORLD_SIZE") else 1)
    if not local.isdecimal() or int(local) >= count:
        do = "have torchrun start at most one process per GPU, or unset LOCAL_RANK and WORLD_SIZE"
        raise MachineError(f"LOCAL_RANK={local} is not one of the {count} GPUs of this machine, counted from 0", do)
    return int(local)


def keep_freed_memory() -> None:
    """Let this process reuse the memory that it frees. Does nothing where the C library is not glibc.

    glibc returns every large block to the system when it is freed. A training step on a CPU then has its tensors
    mapped, zeroed and unmapped again each time, which takes a fifth of the step (docs/performance.md).
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        log.debug("this C library has no mallopt; freed memory is returned to the system")
        return
    mallopt(M_MMAP_THRESHOLD, KEEP)
    mallopt(M_TRIM_THRESHOLD, KEEP)


def machine_record(device: torch.device) -> dict[str, Any]:
    """Device, processor, threads, versions, and the instruction sets in use."""
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
    """Instruction sets of torch and OpenCV, and the variables that choose them: different ones give different bytes."""
    found = {"torch": torch.backends.cpu.get_cpu_capability(), "opencv": cv2.getCPUFeaturesLine()}
    return found | {name: os.environ[name] for name in ARITHMETIC if name in os.environ}


def code_record(code_sha256: str) -> dict[str, Any]:
    """The code of a stage, its commit if git knows it, and the list of exact versions."""
    return {"code_sha256": code_sha256, "source": asdict(source_version()), "lock_sha256": lock_sha256()}


def precision_record(arithmetic: str) -> dict[str, str | bool]:
    """The requested ``arithmetic`` and torch's present settings; networks are made in torch's default type."""
    return {
        "arithmetic": arithmetic,
        "dtype": str(torch.get_default_dtype()).removeprefix("torch."),
        "tf32": torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }
