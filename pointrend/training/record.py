"""What is written down about the machine and the software that trained a run."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

import torch


def machine_record(device: torch.device) -> dict[str, str | int | None]:
    """Device, processor, threads and versions; recorded, never part of a fingerprint."""
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda if device.type == "cuda" else None,
        "numpy": version("numpy"),
        "opencv": version("opencv-python-headless"),
    }
