"""Durable writes and digests of files."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_CHUNK = 1 << 20


def sha256_file(path: Path) -> str:
    """Return the hex SHA-256 of a file, read in chunks of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def write_bytes(path: Path, data: bytes | memoryview) -> None:
    """Write a new file and flush it to the disk."""
    with new_file(path) as stream:
        stream.write(data)


def replace_bytes(path: Path, data: bytes) -> None:
    """Write or replace a file: a reader sees the old content or the new, never a part of it.

    Its new name is durable once `fsync_folder` has flushed the folder.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}")
    write_bytes(part, data)
    part.rename(path)


@contextlib.contextmanager
def replacement(path: Path) -> Iterator[Path]:
    """A name beside `path` to write under; in the end the file takes the place of `path`, durably.

    After an error `path` is as before.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield part
        with part.open("rb") as stream:
            os.fsync(stream.fileno())
        part.rename(path)
        fsync_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A new file to write to, flushed to the disk in the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        yield stream
        stream.flush()
        os.fsync(stream.fileno())


def canonical_json(value: object) -> bytes:
    """Return JSON whose bytes depend only on the value.

    Raises ValueError for NaN and infinities.
    """
    text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=True, allow_nan=False)
    return text.encode() + b"\n"


def fsync_folder(path: Path) -> None:
    """Flush a folder's entries (the names of its files) to the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def fsync_tree(root: Path) -> None:
    """Flush every folder below `root`, and `root` itself."""
    for folder, _, _ in os.walk(root):
        fsync_folder(Path(folder))
