"""The record of which data version a lake had when: `<lake>/snapshots.json`.

Delta keeps the rows of a version for as long as its files are there. The record says which
versions somebody may ask for by their time, and so which files a vacuum spares. It is read and
written under the lock of the lake, and replaced by a rename: a reader sees the old one or the new
one. What it names is kept, so a record that cannot be read is never taken for an empty one.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
)
from pydantic.alias_generators import to_camel

from recommender_training.common.durable_files import canonical_json, fsync_folder, write_bytes
from recommender_training.common.errors import InputError
from recommender_training.data import lake, times

FILE = "snapshots.json"
SCHEMA: Literal["recommender.dev/snapshots/v1"] = "recommender.dev/snapshots/v1"


class By(enum.StrEnum):
    """The command that has made an entry."""

    SNAPSHOT = "snapshot"
    CHECK = "check"


def _second(value: object) -> object:
    return times.parse_time(value) if isinstance(value, str) else value


#: Whole seconds since 1970; a text in the file.
_Second = Annotated[int, Field(ge=0), BeforeValidator(_second), PlainSerializer(times.iso_time)]


class Snapshot(BaseModel):
    """The data version that a lake had at a time, and what was found when it was taken."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)

    taken_at: _Second
    data_version: str = Field(pattern=lake.VERSION)
    rows: int = Field(ge=0)  # of the table of interactions
    new_rows: int = Field(ge=0)
    quarantined_rows: int = Field(ge=0)
    by: By

    @property
    def time(self) -> str:
        """When it was taken, RFC 3339."""
        return times.iso_time(self.taken_at)

    def to_json(self) -> dict[str, object]:
        """All fields, as the file has them."""
        return self.model_dump(mode="json", by_alias=True)


class _Record(BaseModel):
    schema_: Literal["recommender.dev/snapshots/v1"] = Field(alias="schema")
    snapshots: tuple[Snapshot, ...]


@dataclass(frozen=True)
class Kept:
    """The entries of a record in the order that they were taken in, and those it has no more."""

    snapshots: Sequence[Snapshot]
    dropped: Sequence[Snapshot] = ()


def newest(snapshots: Sequence[Snapshot], keep: int | None) -> Kept:
    """The last `keep` entries, all if None; 1 or more are kept."""
    first = 0 if keep is None else max(len(snapshots) - max(keep, 1), 0)
    return Kept(snapshots[first:], snapshots[:first])


def as_of(snapshots: Sequence[Snapshot], seconds: int) -> Snapshot | None:
    """The entry that was taken last of those not after a time in seconds since 1970."""
    return next((each for each in reversed(snapshots) if each.taken_at <= seconds), None)


def of_version(snapshots: Sequence[Snapshot], data_version: str) -> Snapshot | None:
    """The newest entry of a data version."""
    return next((each for each in reversed(snapshots) if each.data_version == data_version), None)


def oldest_in_words(snapshots: Sequence[Snapshot]) -> str:
    """How far back one can go, for the messages of errors."""
    if not snapshots:
        return "there is no snapshot"
    first = snapshots[0]
    return f"the oldest snapshot that is kept is {first.data_version} of {first.time}"


def read(path: Path) -> tuple[Snapshot, ...]:
    """The entries of the lake at `path`, oldest first; none where nothing was recorded yet.

    Raises InputError `SnapshotsDamaged`.
    """
    try:
        content = (path / FILE).read_bytes()
    except FileNotFoundError:
        return ()
    try:
        return _Record.model_validate_json(content).snapshots
    except ValidationError as error:
        issue = error.errors(include_url=False)[0]
        where = ".".join(map(str, issue["loc"]))
        raise InputError(
            "SnapshotsDamaged",
            f"{path / FILE} cannot be read ({where + ': ' if where else ''}{issue['msg'][:200]}): "
            "restore it, or move it away, and a new one is begun; the data versions that it alone "
            "names are then no longer kept",
        ) from error


def add(path: Path, snapshot: Snapshot, keep: int | None = None) -> Kept:
    """Record a snapshot, and keep the newest `keep` entries with it. The caller holds the lock.

    Raises InputError `SnapshotsDamaged`.
    """
    kept = newest((*read(path), snapshot), keep)
    _write(path, kept.snapshots)
    return kept


def trim(path: Path, keep: int) -> Kept:
    """Keep the newest `keep` entries. The caller holds the lock.

    Raises InputError `SnapshotsDamaged`.
    """
    kept = newest(read(path), keep)
    if kept.dropped:
        _write(path, kept.snapshots)
    return kept


def to_json(snapshots: Sequence[Snapshot]) -> dict[str, object]:
    """The record as the file has it."""
    return {"schema": SCHEMA, "snapshots": [each.to_json() for each in snapshots]}


def _write(path: Path, snapshots: Sequence[Snapshot]) -> None:
    part = path / f".{FILE}.part"  # of a killed writer: there is one at a time
    write_bytes(part, canonical_json(to_json(snapshots)))
    part.rename(path / FILE)
    fsync_folder(path)
