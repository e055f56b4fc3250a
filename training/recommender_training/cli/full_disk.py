"""A disk without room, whoever met it: Python, Delta and Polars tell it in their own ways."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from recommender_training.artifact.staging import DiskFullError

_FULL = (errno.ENOSPC, errno.EDQUOT)
#: How `shutil` and Rust's standard library write the number of an error.
_WRITTEN = tuple(
    form.format(number) for number in _FULL for form in ("[Errno {}]", "os error {})")
)


def words(error: BaseException) -> str | None:
    """What to tell of an error that is, or came from, a full disk; None of any other."""
    for one in _chain(error):
        if isinstance(one, DiskFullError):
            return str(one.strerror)
        if isinstance(one, OSError) and one.errno in _FULL:
            return _told(one)
        if any(form in str(one) for form in _WRITTEN):
            return _told(one)
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and those that it came from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _told(error: BaseException) -> str:
    return (
        f"there is no room left on the disk ({str(error)[:300]}): make room, or enlarge the "
        "volume, and repeat the same command, which goes on from what there is"
    )
