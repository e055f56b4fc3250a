"""A full disk is told as one, in whatever words it came."""

from __future__ import annotations

import errno
import shutil

import pytest
from deltalake.exceptions import DeltaError

from recommender_training.artifact.staging import DiskFullError
from recommender_training.cli import full_disk


def caused(error: Exception, by: Exception) -> Exception:
    error.__cause__ = by
    return error


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        shutil.Error([("a", "b", "[Errno 28] No space left on device: 'b'")]),
        DeltaError("Unable to copy data to file: No space left on device (os error 28)"),
        caused(RuntimeError("it broke"), OSError(errno.ENOSPC, "No space left on device")),
    ],
)
def test_a_full_disk_is_told_with_its_remedy(error: Exception) -> None:
    told = full_disk.words(error)
    assert told is not None
    assert "make room" in told
    assert len(told) < 600


def test_what_is_known_of_the_room_is_told_as_it_is() -> None:
    assert full_disk.words(DiskFullError(errno.ENOSPC, "1.0 of 2.0 MB are free")) == (
        "1.0 of 2.0 MB are free"
    )


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EACCES, "Permission denied"),
        DeltaError("connection refused (os error 281)"),
        ValueError("28"),
    ],
)
def test_other_errors_are_none(error: Exception) -> None:
    assert full_disk.words(error) is None
