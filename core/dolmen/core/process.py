"""Settings of the process itself."""

from __future__ import annotations

import ctypes
import ctypes.util

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
MMAP_THRESHOLD_BYTES = 32 << 20  # glibc's maximum for the dynamic value; stripes stay on the heap below it
TRIM_THRESHOLD_BYTES = 64 << 20  # free memory at the top of the heap is given back above this


def tune_malloc() -> None:
    """Keep the buffers of stripes on the heap: mmap and munmap for each would cost a page fault for every 4 KiB.

    Without effect where the C library has no ``mallopt``.
    """
    try:
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES)
    except (OSError, AttributeError):
        pass
