"""Memory of this process: what it may use, and that it keeps what it freed while it fits.

Each step allocates and frees the same tensors of some megabytes. By default glibc gives such
memory back to the kernel at once, which hands it out again page by page, zeroed.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

#: Parameters of `mallopt` (malloc.h) and their values in bytes. Memory below the second comes from
#: the heap, whose free end is kept up to the first; 32 MiB is the most that glibc takes there.
_TRIM_THRESHOLD, _KEPT = -1, 1 << 30
_MMAP_THRESHOLD, _FROM_HEAP = -3, 32 << 20
#: Bytes that no machine has.
_UNLIMITED = 1 << 60


def keep_freed() -> bool:
    """Set it for this process; False where the C library has no such setting."""
    try:
        setting = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl, macOS
        return False
    return bool(setting(_TRIM_THRESHOLD, _KEPT) and setting(_MMAP_THRESHOLD, _FROM_HEAP))


def container_limit(groups: Path = Path("/sys/fs/cgroup")) -> int | None:
    """The most bytes that the container of this process may use; None without a limit.

    Of cgroup v2, or v1, whose largest number stands for no limit.
    """
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            text = (groups / name).read_text().strip()
        except OSError:
            continue
        return int(text) if text.isdigit() and int(text) < _UNLIMITED else None
    return None
