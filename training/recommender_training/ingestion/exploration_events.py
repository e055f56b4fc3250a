"""Ingest explored places of answers from the events that the collector's writer keeps.

The writer puts `events.jsonl`, which has whole events, beside the `interactions.jsonl` of a
mapping. An impression with `explored` says that the item at a place was drawn from a pool
(docs/contracts.md). Nothing is learned from these rows, so bad ones are quarantined and never
fail a check.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import mmap
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from recommender_contract import ids as text_ids
from recommender_contract.ids import IdKind
from recommender_contract.resource.mapping import IdKinds
from recommender_training.common.progress import say
from recommender_training.data import compaction, lake, schema
from recommender_training.ingestion.erased_users import ErasedUsers
from recommender_training.ingestion.lines import Lines, bounded
from recommender_training.ingestion.quarantine import Quarantine
from recommender_training.ingestion.source_files import SourceFile

#: Items of a pool.
FEWEST, MOST = 2, 20
_TABLE = "explored"
_READER = "explored/v1"
#: A line without it has no such place; most files need not be read by line, nor lines parsed.
_MARK = '"explored"'
#: A row of the table, or the reason why a line is none.
_Row = tuple[int, int, int, int, str]


def add_exploration(
    path: Path, files: Sequence[SourceFile], ids: IdKinds, now: int
) -> tuple[int | None, pl.DataFrame | None]:
    """Add the explored places of files that the lake does not have yet.

    Return the version of the table and its sorted rows, or None for both if there is no table.
    Rows of erased users stay out. `now` is in seconds since 1970. The caller holds the lock of the
    lake.
    """
    version, present = lake.current(path, _TABLE, schema.EXPLORED_SCHEMA)
    fresh = _fresh(path, files, _hash(ids))
    erased = ErasedUsers.of(path)
    quarantine = Quarantine(path, erased)  # of its own: its reasons fail no check
    found, notes = [present], []
    for file in fresh:
        good, bad = _read(file, ids, now)
        good = erased.events(good)
        quarantine.add(bad, _TABLE, file, _hash(ids))
        found.append(good)
        known = good.join(present, on=good.columns, how="semi").height
        counts = (good.height + bad.height, good.height - known, known, bad.height)
        notes.append((file.batch, _hash(ids), file.name, *counts))
    quarantine.flush()
    rows = lake.sort(_TABLE, pl.concat(found).unique())
    if rows.height > present.height:
        version = lake.overwrite(path, _TABLE, rows)
        say(f"check: {rows.height - present.height} new explored places")
    if notes:  # after the rows, so that a crash repeats them
        lake.append(
            path, "batches", pl.DataFrame(notes, schema.BATCHES_SCHEMA, orient="row"), None
        )
        compaction.compact_notes(path)
    return version, None if version is None else rows


def _hash(ids: IdKinds) -> str:
    """Hash of all that affects the rows, as `Mapping.schema_hash` is for mapped tables."""
    text = json.dumps([_READER, ids.model_dump(mode="json")], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _fresh(path: Path, files: Sequence[SourceFile], reader: str) -> list[SourceFile]:
    """Return files with content that was not read yet; copies do not count."""
    done = lake.scan(path, "batches", schema.BATCHES_SCHEMA)
    read = done.filter(pl.col("schema_hash") == reader).select("batch").collect()
    seen = set(read["batch"].to_list())
    return list({file.batch: file for file in files if file.batch not in seen}.values())


def _read(file: SourceFile, ids: IdKinds, now: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return rows of the table, and bad lines (`line`, `row`, `reason`)."""
    good: list[_Row] = []
    bad: list[tuple[int, str, str]] = []
    for line, text in _marked_lines(file.path):
        found = row_of(text, ids, now)
        if isinstance(found, str):
            bad.append((line, bounded(text)[0], found))
        elif found is not None:
            good.append(found)
    columns = {"line": pl.Int64, "row": pl.String, "reason": pl.String}
    return (
        pl.DataFrame(good, schema=schema.EXPLORED_SCHEMA, orient="row"),
        pl.DataFrame(bad, schema=columns, orient="row"),
    )


def marked(path: Path) -> bool:
    """Return True if some line of a file may have an explored place, at the speed of the disk."""
    if not path.stat().st_size:  # which cannot be mapped
        return False
    with (
        path.open("rb") as stream,
        mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        return content.find(_MARK.encode()) >= 0


def _marked_lines(path: Path) -> Iterator[tuple[int, str]]:
    if not marked(path):
        return
    with Lines(path) as lines:
        while True:
            number = lines.start()
            if next(lines, None) is None:
                return
            if _MARK in (text := lines.text()):
                yield number, text


def row_of(text: str, ids: IdKinds, now: int) -> _Row | str | None:
    """Return the row of a line, the reason why it is bad, or None if nothing was explored."""
    if not bounded(text)[1]:
        return "NotUtf8"
    try:
        event: Any = json.loads(text)
    except (ValueError, RecursionError):
        return "BadJson"
    if not isinstance(event, dict):
        return "NotAnObject"
    if event.get("explored") is None:
        return None
    user, time = _id(event.get("user"), ids.user), _seconds(event.get("time"))
    if user is None:
        return "BadUserId"
    if time is None or time < 1:
        return "BadTimestamp"
    if time > now + schema.CLOCK_TOLERANCE:
        return "FutureTimestamp"
    return _explored(event, user, time, ids.item)


def _explored(event: dict[str, Any], user: int, time: int, kind: IdKind) -> _Row | str:
    items, said = event.get("items"), event["explored"]
    if event.get("kind") != "impression" or not isinstance(items, list):
        return "BadExplored:kind"
    if not isinstance(said, dict) or not isinstance(said.get("pool"), list):
        return "BadExplored:pool"
    place, pool = said.get("place"), [_id(each, kind) for each in said["pool"]]
    if type(place) is not int or not 0 <= place < len(items):
        return "BadExplored:place"
    shown = _id(items[place], kind)
    if shown is None or None in pool:
        return "BadItemId"
    if not FEWEST <= len(pool) <= MOST or len({*pool}) != len(pool) or shown not in pool:
        return "BadExplored:pool"
    return user, time, shown, place, " ".join(map(str, pool))


def _id(value: object, kind: IdKind) -> int | None:
    """Return the id of the tables; None if the value is no id of this kind."""
    if kind is IdKind.INTEGER:
        whole = type(value) is int and 0 <= value <= text_ids.MAX_INTEGER
        return value if whole and isinstance(value, int) else None
    if not isinstance(value, str) or not value or not bounded(value)[1]:
        return None
    too_long = len(value.encode()) > text_ids.MAX_BYTES
    if too_long or any(unicodedata.category(letter) == "Cc" for letter in value):
        return None
    return text_ids.hashed(value)


def _seconds(value: object) -> int | None:
    """Return whole seconds since 1970 of a time with a zone, cut off as those of events are."""
    if not isinstance(value, str):
        return None
    try:
        at = datetime.datetime.fromisoformat(value)
    except ValueError:
        return None
    return None if at.tzinfo is None else int(at.timestamp() // 1)
