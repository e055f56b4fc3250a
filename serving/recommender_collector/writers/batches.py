"""Micro-batches on disk: each a folder that appears whole, by a rename.

    <root>/<number>/interactions.jsonl   rows that training reads
    <root>/<number>/events.jsonl         all events, whole
    <root>/<number>/quarantine.jsonl     lines of the log that are no events, with the reason
    <root>/<number>/offset.json          the offset that this batch and the former ones reach
    <root>/_erasures/<offset>.jsonl      users who were erased, as digests, for the lakes

A file without rows is absent. The number of a batch is that of the former one plus 1. The rename
fails if the folder exists, so of two writers one wins, and the loser reads the log again from the
winner's offset: each event is in exactly one batch.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import orjson

INTERACTIONS, EVENTS, QUARANTINE = "interactions.jsonl", "events.jsonl", "quarantine.jsonl"
OFFSET = "offset.json"
ERASURES = "_erasures"
DIGITS = 12


class BatchesDamaged(Exception):  # noqa: N818 - a state, not an error
    """The newest batch has no readable offset; the message has the remedy."""


class Batches:
    """The batches of one model below a folder, which is created."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)

    def newest(self) -> tuple[int, str | None]:
        """Return the number of the newest batch and its offset; 0 and None without a batch.

        Raises:
            BatchesDamaged: see there.
        """
        folders = self._folders()
        if not folders:
            return 0, None
        path = folders[-1] / OFFSET
        try:
            offset = orjson.loads(path.read_bytes())["through"]
            milliseconds, _, number = offset.partition("-")
            int(milliseconds), int(number)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BatchesDamaged(
                f"{path} cannot be read ({str(error)[:100]}): restore it; without the offset, "
                "events would be written twice"
            ) from error
        return int(folders[-1].name), offset

    def commit(self, number: int, offset: str, files: Mapping[str, Sequence[bytes]]) -> bool:
        """Write a batch. It is durable when this returns True.

        Returns:
            False if another writer wrote a batch of this number.
        """
        staged = self._root / f".{uuid.uuid4().hex}"
        staged.mkdir()
        try:
            for name, lines in files.items():
                if lines:
                    write(staged / name, b"\n".join(lines) + b"\n")
            write(staged / OFFSET, orjson.dumps({"through": offset}))
            sync(staged)
            try:
                staged.rename(self._root / f"{number:0{DIGITS}d}")
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                return False
            sync(self._root)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        return True

    def list_erasures(self, offset: str, lines: Sequence[bytes]) -> None:
        """Write the list of the erasures up to an offset, for the readers of these files.

        It is durable when this returns. It is never removed: a lake may read it late.
        """
        folder = self._root / ERASURES
        folder.mkdir(exist_ok=True)
        part = folder / f".{uuid.uuid4().hex}"
        try:
            write(part, b"\n".join(lines) + b"\n")
            part.replace(folder / f"{offset}.jsonl")
        finally:
            part.unlink(missing_ok=True)
        sync(folder)
        sync(self._root)

    def rewrite(self, name: str, keeps: Callable[[bytes], bool]) -> int:
        """Remove the lines of all files of this name that `keeps` refuses; return their number."""
        return sum(_rewrite(folder / name, keeps) for folder in self._folders())

    def remove_before(self, time: float) -> int:
        """Remove batches written before `time`, in seconds since 1970; return their number.

        The newest stays, because it has the offset.
        """
        old = [path for path in self._folders()[:-1] if path.stat().st_mtime < time]
        for path in old:
            # Hidden first, so that no reader sees half of it.
            hidden = self._root / f".{path.name}"
            path.rename(hidden)
            shutil.rmtree(hidden)
        return len(old)

    def sweep(self, before: float) -> None:
        """Remove what killed writers left half done before `before`, in seconds since 1970."""
        for path in self._root.glob(".*"):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < before:
                    shutil.rmtree(path)

    def _folders(self) -> list[Path]:
        return sorted(
            path
            for path in self._root.iterdir()
            if len(path.name) == DIGITS and path.name.isdigit() and path.is_dir()
        )


def _rewrite(path: Path, keeps: Callable[[bytes], bool]) -> int:
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return 0
    kept = [line for line in lines if keeps(line)]
    if len(kept) == len(lines):
        return 0
    before = path.parent.stat()
    if kept:
        part = path.with_name(f".{path.name}")
        write(part, b"\n".join(kept) + b"\n")
        part.replace(path)
    else:
        path.unlink()
    sync(path.parent)
    # Retention goes by the time of the folder.
    os.utime(path.parent, ns=(before.st_atime_ns, before.st_mtime_ns))
    return len(lines) - len(kept)


def write(path: Path, content: bytes) -> None:
    """Write a new file and sync it to disk."""
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def sync(folder: Path) -> None:
    """Sync the names in a folder to disk."""
    with _opened(folder) as descriptor:
        os.fsync(descriptor)


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
