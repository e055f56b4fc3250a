"""Look at the first rows of raw files: their columns, and what the values of each look like.

Reads a bounded part of the first file of each table, so the result is the same each time and takes
seconds for any size. A table is a folder of files of one format, a single file, or files beside
one another that look alike.
"""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from deltalake.exceptions import DeltaError

from recommender_contract.resource.mapping import Format
from recommender_training.common.errors import InputError
from recommender_training.ingestion import file_patterns, guess
from recommender_training.ingestion.lines import Lines

#: Rows that are read of each table.
ROWS = 5000
#: Tables of a folder that are looked at.
MAX_TABLES = 20
ENDINGS = {
    ".csv": Format.CSV, ".tsv": Format.CSV, ".jsonl": Format.JSON_LINES,
    ".ndjson": Format.JSON_LINES, ".json": Format.JSON_LINES, ".parquet": Format.PARQUET,
}  # fmt: skip
_DELIMITERS = ",;\t|"


@dataclass(frozen=True)
class TablePreview:
    """The first rows of a table: the values of each column, None where missing."""

    files: str  # pattern below the source
    kind: Format
    columns: dict[str, list[Any]]
    delimiter: str = ","
    #: Whether the first line of a CSV file has names, and no number, time or empty cell.
    header: bool = True

    @property
    def rows(self) -> int:
        """Number of rows that were read."""
        return max(map(len, self.columns.values()), default=0)


def preview_tables(source: Path) -> list[TablePreview]:
    """Return the tables below `source`, sorted by name.

    Raises InputError: DataMissing without any, UnreadableData.
    """
    if not source.is_dir():
        raise InputError("DataMissing", f"{source} is not a folder; give that of the raw files")
    paths = [
        path
        for path in sorted(source.rglob("*"))
        if path.suffix.lower() in ENDINGS
        and not any(part[0] in "._" for part in path.relative_to(source).parts)
    ]
    alone = file_patterns.patterns(
        [path for path in paths if path.parent == source and path.is_file()]
    )
    groups: dict[str, Path] = {}
    for path in paths:
        table = _delta(source, path)
        folder = f"{path.relative_to(source).parts[0]}/**/*{path.suffix}"
        files = folder if table is None else str(table.relative_to(source))
        groups.setdefault(alone.get(path, files), table or path)
    if not groups:
        raise InputError(
            "DataMissing",
            f"{source} has no file that ends with {', '.join(ENDINGS)}{_others(source)}",
        )
    return [_seen(files, path) for files, path in itertools.islice(groups.items(), MAX_TABLES)]


def _delta(source: Path, path: Path) -> Path | None:
    """Return the Delta table below the source that a file belongs to, if it does."""
    folders = itertools.takewhile(lambda folder: folder != source, path.parents)
    return next((folder for folder in folders if (folder / "_delta_log").is_dir()), None)


def _others(source: Path) -> str:
    """Return the remedy for files of other endings."""
    paths = (path for path in source.rglob("*") if path.is_file() and path.name[0] not in "._")
    names = [str(path.relative_to(source)) for path in itertools.islice(paths, 3)]
    if not names:
        return ""
    return f"; found {', '.join(sorted(names))}: unpack archives, and rename CSV to end with .csv"


def _seen(files: str, path: Path) -> TablePreview:
    kind = Format.DELTA if path.is_dir() else ENDINGS[path.suffix.lower()]
    try:
        if kind is Format.DELTA:
            frame = pl.scan_delta(str(path)).head(ROWS).collect()
            return TablePreview(
                files, kind, {name: frame[name].to_list() for name in frame.columns}
            )
        if kind is Format.PARQUET:
            frame = pl.scan_parquet(path, glob=False).head(ROWS).collect()
            return TablePreview(
                files, kind, {name: frame[name].to_list() for name in frame.columns}
            )
        with Lines(path) as lines:
            if kind is Format.JSON_LINES:
                return TablePreview(files, kind, _json(lines))
            head = next(lines, "")
            delimiter = max(_DELIMITERS, key=head.count)
            rows = csv.reader(itertools.chain([head], lines), delimiter=delimiter)
            columns = _csv(rows)
            return TablePreview(
                files, kind, columns, delimiter, header=all(map(_is_name, columns))
            )
    except (pl.exceptions.PolarsError, DeltaError, OSError, ValueError, csv.Error) as error:
        raise InputError(
            "UnreadableData", f"{path} cannot be read ({str(error)[:200]}); repair or remove it"
        ) from error


def _csv(rows: Iterator[list[str]]) -> dict[str, list[Any]]:
    header = [name.strip() for name in next(rows, [])]
    found = [row for row in itertools.islice(rows, ROWS) if len(row) == len(header)]
    return {
        name: [row[place].strip() or None for row in found] for place, name in enumerate(header)
    }


def _is_name(cell: str) -> bool:
    return bool(cell) and guess.number(cell) is None and not guess.is_time(cell)


def _json(lines: Iterator[str]) -> dict[str, list[Any]]:
    first, rows = "", []
    for line in itertools.islice(lines, ROWS):
        first = first or line.strip()
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue  # a check quarantines it
        if isinstance(row, dict):
            rows.append(row)
    if not rows:
        raise ValueError(
            'no line is a JSON object, as in {"user_id": 1, "item_id": 2}; the first is '
            f"{first[:80]!r}"
        )
    names: Sequence[str] = list(dict.fromkeys(name for row in rows for name in row))
    return {name: [row.get(name) for row in rows] for name in names}
