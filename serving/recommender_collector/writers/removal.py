"""Removes lines of a file a block at a time, so that the caller may do other things between."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Collection, Generator, Iterator
from pathlib import Path

import orjson

from recommender_collector.domain.events import Id
from recommender_collector.writers.file_batches import sync

BLOCK = 1 << 20  # bytes; a block has whole lines
LEFT_SECONDS = 10.0  # since the last write, after which the part of a killed writer is removed
#: Above so many users their ids are not looked for in blocks: each line is read.
_FEW = 32


class Finder:
    """Finds the lines of users. `is_of` says of a line that is JSON whether it is of them."""

    def __init__(
        self, users: Collection[Id], is_of: Callable[[bytes, Collection[Id]], bool]
    ) -> None:
        self._users = users
        self._is_of = is_of
        self._needles = [orjson.dumps(user) for user in users] if len(users) <= _FEW else None

    def without(self, block: bytes) -> bytes:
        """Return the lines of a block without those of the users; itself if it has none."""
        if not self._may_have(block):
            return block
        return kept(block, lambda line: self._may_have(line) and self._has(line))

    def _may_have(self, text: bytes) -> bool:
        """Return whether the ids occur in a text; with a backslash, they may be written anyhow."""
        if self._needles is None or b"\\" in text:
            return bool(text)
        return any(needle in text for needle in self._needles)

    def _has(self, line: bytes) -> bool:
        try:
            return self._is_of(line, self._users)
        except ValueError:  # damaged: its user is unknown
            return any(orjson.dumps(user) in line for user in self._users)


def kept(block: bytes, goes: Callable[[bytes], bool]) -> bytes:
    """Return a block without some of its lines; itself if none goes."""
    lines = block.split(b"\n")
    left = [line for line in lines if not (line and goes(line))]
    return block if len(left) == len(lines) else b"\n".join(left)


def steps(path: Path, without: Callable[[bytes], bytes]) -> Iterator[int]:
    """Remove lines of a file; yield after each block how many lines it removed.

    `without` returns the lines to keep of a block; the block itself, if it is all of them.
    The file is replaced at the end, so that a killed process leaves it whole.

    Raises:
        OSError: the file is as before, or another writer is about to replace it; repeat it.
    """
    done = False
    _sweep(path)
    with contextlib.suppress(FileNotFoundError):  # retention removed it
        while not done:
            found = False
            for block in blocks(path):
                found = without(block) is not block
                yield 0
                if found:
                    break
            done = not found or (yield from _rewritten(path, without))


def blocks(path: Path) -> Iterator[bytes]:
    """Yield a file in blocks of whole lines."""
    with path.open("rb") as source:
        while block := source.read(BLOCK):
            yield block if block.endswith(b"\n") else block + source.readline()


def _rewritten(path: Path, without: Callable[[bytes], bytes]) -> Generator[int, None, bool]:
    """Write the file without the lines, and put it in its place; return whether it is there."""
    folder, part = path.parent, _part(path)
    before, of_folder = path.stat(), folder.stat()
    removed = size = 0
    with part.open("xb") as out:  # of two writers one goes on
        own = os.fstat(out.fileno()).st_ino
        try:
            for block in blocks(path):
                left = without(block)
                size += out.write(left)
                removed += block.count(b"\n") - left.count(b"\n")
                out.flush()
                os.fsync(out.fileno())
                yield 0
            now = path.stat()
            is_same = (now.st_ino, now.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
            if not is_same or not _is(part, own):  # this writer stood still for too long
                return False
            if size:
                part.replace(path)
            else:
                path.unlink()
        finally:
            if _is(part, own):
                part.unlink()
    sync(folder)
    # Retention goes by the time of the folder.
    os.utime(folder, ns=(of_folder.st_atime_ns, of_folder.st_mtime_ns))
    yield removed
    return True


def _is(path: Path, inode: int) -> bool:
    try:
        return path.stat().st_ino == inode
    except FileNotFoundError:
        return False


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}")


def _sweep(path: Path) -> None:
    """Remove what a killed writer left; one that lives writes into it all the time."""
    with contextlib.suppress(FileNotFoundError):
        part = _part(path)
        if time.time() - part.stat().st_mtime > LEFT_SECONDS:
            part.unlink()
