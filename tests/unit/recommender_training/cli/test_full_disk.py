"""A full disk is detected in the errors of Python, Delta and Polars."""

from __future__ import annotations

import errno
import shutil

import pytest
from deltalake.exceptions import DeltaError

from recommender_training.artifact.staged_folder import DiskFullError
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
def test_a_full_disk_is_reported_with_its_remedy(error: Exception) -> None:
    message = full_disk.message(error)
    assert message is not None
    assert "free space" in message
    assert len(message) < 600


def test_the_free_space_is_reported_if_it_is_known() -> None:
    assert full_disk.message(DiskFullError(errno.ENOSPC, "1.0 of 2.0 MB are free")) == (
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
def test_other_errors_are_not_reported_as_a_full_disk(error: Exception) -> None:
    assert full_disk.message(error) is None
