"""Read raw files of all formats in batches of rows, with each mapped column as text.

A batch is a frame with `line` (Int64, from 1), `row` (the row as in the file, shortened), `reason`
(why it is unreadable, else null) and one text column `raw_<field>` per mapped field. All formats
give the same text for the same value, so that the same rules apply.
"""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Facts
from pathlib import Path
from typing import Any

import polars as pl

from recommender_contract.resource.mapping import Format
from recommender_training.common.errors import InputError
from recommender_training.common.progress import say
from recommender_training.ingestion import parquet_reader, raw_columns
from recommender_training.ingestion.lines import Lines, bounded
from recommender_training.ingestion.mapping import CsvLayout, Mapping, Table

#: Rows of a batch: some tens of megabytes.
BATCH_ROWS = 50_000
#: Most numbers of embeddings in a batch, and its least rows: about a hundred megabytes.
BATCH_NUMBERS, LEAST_ROWS = 2_000_000, 1000
#: Line, row, reason, and the text of each field.
_Row = tuple[int, str, str | None, Sequence[str | None]]


def read_batches(
    path: Path,
    kind: Format,
    mapping: Mapping,
    name: str,
    given: Facts[str, str | None] | None = None,
) -> Iterator[pl.DataFrame]:
    """Yield batches of all rows of a file of the table `name`.

    `given` holds the values of columns that a data file of a Delta table may lack.
    Raises InputError: UnreadableData, UnknownColumns.
    """
    table = mapping.tables()[name]
    batch_rows = _batch_rows(table)
    if kind in (Format.PARQUET, Format.DELTA):
        yield from parquet_reader.read_parquet(path, table, name, batch_rows, given)
        return
    with Lines(path) as lines:
        if kind is Format.CSV:
            rows = _csv_rows(path, lines, table, name, mapping.csv or CsvLayout())
        else:
            rows = _json_rows(path, lines, table, name)
        while batch := list(itertools.islice(rows, batch_rows)):
            yield _frame(batch, list(table.fields()))


def _batch_rows(table: Table) -> int:
    """Return the rows of a batch: fewer if the table has long embeddings."""
    numbers = sum(feature.length or 0 for feature in table.features)
    return min(BATCH_ROWS, max(BATCH_NUMBERS // max(numbers, 1), LEAST_ROWS))


def _frame(batch: list[_Row], fields: list[str]) -> pl.DataFrame:
    line, row, reason, values = zip(*batch, strict=True)
    columns = dict(zip(fields, zip(*values, strict=True), strict=True))
    return pl.DataFrame(
        {"line": line, "row": row, "reason": reason}
        | {f"raw_{field}": texts for field, texts in columns.items()},
        schema={"line": pl.Int64, "row": pl.String, "reason": pl.String}
        | {f"raw_{field}": pl.String for field in fields},
    )


def _csv_rows(
    path: Path, lines: Lines, table: Table, name: str, layout: CsvLayout
) -> Iterator[_Row]:
    records = _csv_records(lines, layout)
    header = table.columns
    if not header:
        _, text, reason, found = next(records, (1, "", "BadQuotes", []))
        if reason is not None:
            raise InputError(
                "UnreadableData",
                f"{path}: the first line is not a header ({reason}): {text[:120]!r}; write it as "
                f"UTF-8 text, or list the columns in mapping.{name}.columns",
            )
        header = tuple(column.strip() for column in found)
    at = _positions(path, name, table.fields(), header)
    nothing = [None] * len(at)
    for line, text, reason, found in records:
        if reason is None and len(found) != len(header):
            reason = "WrongFieldCount"
        values = nothing if reason else [found[index] for index in at]
        yield line, text, reason, values


def _csv_records(
    lines: Lines, layout: CsvLayout
) -> Iterator[tuple[int, str, str | None, list[str]]]:
    """Yield records with their first line; after an unclosed quote, continue on the next line."""
    reader = csv.reader(
        lines, delimiter=layout.delimiter, quotechar=layout.quote, strict=True, doublequote=True
    )
    while True:
        line, reason, found = lines.start(), None, []
        try:
            found = next(reader)
        except StopIteration:
            return
        except csv.Error:
            lines.give_back()
            reason = "BadQuotes"
        if not found and reason is None:
            continue  # skip blank lines
        text, is_text = bounded(lines.text())
        if lines.too_long:
            reason = "LineTooLong"
        elif not is_text:
            reason = "NotUtf8"
        yield line, text, reason, found


def _positions(path: Path, name: str, fields: dict[str, str], header: Sequence[str]) -> list[int]:
    """Return the index of each mapped column. Raises InputError `UnknownColumns`."""
    duplicates = sorted({column for column in fields.values() if header.count(column) > 1})
    if duplicates:
        raise InputError(
            "UnknownColumns", f"{path}: the header has {duplicates} more than once; rename one"
        )
    raw_columns.check_columns(path, name, fields, header)
    return [header.index(column) for column in fields.values()]


def _json_rows(path: Path, lines: Lines, table: Table, name: str) -> Iterator[_Row]:
    fields, lists = table.fields(), table.lists()
    nothing = [None] * len(fields)
    seen: set[str] = set()
    rows = objects = 0
    while True:
        line = lines.start()
        if next(lines, None) is None:
            break
        text = lines.text()
        if not text.strip():
            continue
        rows += 1
        row, is_text = bounded(text)
        value, reason = _object(text) if is_text else (None, "NotUtf8")
        if lines.too_long:
            value, reason = None, "LineTooLong"
        if value is None:
            yield line, row, reason, nothing
            continue
        objects += 1
        seen.update(itertools.islice(value, _MOST_KEYS - len(seen)))
        yield line, row, *_json_values(value, fields, lists)
    if rows == 0:
        raise InputError("UnreadableData", f"{path} has no rows; write it again, or remove it")
    if objects and len(seen) < _MOST_KEYS:
        _check_seen(path, name, fields, sorted(seen))


def _check_seen(path: Path, name: str, fields: dict[str, str], seen: Sequence[str]) -> None:
    """Report optional keys without any value, since they may be misspelt."""
    needed = {field: fields[field] for field in raw_columns.REQUIRED[name]}
    raw_columns.check_columns(path, name, needed, seen)
    for field, column in fields.items():
        if column not in seen:
            say(f"check: {path.name}: no row has {column!r} ({field}); its values are unknown")


#: Some writers use NaN for a missing value.
_CONSTANTS = {"NaN": None, "Infinity": "Infinity", "-Infinity": "-Infinity"}
#: Keeps numbers as written.
_DECODER = json.JSONDecoder(
    parse_float=str, parse_int=str, parse_constant=lambda text: _CONSTANTS[text]
)
#: Most keys of a file to remember, to report missing ones.
_MOST_KEYS = 200


def _object(text: str) -> tuple[dict[str, Any] | None, str | None]:
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None, "BadJson"
    return (value, None) if isinstance(value, dict) else (None, "NotAnObject")


def _joined(entries: list[Any]) -> object:
    """Return the entries of a list as one text, or the list itself if an entry is nested."""
    texts = [_truth(entry) if isinstance(entry, bool) else entry for entry in entries]
    if any(text is not None and not isinstance(text, str) for text in texts):
        return entries
    return raw_columns.LIST_SEPARATOR.join(
        raw_columns.NULL_ENTRY if text is None else text for text in texts
    )


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _json_values(
    value: dict[str, Any], fields: dict[str, str], lists: frozenset[str]
) -> tuple[str | None, list[str | None]]:
    reason, texts = None, []
    for field, column in fields.items():
        found = value.get(column)
        if field in lists and isinstance(found, list):
            found = _joined(found)
        elif isinstance(found, bool):
            found = _truth(found)
        if found is not None and not isinstance(found, str):
            reason, found = "WrongType", None
        if found is not None and not bounded(found)[1]:
            reason, found = "NotUtf8", None
        texts.append(found)
    return reason, texts
