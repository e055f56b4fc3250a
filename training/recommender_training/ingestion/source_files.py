"""The files of a mapped source: which belongs to which table, and their content digests."""

from __future__ import annotations

import hashlib
from pathlib import Path

from recommender_training.common.errors import InputError
from recommender_training.ingestion import delta_source
from recommender_training.ingestion.mapping import Format, Mapping
from recommender_training.ingestion.source_file import SourceFile


def find(source: Path, mapping: Mapping, kind: Format = Format.CSV) -> dict[str, list[SourceFile]]:
    """Files of each mapped table, sorted by name; those of Delta tables by the time of writing.

    Raises InputError: DataMissing where there are none, UnreadableData, InvalidMapping where one
    file belongs to two tables.
    """
    if not source.is_dir():
        raise InputError("DataMissing", f"{source} is not a folder; put the raw files there")
    owners: dict[Path, str] = {}
    found: dict[str, list[SourceFile]] = {}
    for name, table in mapping.tables().items():
        is_delta = kind is Format.DELTA
        paths = (delta_source.tables if is_delta else _matches)(source, table.files)
        if not paths:
            raise InputError(
                "DataMissing",
                f"{source} has no {'Delta table' if is_delta else 'file'} {table.files} "
                f"({name}); add one or change "
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
        read = delta_source.files if is_delta else _plain
        found[name] = [file for path in paths for file in read(source, path)]
    return found


def _plain(source: Path, path: Path) -> list[SourceFile]:
    return [_file(source, path)]


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
