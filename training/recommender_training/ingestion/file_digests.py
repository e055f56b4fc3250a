"""Digests of raw files, which a lake remembers, so that a check reads a file once.

A file is the same while its size, inode, time of change and time of the change of its inode are:
no program can set the last one, so a file that is written again, in place or by a rename, is read
again. As in the index of Git, a file that was changed just before its digest was computed is not
remembered: a second change at the same tick of the clock would not show.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from recommender_training.common.durable_files import fsync_folder
from recommender_training.common.progress import say

FILE = "source_files.parquet"
#: Seconds for which a file must have been unchanged: file systems may round times to two.
SETTLED = 3.0
_SCHEMA = pl.Schema(
    {
        "name": pl.String,
        "size": pl.Int64,
        "inode": pl.UInt64,
        "changed_ns": pl.Int64,
        "inode_changed_ns": pl.Int64,
        "digest": pl.String,
    }
)
_State = tuple[int, int, int, int]


class FileDigests:
    """Computes digests of the files of a source; those of `known` files are not read."""

    def __init__(self, known: Mapping[str, tuple[_State, str]] | None = None) -> None:
        self._known = dict(known or {})
        self._found: dict[str, tuple[_State, str]] = {}
        self._is_new = False

    @classmethod
    def of(cls, lake: Path) -> FileDigests:
        """Return those that the lake remembers; none if its record is missing or damaged."""
        try:
            rows = pl.read_parquet(lake / FILE, schema=_SCHEMA).rows()
        except FileNotFoundError:
            return cls()
        except (OSError, pl.exceptions.PolarsError) as error:
            say(f"check: {lake / FILE} cannot be read ({str(error)[:100]}): all files are read")
            return cls()
        return cls({name: ((*state,), digest) for name, *state, digest in rows})

    def digest(self, name: str, path: Path) -> str:
        """Return the first 32 hex digits of the SHA-256 of a file.

        Raises:
            OSError: it cannot be read.
        """
        state = _state(path.stat())
        known = self._known.get(name)
        if known is not None and known[0] == state:
            self._found[name] = known
            return known[1]
        now = time.time_ns()
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()[:32]
            is_same = _state(os.fstat(stream.fileno())) == state
        if is_same and max(state[2:]) < now - SETTLED * 1e9:
            self._found[name] = (state, digest)
            self._is_new = True
        return digest

    def write(self, lake: Path) -> None:
        """Remember the digests of the files that were found. The caller holds the lake's lock."""
        if not self._is_new and self._found.keys() == self._known.keys():
            return
        rows = [(name, *state, digest) for name, (state, digest) in sorted(self._found.items())]
        part = lake / f".{FILE}.part"
        pl.DataFrame(rows, schema=_SCHEMA, orient="row").write_parquet(part)
        part.replace(lake / FILE)
        fsync_folder(lake)


def _state(found: os.stat_result) -> _State:
    return found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns
