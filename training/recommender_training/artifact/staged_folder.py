"""Write a folder that appears complete, with one rename, or not at all."""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

from recommender_training.artifact import store
from recommender_training.common.durable_files import fsync_folder

_FULL = {errno.ENOSPC, errno.EDQUOT}


class DiskFullError(OSError):
    """Raised if the artifact does not fit on the disk; retry after freeing space."""


@contextlib.contextmanager
def staged(output: Path) -> Iterator[Path]:
    """Yield a folder to fill, which then replaces `output`.

    After an error, no part of it remains. Raises DiskFullError if the disk is full.
    """
    partial = output.with_name(f".{output.name}.partial")
    if partial.exists():
        shutil.rmtree(partial)
    try:
        yield partial
        store.seal(partial)
        if output.exists():
            shutil.rmtree(output)
        partial.rename(output)
        fsync_folder(output.parent)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OSError) and error.errno in _FULL:
            raise DiskFullError(error.errno, _message(output, error)) from error
        raise


def _message(output: Path, error: OSError) -> str:
    folder = next(path for path in output.parents if path.exists())
    disk = shutil.disk_usage(folder)
    return (
        f"the artifact does not fit on the disk of {output} ({error.strerror}): "
        f"{disk.free / 1e6:.1f} of {disk.total / 1e6:.1f} MB are free, and no part of it remains; "
        "free space or enlarge the volume, and train again"
    )
