"""The files of a mapped source: which belongs to which table, and their content digests."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from recommender_training.data.mapping import Mapping
from recommender_training.errors import InputError


@dataclass(frozen=True)
class SourceFile:
    """A raw file. `batch` is its content digest: the same bytes are the same batch."""

    path: Path
    name: str  # relative to the source
    batch: str


def find(source: Path, mapping: Mapping) -> dict[str, list[SourceFile]]:
    """Files of each mapped table, sorted by name.

    Raises InputError: DataMissing where there are none, UnreadableData, InvalidMapping where one
    file belongs to two tables.
    """
    if not source.is_dir():
        raise InputError("DataMissing", f"{source} is not a folder; put the raw files there")
    owners: dict[Path, str] = {}
    found: dict[str, list[SourceFile]] = {}
    for name, table in mapping.tables().items():
        paths = _matches(source, table.files)
        if not paths:
            raise InputError(
                "DataMissing",
                f"{source} has no file {table.files} ({name}); add one or change "
                f"mapping.{name}.files",
            )
        for path in paths:
            if path in owners:
                raise InputError(
                    "InvalidMapping",
                    f"{path.relative_to(source)} is a file of both {owners[path]} and {name}; "
                    f"make mapping.{owners[path]}.files or mapping.{name}.files narrower",
                )
            owners[path] = name
        found[name] = [_file(source, path) for path in paths]
    return found


def _matches(source: Path, pattern: str) -> list[Path]:
    """Regular files inside the source; hidden ones are what writers have not finished."""
    root = source.resolve()
    return sorted(
        path
        for path in source.glob(pattern)
        if path.is_file()
        and path.resolve().is_relative_to(root)
        and not any(part.startswith((".", "_")) for part in path.relative_to(source).parts)
    )


def _file(source: Path, path: Path) -> SourceFile:
    try:
        if path.stat().st_size == 0:
            raise InputError(
                "UnreadableData",
                f"{path} is empty, as after an upload that was cut short; write it again, or "
                "remove it",
            )
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()[:32]
    except OSError as error:
        raise InputError(
            "UnreadableData", f"{path} cannot be read ({error}); repair the file or its rights"
        ) from error
    return SourceFile(path, str(path.relative_to(source)), digest)
