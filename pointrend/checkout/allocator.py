"""Memory that is freed stays with the process, to be used again at the next step.

glibc gives every large block back to the system when it is freed. A training step on a CPU then has its tensors mapped,
zeroed and unmapped again each time, which takes a fifth of the step (docs/performance.md).
"""

from __future__ import annotations

import ctypes
import logging

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""glibc's names (mallopt(3))."""
KEEP = 2**30
"""Bytes: blocks below this size are kept, and so is as much free memory at the end of the heap."""
GLIBC = 2**25
"""Bytes: what glibc's own threshold grows to in a process that frees large blocks (mallopt(3), M_MMAP_THRESHOLD)."""
log = logging.getLogger(__name__)


def keep_freed_memory() -> None:
    """Let this process reuse the memory that it frees. Does nothing where the C library is not glibc."""
    _set_thresholds(KEEP, KEEP)


def return_freed_memory() -> None:
    """What glibc does by itself, for comparison."""
    _set_thresholds(GLIBC, 2 * GLIBC)


def _set_thresholds(mmap: int, trim: int) -> None:
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        log.debug("this C library has no mallopt; freed memory goes back to the system")
        return
    mallopt(M_MMAP_THRESHOLD, mmap)
    mallopt(M_TRIM_THRESHOLD, trim)
