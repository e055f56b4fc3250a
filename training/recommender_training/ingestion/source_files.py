"""Find the files of a source by table, and identify their contents.

The files of a Delta table are the data files of its newest version. Such a file never changes and
its name is never reused, so table, name and size identify it as a batch without reading it again.
Other files are identified by their digests, which a lake remembers (file_digests.py).
"""

from __future__ import annotations

import hashlib
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from recommender_contract.resource.mapping import Format
from recommender_training.common.errors import InputError
from recommender_training.common.progress import say
from recommender_training.ingestion.file_digests import FileDigests
from recommender_training.ingestion.mapping import Mapping

#: Table features under which the Parquet files still are exactly the rows.
_READABLE = {"timestampNtz", "v2Checkpoint", "vacuumProtocolCheck"}
_LOG = "_delta_log"
#: Names that the writer of the collector gives to its files (docs/event-files.md).
_INTERACTIONS, _EVENTS = "interactions.jsonl", "events.jsonl"


@dataclass(frozen=True)
class SourceFile:
    """A raw file. Files with the same `batch` have the same content, which is read once."""

    path: Path
    name: str  # relative to the source
    batch: str
    #: Values of columns that a file of a Delta table may lack: the value of its partition, or
    #: None if the file is older than the column.
    given: dict[str, str | None] = field(default_factory=dict)


def find_files(
    source: Path,
    mapping: Mapping,
    kind: Format = Format.CSV,
    digests: FileDigests | None = None,
) -> dict[str, list[SourceFile]]:
    """Return the files of each mapped table, sorted by name; Delta files by time of writing.

    Files whose digest is known are not read.

    Raises InputError: DataMissing if a table has no files, UnreadableData, InvalidMapping if a
    file belongs to two tables by different patterns.
    """
    if not source.is_dir():
        raise InputError("DataMissing", f"{source} is not a folder; put the raw files there")
    known = digests or FileDigests()
    owners: dict[Path, str] = {}
    patterns: dict[Path, str] = {}
    found: dict[str, list[SourceFile]] = {}
    for name, table in mapping.tables().items():
        is_delta = kind is Format.DELTA
        paths = (_delta_tables if is_delta else matches)(source, table.files)
        if not paths:
            raise _missing(source, name, table.files, "Delta table" if is_delta else "file")
        for path in paths:
            # The pattern of the interactions is meant: their columns describe users or items, too.
            same = table.files == mapping.interactions.files == patterns.get(path)
            if path in owners and not same:
                raise InputError(
                    "InvalidMapping",
                    f"{path.relative_to(source)} belongs to both {owners[path]} and {name}; "
                    f"make mapping.{owners[path]}.files or mapping.{name}.files narrower",
                )
            owners[path], patterns[path] = name, table.files
        if is_delta:
            found[name] = delta(source, table.files)
        else:
            found[name] = [_file(source, path, known) for path in paths]
    return found


def _missing(source: Path, name: str, files: str, what: str) -> InputError:
    return InputError(
        "DataMissing",
        f"{source} has no {what} {files} ({name}); add one or change mapping.{name}.files",
    )


def of_the_collector(
    source: Path,
    found: dict[str, list[SourceFile]],
    kind: Format,
    digests: FileDigests | None = None,
) -> list[SourceFile]:
    """Return the files with whole events beside the interactions that the collector writes.

    These are no table of the mapping. A file that is one, or a link, is none of them.
    """
    if kind is not Format.JSON_LINES:
        return []
    mapped = {file.path for files in found.values() for file in files}
    beside = [
        file.path.with_name(_EVENTS)
        for file in found["interactions"]
        if file.path.name == _INTERACTIONS
    ]
    known = digests or FileDigests()
    return [
        _file(source, path, known)
        for path in beside
        if path not in mapped and path.is_file() and not path.is_symlink() and path.stat().st_size
    ]


def matches(source: Path, pattern: str) -> list[Path]:
    """Return regular files inside the source, without hidden ones, which are unfinished."""
    root = source.resolve()
    return sorted(
        path
        for path in source.glob(pattern)
        if path.is_file()
        and path.resolve().is_relative_to(root)
        and not any(part.startswith((".", "_")) for part in path.relative_to(source).parts)
    )


def _file(source: Path, path: Path, digests: FileDigests) -> SourceFile:
    name = str(path.relative_to(source))
    try:
        if path.stat().st_size == 0:
            raise InputError(
                "UnreadableData",
                f"{path} is empty, as after an interrupted upload; write it again, or remove it",
            )
        digest = digests.digest(name, path)
    except OSError as error:
        raise InputError(
            "UnreadableData",
            f"{path} cannot be read ({error}); repair the file or its permissions",
        ) from error
    return SourceFile(path, name, digest)


def delta(source: Path, pattern: str) -> list[SourceFile]:
    """Return the data files of the Delta tables that match `pattern`, as `_delta_files` does."""
    return [file for path in _delta_tables(source, pattern) for file in _delta_files(source, path)]


def _delta_tables(source: Path, pattern: str) -> list[Path]:
    """Return the folders that match `pattern` and hold a Delta table, sorted."""
    root = source.resolve()
    return sorted(
        path
        for path in source.glob(pattern.rstrip("/"))
        if (path / _LOG).is_dir()
        and path.resolve().is_relative_to(root)
        and not any(part.startswith((".", "_")) for part in path.relative_to(source).parts)
    )


def _delta_files(source: Path, folder: Path) -> list[SourceFile]:
    """Return the data files of the newest version of a table, oldest first.

    Raises InputError `UnreadableData` if the table is damaged, or if its files are not exactly its
    rows (deletion vectors, column mapping, shallow clones).
    """
    name = str(folder.relative_to(source))
    try:
        table = DeltaTable(str(folder))
        _check_protocol(name, table)
        identity = str(table.metadata().id)
        columns = [column.name for column in table.schema().fields]
        actions = pl.DataFrame(table.get_add_actions(flatten=True))
    except (DeltaError, OSError, ValueError) as error:
        raise InputError(
            "UnreadableData",
            f"{folder} is not a readable Delta table ({str(error).splitlines()[0][:200]}); "
            "repair its log, or write the table again",
        ) from error
    say(f"check: {name} at version {table.version()}: {actions.height} data files")
    ordered = actions.sort("modification_time", "path").iter_rows(named=True)
    return [_delta_file(source, folder, identity, columns, action) for action in ordered]


def _check_protocol(name: str, table: DeltaTable) -> None:
    features = set(table.protocol().reader_features or ()) - _READABLE
    properties = table.metadata().configuration or {}
    if properties.get("delta.columnMapping.mode", "none") != "none":
        features.add("columnMapping")
    if features:
        raise InputError(
            "UnreadableData",
            f"{name} uses {', '.join(sorted(features))}, so its data files are not its rows; "
            "write an append-only table without these features",
        )


def _delta_file(
    source: Path, folder: Path, identity: str, columns: Sequence[str], action: dict[str, Any]
) -> SourceFile:
    logged = str(action["path"])
    path = folder / urllib.parse.unquote(logged)
    if not path.exists() and (folder / logged).exists():
        path = folder / logged
    if not path.resolve().is_relative_to(source.resolve()):
        raise InputError(
            "UnreadableData",
            f"{folder.name} has the data file {logged[:200]!r} outside the source, as a "
            "shallow clone does; write the rows into the table itself",
        )
    if not path.is_file():
        raise InputError(
            "UnreadableData",
            f"{path} is in the log of {folder.name} but missing, as after a vacuum or an "
            "interrupted copy: check again, or restore it",
        )
    size = action["size_bytes"]
    text = f"delta\0{identity}\0{logged}\0{size}"
    given: dict[str, str | None] = dict.fromkeys(columns)
    for key, value in action.items():
        if key.startswith("partition."):
            given[key.removeprefix("partition.")] = None if value is None else str(value)
    batch = hashlib.sha256(text.encode()).hexdigest()[:32]
    return SourceFile(path, str(path.relative_to(source)), batch, given)
