"""Erase users from the tables of a lake.

Delta deletes the rows, which makes new versions of the tables. Files of older versions, the log of
their commits (its statistics have the least and the largest id of a file) and the text of the
deletion would still name the users, so the history of these tables goes too: the newest version
becomes the first one that can be read. The tables without a row of the users keep theirs.

Each step can be repeated. The record says which tables an erasure has begun to delete from, so
whatever is killed, the next command that writes the lake ends it. The ids of users and the texts
of ids are deleted last: until then they tell whose rows are meant.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
from deltalake import DeltaTable, PostCommitHookProperties

from recommender_contract.erasures import digest
from recommender_training.common import clock
from recommender_training.common.progress import say
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data import (
    compaction,
    data_versions,
    erasures,
    lake,
    schema,
    schema_files,
    snapshots,
    version_content,
)
from recommender_training.data.lake import interactions_in_order
from recommender_training.data.snapshots import By, Snapshot
from recommender_training.ingestion import erased_users

#: Tables with users, in the order of the deletion.
TABLES = ("explored", "interactions", "quarantine", "users", "ids")
_COLUMN = {"explored": "user_id", "interactions": "user_id", "users": "user_id", "ids": "id"}
#: Rows of the quarantine that are looked at together.
_SLICE = 20_000
#: Ids of one deletion, whose condition lists them.
_IDS = 1_000
_QUARANTINED = pl.Schema({"file": pl.String(), "line": pl.Int64(), "row": pl.String()})
_SAME_ROW = " AND ".join(f"target.{name} = rows.{name}" for name in _QUARANTINED)
#: A commit adds neither a checkpoint nor a cleanup of the log by itself.
_NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
_LOG = re.compile(r"(\d{20})\.(json|checkpoint.*\.parquet)|_last_checkpoint")


@dataclass(frozen=True)
class Found:
    """Rows of users by table; tables without any are left out."""

    rows: Mapping[str, int] = field(default_factory=dict)
    users: int = 0


@dataclass(frozen=True)
class Erased:
    """Result of an erasure."""

    found: Found = Found()
    files_removed: int = 0
    #: Data versions of the record of snapshots that ended.
    ended: tuple[str, ...] = ()
    #: The data version without the users, if it was asked for.
    data_version: str | None = None


def find_users(path: Path, users: Collection[str]) -> Found:
    """Return how many rows of users, by digest, the lake has. Changes nothing."""
    numbers = _numbers(path, users)
    counts = {name: _rows(path, name, numbers).height for name in _COLUMN} if numbers else {}
    if users:
        counts["quarantine"] = sum(part.height for part in _quarantined(path, users))
    return Found({name: rows for name, rows in counts.items() if rows}, len(numbers))


def resume(path: Path, *, name: bool = False) -> Erased:
    """End an erasure that was killed, as `erase` would. The caller holds the lock of the lake."""
    if erasures.read_erasures(path).pending is None:
        return Erased()
    say("erase: a former erasure has not ended; it goes on")
    return _finish(path, Found(), name)


def erase(path: Path, users: Mapping[str, int], *, name: bool = False) -> Erased:
    """Erase users, by digest, with the time up to which their rows stay out.

    Users who were erased at that time or later are left out; so a second call changes nothing.
    With `name`, the data version without them is recorded as a snapshot; a check records its own.
    The caller holds the lock of the lake. Raises InputError: ErasuresDamaged, SnapshotsDamaged.
    """
    snapshots.read_snapshots(path)  # a damaged record must fail before anything is deleted
    resumed = resume(path, name=name)
    record = erasures.read_erasures(path)
    new = record.newer(users)
    if not new:
        return resumed
    say(f"erase: looking for {len(new)} users in {path}")
    found = find_users(path, new)
    path.mkdir(parents=True, exist_ok=True)
    erasures.write_erasures(path, record.begun(new, found.rows))
    if not found.rows:
        say("erase: the lake has no row of them")
        return Erased(found)
    return _finish(path, found, name)


def as_if_erased(path: Path, record: erasures.Record, found: Found) -> erasures.Record:
    """Return the record with the versions that would end."""
    first = {
        name: number + 1
        for name in found.rows
        if name in data_versions.TABLES and (number := lake.newest(path, name)) is not None
    }
    return record.from_now_on(first, clock.seconds())


def _record(path: Path) -> str | None:
    """Record the newest data version of the lake as a snapshot; None if there is none."""
    declaration = schema_files.last_schema(path)
    columns = schema.tables(declaration or FeatureSchema()) | {"explored": schema.EXPLORED_SCHEMA}
    numbers = {name: lake.newest(path, name) for name in columns}
    if declaration is None or None in [numbers[name] for name in schema.tables(declaration)]:
        return None
    scans = {name: lake.scan(path, name, kinds) for name, kinds in columns.items()}
    users, items = (lake.sort(name, scans[name].collect()) for name in ("users", "items"))
    places = None
    if numbers["explored"] is not None:
        places = lake.sort("explored", scans["explored"].collect())
    rows = scans["interactions"]
    count = int(rows.select(pl.len()).collect(engine="streaming").item())
    if not count:
        return None
    digest = version_content.content_digest(
        declaration, interactions_in_order(rows), users, items, places
    )
    numbers_of = {name: number for name, number in numbers.items() if number is not None}
    version = data_versions.name_version(**numbers_of, digest=digest)
    schema_files.write_schema(path, version, declaration)
    snapshot = Snapshot(
        taken_at=clock.seconds(),
        data_version=version,
        rows=count,
        new_rows=0,
        quarantined_rows=0,
        by=By.ERASE,
    )
    snapshots.add_snapshot(path, snapshot)
    return version


def _finish(path: Path, found: Found, name: bool) -> Erased:
    """Delete rows of the pending users, and the history of the pending tables."""
    record = erasures.read_erasures(path)
    assert record.pending is not None
    users = frozenset(record.pending.users)
    numbers = _numbers(path, users)
    shutil.rmtree(path / ".staging", ignore_errors=True)  # rows of a killed check
    tables = [name for name in TABLES if name in record.pending.tables]
    for table in tables:
        _delete(path, table, numbers, users)
    first = {table: _settle(path / table) for table in tables}
    record = record.from_now_on(
        {table: number for table, number in first.items() if table in data_versions.TABLES},
        clock.seconds(),
    )
    erasures.write_erasures(
        path, record
    )  # from here on no reader starts to read what is about to go
    dropped = snapshots.drop(path, record.refused).dropped
    removed = sum(_end_history(path / table) for table in tables)
    data_version = _record(path) if name else None
    erasures.write_erasures(path, record.ended())
    say(f"erase: {removed} files removed, {len(dropped)} snapshots ended")
    return Erased(found, removed, tuple(each.data_version for each in dropped), data_version)


def _numbers(path: Path, digests: Collection[str]) -> list[int]:
    """Return the ids of the tables of these users, sorted."""
    parts = [_ids(path, "users"), _ids(path, "explored"), _ids(path, "ids")]
    distinct = pl.concat(parts).unique().collect(engine="streaming")["id"]
    return sorted(each for each in distinct if digest(each) in digests)


def _ids(path: Path, name: str) -> pl.LazyFrame:
    if name == "ids":
        rows = lake.scan(path, "ids", schema.IDS_SCHEMA)
        return rows.filter(pl.col("kind") == "user").select("id")
    column = pl.Schema({"user_id": pl.Int64()})
    return lake.scan(path, name, column).select(pl.col("user_id").alias("id")).drop_nulls()


def _rows(path: Path, name: str, numbers: list[int]) -> pl.DataFrame:
    """Return the ids of the rows of users in a table that has ids."""
    return _ids(path, name).filter(pl.col("id").is_in(numbers)).collect(engine="streaming")


def _quarantined(path: Path, digests: Collection[str]) -> Iterator[pl.DataFrame]:
    """Yield file, line and row of the quarantined rows that may name a user."""
    rows = lake.scan(path, "quarantine", _QUARANTINED)
    for part in rows.collect_batches(chunk_size=_SLICE):
        hits = [erased_users.names(text, digests) for text in part["row"]]
        if any(hits):
            yield part.filter(pl.Series(hits)).unique()


def _delete(path: Path, name: str, numbers: list[int], digests: Collection[str]) -> None:
    if name == "quarantine":
        for part in _quarantined(path, digests):
            # A merge names columns in the log, where a deletion would repeat the rows.
            merging = DeltaTable(str(path / name)).merge(
                part.to_arrow(),
                _SAME_ROW,
                source_alias="rows",
                target_alias="target",
                post_commithook_properties=_NO_HOOKS,
            )
            merging.when_matched_delete().execute()
        return
    left = sorted({*_rows(path, name, numbers)["id"]})
    for start in range(0, len(left), _IDS):
        listed = ", ".join(map(str, left[start : start + _IDS]))
        condition = f"{_COLUMN[name]} IN ({listed})"
        if name == "ids":
            condition = f"kind = 'user' AND {condition}"
        table = DeltaTable(str(path / name))
        done = table.delete(condition, post_commithook_properties=_NO_HOOKS)
        say(f"erase: {done.get('num_deleted_rows')} rows of {name} deleted")


def _settle(path: Path) -> int:
    """Commit that the log of a table keeps no history; return the version.

    It is a commit that names nobody, and the one that the log then starts with.
    """
    table = DeltaTable(str(path))
    table.alter.set_table_properties(
        {"delta.logRetentionDuration": "interval 0 seconds"},
        post_commithook_properties=_NO_HOOKS,
    )
    return int(DeltaTable(str(path)).version())


def _end_history(path: Path) -> int:
    """Remove all that only earlier versions of a table need; return the number of files.

    Raises RuntimeError if something is left that a repetition may remove.
    """
    table = DeltaTable(str(path))
    table.create_checkpoint()
    table.cleanup_metadata()
    removed = compaction.vacuum(path, [], 0) + compaction.remove_unfinished(path)
    newest, log = table.version(), path / "_delta_log"
    for each in sorted(log.iterdir()):
        match = _LOG.fullmatch(each.name)
        if match is None:  # of a killed writer
            each.unlink()
        elif match[1] is not None and int(match[1]) < newest:
            raise RuntimeError(
                f"{each} is still there: is the clock of the volume ahead? Run the command again"
            )
    return removed
