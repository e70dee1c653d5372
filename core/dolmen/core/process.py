"""Settings of the process itself."""

from __future__ import annotations

import ctypes
import ctypes.util
import gc
import resource

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


GC_YOUNG_OBJECTS = 20_000  # allocations between two looks at the young: the default of 700 costs a server 4 % of its CPU
GC_OLD_ROUNDS = 50  # of those before the old are looked at as well: our cycles are few (exceptions, cancelled tasks)


def tune_gc() -> None:
    """For a server, once it has started: what exists now is never looked at again, the rest less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_YOUNG_OBJECTS, GC_OLD_ROUNDS, GC_OLD_ROUNDS)


def raise_file_limit() -> None:
    """As many open files as the system lets this process have: a datanode keeps one open for each volume."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


BUFFER_ALIGN_BYTES = 64  # a cache line; and never page offset 8 or 16, where reads into memory ran 8 times slower (Zen 3)
_PLAIN_BYTES_MAX = 4096  # below this zeroing costs less than the call
_new_bytearray = ctypes.pythonapi.PyByteArray_FromStringAndSize  # with NULL: the bytes are not initialised
_new_bytearray.restype = ctypes.py_object
_new_bytearray.argtypes = [ctypes.c_void_p, ctypes.c_ssize_t]


def new_buffer(size: int) -> memoryview:
    """A writable buffer of ``size`` bytes whose contents are undefined: the caller fills it before anything reads it.

    Fresh for each call and never pooled: a send, a thread or a decoder that still holds a view of it keeps it alive, so
    it cannot be written twice under a reader.
    """
    if size <= _PLAIN_BYTES_MAX:
        return memoryview(bytearray(size))
    raw = _new_bytearray(None, size + BUFFER_ALIGN_BYTES - 1)
    skip = -ctypes.addressof(ctypes.c_char.from_buffer(raw)) % BUFFER_ALIGN_BYTES
    return memoryview(raw)[skip : skip + size]
