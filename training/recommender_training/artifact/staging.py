"""A folder that appears whole, by one rename, or not at all."""

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
    """There is no room for the artifact: the same command succeeds once there is."""


@contextlib.contextmanager
def staged(output: Path) -> Iterator[Path]:
    """A folder to fill, which becomes `output`, in place of what was there.

    Whatever goes wrong, no part of it is left. Raises DiskFullError where that is the cause.
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
            raise DiskFullError(error.errno, _words(output, error)) from error
        raise


def _words(output: Path, error: OSError) -> str:
    folder = next(path for path in output.parents if path.exists())
    room = shutil.disk_usage(folder)
    return (
        f"the artifact does not fit on the disk of {output} ({error.strerror}): "
        f"{room.free / 1e6:.1f} of {room.total / 1e6:.1f} MB are free and nothing of it is left; "
        "free space or enlarge the volume, and train again"
    )
