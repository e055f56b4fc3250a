"""Detect a full disk in the errors of Python, Delta and Polars."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from recommender_training.artifact.staged_folder import DiskFullError

_FULL = (errno.ENOSPC, errno.EDQUOT)
#: How `shutil` and Rust's standard library format the number of an error.
_FORMATTED = tuple(
    form.format(number) for number in _FULL for form in ("[Errno {}]", "os error {})")
)


def message(error: BaseException) -> str | None:
    """Return the message for an error caused by a full disk, or None for any other error."""
    for one in _chain(error):
        if isinstance(one, DiskFullError):
            return str(one.strerror)
        if isinstance(one, OSError) and one.errno in _FULL:
            return _with_remedy(one)
        if any(form in str(one) for form in _FORMATTED):
            return _with_remedy(one)
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error and its causes."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _with_remedy(error: BaseException) -> str:
    return (
        f"the disk is full ({str(error)[:300]}): free space or enlarge the volume, then repeat "
        "the command; it resumes"
    )
