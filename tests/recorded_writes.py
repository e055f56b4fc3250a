"""What a call does to the files of a folder, step by step, and the folder as a kill leaves it.

inotify tells the order. A file that is written has three states more than its name: it is empty,
half there, or whole.
"""

from __future__ import annotations

import ctypes
import enum
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

_HEAD = "iIII"  # watch, mask, cookie, length of the name: inotify(7)
_IS_FOLDER = 0x40000000


class Happened(enum.IntEnum):
    """What became of a name."""

    CLOSED = 0x8  # after writing
    MOVED_FROM = 0x40
    MOVED_TO = 0x80
    CREATED = 0x100
    DELETED = 0x200


@dataclass(frozen=True)
class Step:
    """One change of a file; `content` is what it then has, None where it is gone."""

    path: Path  # relative to the folder
    content: bytes | None

    def take(self, folder: Path) -> None:
        """Do it in another folder."""
        if self.content is None:
            (folder / self.path).unlink()
        else:
            (folder / self.path).write_bytes(self.content)


def record(folder: Path, work: Callable[[], object]) -> list[Step]:
    """The steps of `work` in the folders that are there before it."""
    libc = ctypes.CDLL(None, use_errno=True)
    handle = libc.inotify_init1(os.O_NONBLOCK)
    if handle < 0:
        raise OSError(ctypes.get_errno(), "inotify_init1")
    try:
        folders: dict[int, Path] = {}
        for path in [folder, *(each for each in folder.rglob("*") if each.is_dir())]:
            watch = libc.inotify_add_watch(handle, os.fsencode(path), sum(Happened))
            if watch < 0:
                raise OSError(ctypes.get_errno(), f"inotify_add_watch {path}")
            folders[watch] = path.relative_to(folder)
        work()
        events = list(_events(handle, folders))
    finally:
        os.close(handle)
    return list(_steps(folder, events))


def _events(handle: int, folders: dict[int, Path]) -> Iterator[tuple[Happened, Path]]:
    while True:
        try:
            data = os.read(handle, 1 << 16)
        except BlockingIOError:
            return
        while data:
            watch, mask, _, length = struct.unpack_from(_HEAD, data)
            end = struct.calcsize(_HEAD) + length
            name = data[struct.calcsize(_HEAD) : end].rstrip(b"\0").decode()
            data = data[end:]
            for kind in Happened:
                if mask & kind and not mask & _IS_FOLDER:
                    yield kind, folders[watch] / name


def _steps(folder: Path, events: list[tuple[Happened, Path]]) -> Iterator[Step]:
    for number, (kind, path) in enumerate(events):
        later = events[number + 1 :]
        if kind in (Happened.DELETED, Happened.MOVED_FROM):
            yield Step(path, None)
        elif kind is Happened.CREATED:
            content = _content(folder, path, later)
            if (Happened.CLOSED, path) in later:  # otherwise it is a link to a whole file
                yield Step(path, b"")
                yield Step(path, content[: len(content) // 2])
            yield Step(path, content)
        elif kind is Happened.MOVED_TO:
            yield Step(path, _content(folder, path, later))


def _content(folder: Path, path: Path, later: list[tuple[Happened, Path]]) -> bytes:
    """What the file had at its end; of one under a passing name, under that which it got."""
    if (folder / path).is_file():
        return (folder / path).read_bytes()
    names = (
        name
        for kind, name in later
        if kind in (Happened.CREATED, Happened.MOVED_TO) and name.parent == path.parent
    )
    return (folder / next(names)).read_bytes()
