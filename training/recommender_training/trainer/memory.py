"""Freed memory stays with the process while a model is fitted.

Each step allocates and frees the same tensors of some megabytes. By default glibc gives such
memory back to the kernel at once, which hands it out again page by page, zeroed.
"""

from __future__ import annotations

import ctypes

#: Parameters of `mallopt` (malloc.h) and their values in bytes. Memory below the second comes from
#: the heap, whose free end is kept up to the first; 32 MiB is the most that glibc takes there.
_TRIM_THRESHOLD, _KEPT = -1, 1 << 30
_MMAP_THRESHOLD, _FROM_HEAP = -3, 32 << 20


def keep_freed() -> bool:
    """Set it for this process; False where the C library has no such setting."""
    try:
        setting = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl, macOS
        return False
    return bool(setting(_TRIM_THRESHOLD, _KEPT) and setting(_MMAP_THRESHOLD, _FROM_HEAP))
