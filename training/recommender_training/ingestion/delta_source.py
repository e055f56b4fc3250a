"""Delta tables as a source: the data files of one version of each folder that holds a table.

A data file of Delta never changes and its name is never used again. So it is a batch by table,
name and size, and no byte of what was read before is read again, however large the table grows.
"""

from __future__ import annotations

import hashlib
import urllib.parse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from recommender_training.common.errors import InputError
from recommender_training.common.progress import say
from recommender_training.ingestion.source_file import SourceFile

#: Features of a table without which its Parquet files are not its rows.
_READABLE = {"timestampNtz", "v2Checkpoint", "vacuumProtocolCheck"}
_LOG = "_delta_log"


def tables(source: Path, pattern: str) -> list[Path]:
    """Folders inside the source that hold a Delta table, sorted; `pattern` names them."""
    root = source.resolve()
    return sorted(
        path
        for path in source.glob(pattern.rstrip("/"))
        if (path / _LOG).is_dir()
        and path.resolve().is_relative_to(root)
        and not any(part.startswith((".", "_")) for part in path.relative_to(source).parts)
    )


def files(source: Path, folder: Path) -> list[SourceFile]:
    """The data files of the newest version of a table, oldest first.

    Raises InputError `UnreadableData` where the table is damaged, or where its files alone do not
    tell its rows (deletion vectors, mapped columns, shallow clones).
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
            f"{folder} is no Delta table that can be read ({str(error).splitlines()[0][:200]}); "
            "repair its log, or write the table again",
        ) from error
    say(f"check: {name} at version {table.version()}: {actions.height} data files")
    ordered = actions.sort("modification_time", "path").iter_rows(named=True)
    return [_file(source, folder, identity, columns, action) for action in ordered]


def _check_protocol(name: str, table: DeltaTable) -> None:
    features = set(table.protocol().reader_features or ()) - _READABLE
    properties = table.metadata().configuration or {}
    if properties.get("delta.columnMapping.mode", "none") != "none":
        features.add("columnMapping")
    if features:
        raise InputError(
            "UnreadableData",
            f"{name} uses {', '.join(sorted(features))}: its data files are not its rows; let the "
            "collector write a table without, for rows that are only ever added need none",
        )


def _file(
    source: Path, folder: Path, identity: str, columns: Sequence[str], action: dict[str, Any]
) -> SourceFile:
    told = str(action["path"])
    path = folder / urllib.parse.unquote(told)
    if not path.exists() and (folder / told).exists():
        path = folder / told
    if not path.resolve().is_relative_to(source.resolve()):
        raise InputError(
            "UnreadableData",
            f"{folder.name} names the data file {told[:200]!r} outside of the source, as a "
            "shallow clone does; write the rows into the table itself",
        )
    if not path.is_file():
        raise InputError(
            "UnreadableData",
            f"{path} is named by the log of {folder.name} and is not there; a vacuum took it, or "
            "a copy was cut short: check again, or restore it",
        )
    size = action["size_bytes"]
    text = f"delta\0{identity}\0{told}\0{size}"
    given: dict[str, str | None] = dict.fromkeys(columns)
    for key, value in action.items():
        if key.startswith("partition."):
            given[key.removeprefix("partition.")] = None if value is None else str(value)
    batch = hashlib.sha256(text.encode()).hexdigest()[:32]
    return SourceFile(path, str(path.relative_to(source)), batch, given)
