"""The record of the data versions of a lake over time: `<lake>/snapshots.json`.

Delta keeps the rows of a version as long as its files exist. The record lists the versions that
can be requested by time, and so the files that a vacuum keeps. It is read and written under the
lock of the lake and replaced by a rename, so a reader sees the old or the new record. A damaged
record is an error, never an empty record: its versions would be lost.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from recommender_training.common.errors import InputError
from recommender_training.data import data_versions, json_records, time_format

FILE = "snapshots.json"
SCHEMA: Literal["recommender.dev/snapshots/v1"] = "recommender.dev/snapshots/v1"


class By(enum.StrEnum):
    """Command that recorded a snapshot."""

    SNAPSHOT = "snapshot"
    CHECK = "check"
    ERASE = "erase"


class Snapshot(BaseModel):
    """Data version of a lake at a time, with the row counts of its ingestion."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)

    taken_at: json_records.Second
    data_version: str = Field(pattern=data_versions.VERSION)
    rows: int = Field(ge=0)  # of the table of interactions
    new_rows: int = Field(ge=0)
    quarantined_rows: int = Field(ge=0)
    by: By

    @property
    def time(self) -> str:
        """Time of the snapshot, RFC 3339."""
        return time_format.iso_time(self.taken_at)

    def to_json(self) -> dict[str, object]:
        """Return all fields as in the file."""
        return self.model_dump(mode="json", by_alias=True)


class _Record(BaseModel):
    schema_: Literal["recommender.dev/snapshots/v1"] = Field(alias="schema")
    snapshots: tuple[Snapshot, ...]


@dataclass(frozen=True)
class Kept:
    """Entries of a record, oldest first, and the entries just dropped from it."""

    snapshots: Sequence[Snapshot]
    dropped: Sequence[Snapshot] = ()


def newest(snapshots: Sequence[Snapshot], keep: int | None) -> Kept:
    """Keep the last `keep` entries, at least 1; None keeps all."""
    first = 0 if keep is None else max(len(snapshots) - max(keep, 1), 0)
    return Kept(snapshots[first:], snapshots[:first])


def as_of(snapshots: Sequence[Snapshot], seconds: int) -> Snapshot | None:
    """Return the newest entry up to a time in seconds since 1970, or None."""
    return next((each for each in reversed(snapshots) if each.taken_at <= seconds), None)


def of_version(snapshots: Sequence[Snapshot], data_version: str) -> Snapshot | None:
    """Return the newest entry of a data version, or None."""
    return next((each for each in reversed(snapshots) if each.data_version == data_version), None)


def oldest_in_words(snapshots: Sequence[Snapshot]) -> str:
    """Return the oldest snapshot as text for error messages."""
    if not snapshots:
        return "there is no snapshot"
    first = snapshots[0]
    return f"the oldest snapshot is {first.data_version} of {first.time}"


def read_snapshots(path: Path) -> tuple[Snapshot, ...]:
    """Return the entries of the lake at `path`, oldest first; none without a record.

    Raises InputError `SnapshotsDamaged`.
    """
    try:
        content = (path / FILE).read_bytes()
    except FileNotFoundError:
        return ()
    try:
        return _Record.model_validate_json(content).snapshots
    except ValidationError as error:
        raise InputError(
            "SnapshotsDamaged",
            f"{json_records.damage(path / FILE, error)}: restore it, or move it away to start a "
            "new record; data versions that only the old record names are then no longer kept",
        ) from error


def add_snapshot(path: Path, snapshot: Snapshot, keep: int | None = None) -> Kept:
    """Add a snapshot and keep the newest `keep` entries. The caller holds the lock.

    Raises InputError `SnapshotsDamaged`.
    """
    kept = newest((*read_snapshots(path), snapshot), keep)
    _write(path, kept.snapshots)
    return kept


def trim(path: Path, keep: int) -> Kept:
    """Keep the newest `keep` entries. The caller holds the lock.

    Raises InputError `SnapshotsDamaged`.
    """
    kept = newest(read_snapshots(path), keep)
    if kept.dropped:
        _write(path, kept.snapshots)
    return kept


def drop(path: Path, gone: Callable[[str], bool]) -> Kept:
    """Drop the entries whose data version is `gone`. The caller holds the lock.

    Raises InputError `SnapshotsDamaged`.
    """
    present = read_snapshots(path)
    kept = [each for each in present if not gone(each.data_version)]
    dropped = [each for each in present if gone(each.data_version)]
    if dropped:
        _write(path, kept)
    return Kept(kept, dropped)


def to_json(snapshots: Sequence[Snapshot]) -> dict[str, object]:
    """Return the record as in the file."""
    return {"schema": SCHEMA, "snapshots": [each.to_json() for each in snapshots]}


def _write(path: Path, snapshots: Sequence[Snapshot]) -> None:
    json_records.replace(path / FILE, to_json(snapshots))
