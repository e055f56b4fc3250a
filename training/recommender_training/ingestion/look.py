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

from recommender_training.common.errors import InputError
from recommender_training.ingestion import siblings
from recommender_training.ingestion.lines import Lines
from recommender_training.ingestion.mapping import Format

#: Rows that are read of each table.
ROWS = 5000
#: Tables of a folder that are looked at.
MAX_TABLES = 20
ENDINGS = {
    ".csv": Format.CSV, ".tsv": Format.CSV, ".jsonl": Format.JSON_LINES,
    ".ndjson": Format.JSON_LINES, ".parquet": Format.PARQUET,
}  # fmt: skip
_DELIMITERS = ",;\t|"


@dataclass(frozen=True)
class Seen:
    """The first rows of a table: the values of each column, None where missing."""

    files: str  # pattern below the source
    kind: Format
    columns: dict[str, list[Any]]
    delimiter: str = ","

    @property
    def rows(self) -> int:
        """Number of rows that were read."""
        return max(map(len, self.columns.values()), default=0)


def tables(source: Path) -> list[Seen]:
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
    alone = siblings.patterns([path for path in paths if path.parent == source and path.is_file()])
    groups: dict[str, Path] = {}
    for path in paths:
        folder = f"{path.relative_to(source).parts[0]}/**/*{path.suffix}"
        groups.setdefault(alone.get(path, folder), path)
    if not groups:
        raise InputError(
            "DataMissing", f"{source} has no file that ends with {', '.join(ENDINGS)}"
        )
    return [_seen(files, path) for files, path in itertools.islice(groups.items(), MAX_TABLES)]


def _seen(files: str, path: Path) -> Seen:
    kind = ENDINGS[path.suffix.lower()]
    try:
        if kind is Format.PARQUET:
            frame = pl.scan_parquet(path, glob=False).head(ROWS).collect()
            return Seen(files, kind, {name: frame[name].to_list() for name in frame.columns})
        with Lines(path) as lines:
            if kind is Format.JSON_LINES:
                return Seen(files, kind, _json(lines))
            head = next(lines, "")
            delimiter = max(_DELIMITERS, key=head.count)
            rows = csv.reader(itertools.chain([head], lines), delimiter=delimiter)
            return Seen(files, kind, _csv(rows), delimiter)
    except (pl.exceptions.PolarsError, OSError, ValueError, csv.Error) as error:
        raise InputError(
            "UnreadableData", f"{path} cannot be read ({str(error)[:200]}); repair or remove it"
        ) from error


def _csv(rows: Iterator[list[str]]) -> dict[str, list[Any]]:
    header = [name.strip() for name in next(rows, [])]
    found = [row for row in itertools.islice(rows, ROWS) if len(row) == len(header)]
    return {
        name: [row[place].strip() or None for row in found] for place, name in enumerate(header)
    }


def _json(lines: Iterator[str]) -> dict[str, list[Any]]:
    found = [json.loads(line) for line in itertools.islice(lines, ROWS) if line.strip()]
    rows = [row for row in found if isinstance(row, dict)]
    names: Sequence[str] = list(dict.fromkeys(name for row in rows for name in row))
    return {name: [row.get(name) for row in rows] for name in names}
