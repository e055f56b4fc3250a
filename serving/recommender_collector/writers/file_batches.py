"""Micro-batches on disk: each a folder that appears whole, by a rename.

    <root>/<number>/interactions.jsonl   rows that training reads
    <root>/<number>/events.jsonl         all events, whole
    <root>/<number>/quarantine.jsonl     lines of the log that are no events, with the reason
    <root>/<number>/offset.json          the offset that this batch and the former ones reach
    <root>/_erasures/<offset>.jsonl      users who were erased, as digests, for the lakes
    <root>/_lakes/<lake>.json            how far a lake has read (lakes.py)
    <root>/_erasing/                     erasures that have not ended here (erasing.py)

A file without rows is absent. The number of a batch is that of the former one plus 1. The rename
fails if the folder exists, so of two writers one wins, and the loser reads the log again from the
winner's offset: each event is in exactly one batch.
"""

from __future__ import annotations

import bisect
import contextlib
import errno
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import orjson

INTERACTIONS, EVENTS, QUARANTINE = "interactions.jsonl", "events.jsonl", "quarantine.jsonl"
OFFSET = "offset.json"
ERASURES = "_erasures"
DIGITS = 12
#: Batches that are removed at once, which takes some seconds of a slow volume.
MOST_REMOVED = 100


_OFFSET = re.compile("[0-9]+-[0-9]+")


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
        return int(folders[-1].name), self._offset_of(folders[-1])

    def _offset_of(self, folder: Path) -> str:
        path = folder / OFFSET
        try:
            offset: str = orjson.loads(path.read_bytes())["through"]
            order(offset)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BatchesDamaged(
                f"{path} cannot be read ({str(error)[:100]}): restore it; without the offset, "
                "events would be written twice"
            ) from error
        return offset

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
                staged.rename(self.folder(number))
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
        replace(self._root / ERASURES / f"{offset}.jsonl", b"\n".join(lines) + b"\n")

    @property
    def root(self) -> Path:
        """The folder of the batches."""
        return self._root

    def numbers(self) -> list[int]:
        """Return the numbers of all batches, sorted."""
        return [int(path.name) for path in self._folders()]

    def folder(self, number: int) -> Path:
        """Return the folder of a batch."""
        return self._root / f"{number:0{DIGITS}d}"

    def lists(self) -> dict[tuple[int, int], Path]:
        """Return the lists of erasures by the key of their offset."""
        found = (self._root / ERASURES).glob("*.jsonl")
        return {order(each.stem): each for each in found if _OFFSET.fullmatch(each.stem)}

    def erased_after(self, number: int) -> frozenset[str]:
        """Return the digests of the users whose erasure came after a batch.

        Raises:
            OSError, BatchesDamaged: see there.
        """
        reached = self._offset_of(self.folder(number))
        return frozenset(
            orjson.loads(line)["user"]
            for key, path in self.lists().items()
            if key > order(reached)
            for line in path.read_bytes().splitlines()
        )

    def erased_at(self, digest: str) -> tuple[int, int] | None:
        """Return the key of the newest list of erasures that has a user; None if none has."""
        return max(
            (key for key, path in self.lists().items() if digest.encode() in path.read_bytes()),
            default=None,
        )

    def remove_before(self, time: float, through: int) -> int:
        """Remove the oldest batches that were written before `time` and have been read.

        `time` is in seconds since 1970, and all readers have read the batches `through` a number.
        The newest batch stays, because it has the offset, and so do all beyond the first
        `MOST_REMOVED`: the next call removes them.

        Returns:
            How many batches are as old and stay, because a reader has not read them.
        """
        folders = self._folders()[:-1]
        old = folders[: bisect.bisect_left(folders, time, key=lambda path: path.stat().st_mtime)]
        read = [path for path in old if int(path.name) <= through]
        for path in read[:MOST_REMOVED]:
            # Hidden first, so that no reader sees half of it.
            hidden = self._root / f".{path.name}"
            path.rename(hidden)
            shutil.rmtree(hidden)
        return len(old) - len(read)

    def sweep(self, before: float) -> None:
        """Remove what killed writers left half done before `before`, in seconds since 1970."""
        for path in self._root.glob(".*"):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < before:
                    shutil.rmtree(path)

    def _folders(self) -> list[Path]:
        with os.scandir(
            self._root
        ) as entries:  # which knows what a folder is without a look at it
            names = [
                each.name
                for each in entries
                if len(each.name) == DIGITS and each.name.isdigit() and each.is_dir()
            ]
        return [self._root / name for name in sorted(names)]


def order(offset: str) -> tuple[int, int]:
    """Return a key that sorts offsets.

    Raises:
        ValueError: it is none.
    """
    milliseconds, _, number = offset.partition("-")
    return int(milliseconds), int(number)


def write(path: Path, content: bytes) -> None:
    """Write a new file and sync it to disk."""
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def replace(path: Path, content: bytes) -> None:
    """Write a file that appears whole, below a folder that is created; it is durable then."""
    folder = path.parent
    folder.mkdir(exist_ok=True)
    part = folder / f".{uuid.uuid4().hex}"
    try:
        write(part, content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    sync(folder)
    sync(folder.parent)


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
