"""The lake: Delta tables of interactions, users, items and quarantined rows.

The data version names the Delta versions of the three tables that training reads and a digest of
their content: `i3.u1.t1-0123456789abcdef`. The same content always has the same version, and a
version is read back exactly, however many newer ones there are.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from deltalake import DeltaTable, PostCommitHookProperties, write_deltalake
from deltalake.exceptions import TableNotFoundError

from recommender_training.common.errors import InputError
from recommender_training.data import schema

#: A property of the tables that data versions name. By itself Delta removes entries of its log
#: after 30 days, and with them the versions that they tell of.
_WHOLE_LOG = {"delta.enableExpiredLogCleanup": "false"}
#: How a data version is named.
VERSION = r"^i([0-9]+)\.u([0-9]+)\.t([0-9]+)-([0-9a-f]{16})$"
#: Rows that are turned into text at a time.
_SLICE = 200_000
_ORDER = {
    "interactions": ["timestamp", "user_id", "item_id", "value", "event_date", "segment"],
    "users": ["user_id"],
    "items": ["item_id"],
}


@dataclass(frozen=True)
class Tables:
    """The content of one data version, each table sorted."""

    interactions: pl.DataFrame
    users: pl.DataFrame
    items: pl.DataFrame

    def digest(self) -> str:
        """16 hex digits over the rows of all three tables, in their order."""
        return content_digest([self.interactions], self.users, self.items)


def content_digest(
    interactions: Iterable[pl.DataFrame], users: pl.DataFrame, items: pl.DataFrame
) -> str:
    """16 hex digits over the sorted rows of three tables; interactions come in parts."""
    digest = Digest()
    for _ in digest.over(interactions):
        pass
    for side in (users, items):
        for _ in digest.over([side]):
            pass
    return digest.text()


class Digest:
    """The digest of three tables, one after the other, computed while they are read."""

    def __init__(self) -> None:
        """Begin with the first table."""
        self._digest = hashlib.sha256()

    def over(self, parts: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Hand on the parts of the next table; all of them have to be taken."""
        head = True
        for part in parts:
            for rows in part.iter_slices(_SLICE) if part.height else [part]:
                self._digest.update(rows.write_csv(include_header=head).encode())
                head = False
            yield part
        self._digest.update(b"\0")

    def text(self) -> str:
        """16 hex digits."""
        return self._digest.hexdigest()[:16]


@contextmanager
def locked(lake: Path) -> Iterator[None]:
    """One writer at a time: two checks of one source must not both append its rows."""
    lake.mkdir(parents=True, exist_ok=True)
    with (lake / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def current(lake: Path, name: str, empty: pl.Schema) -> tuple[int | None, pl.DataFrame]:
    """Newest version of a table and its rows; no version and no rows where there is none."""
    try:
        table = DeltaTable(str(lake / name))
    except TableNotFoundError:
        return None, pl.DataFrame(schema=empty)
    return table.version(), _rows(table, empty)


def append(lake: Path, name: str, frame: pl.DataFrame, partitions: list[str] | None) -> int:
    """Append rows as a new version of the table; columns that it lacks are added to it."""
    path = str(lake / name)
    keep_log(lake, name)
    write_deltalake(
        path,
        frame,
        mode="append",
        partition_by=partitions,
        schema_mode="merge",
        configuration=_properties(name),
    )
    return DeltaTable(path).version()


def overwrite(lake: Path, name: str, frame: pl.DataFrame) -> int:
    """Replace the rows as a new version of the table; older versions stay readable."""
    path = str(lake / name)
    keep_log(lake, name)
    write_deltalake(path, frame, mode="overwrite", configuration=_properties(name))
    return DeltaTable(path).version()


def keep_log(lake: Path, name: str) -> None:
    """Let a table that was made by an earlier release keep what its log tells of old versions.

    To be called before each commit; new tables are made so.
    """
    wanted = _properties(name)
    try:
        table = DeltaTable(str(lake / name))
    except TableNotFoundError:
        return
    if wanted and not wanted.items() <= table.metadata().configuration.items():
        table.alter.set_table_properties(
            wanted, post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=False)
        )


def _properties(name: str) -> dict[str, str]:
    return {**_WHOLE_LOG} if name in _ORDER else {}


def merge(lake: Path, name: str, incoming: pl.DataFrame) -> tuple[int, pl.DataFrame]:
    """Update users or items by id, as a new version where that changes anything."""
    key = _ORDER[name][0]
    number, present = current(lake, name, incoming.schema)
    merged = sort(name, pl.concat([present.join(incoming, on=key, how="anti"), incoming]))
    if number is None or not merged.equals(sort(name, present)):
        number = overwrite(lake, name, merged)
    return number, merged


def scan(lake: Path, name: str, columns: pl.Schema) -> pl.LazyFrame:
    """Newest rows of a table, unread: null in columns that it lacks, none if it is absent."""
    try:
        table = DeltaTable(str(lake / name))
    except TableNotFoundError:
        return pl.LazyFrame(schema=columns)
    rows = pl.scan_delta(table)
    found = rows.collect_schema().names()
    return rows.select(
        (pl.col(column) if column in found else pl.lit(None)).cast(kind).alias(column)
        for column, kind in columns.items()
    )


def newest(lake: Path, name: str) -> int | None:
    """Newest version of a table, if it is there."""
    try:
        return DeltaTable(str(lake / name)).version()
    except TableNotFoundError:
        return None


def name_version(interactions: int, users: int, items: int, digest: str) -> str:
    """The data version of these Delta versions and the digest of their content."""
    return f"i{interactions}.u{users}.t{items}-{digest}"


def sort(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Rows in the order that digests and training rely on."""
    return frame.sort(_ORDER[name])


def scan_version(lake: Path, data_version: str) -> dict[str, pl.LazyFrame]:
    """The three tables of this data version, unread, each with the columns that it had.

    The content is not held against the digest. Raises InputError `DataVersionMissing`.
    """
    scans: dict[str, pl.LazyFrame] = {}
    for name, number in zip(_ORDER, _parse(data_version).groups()[:3], strict=True):
        with _readable(lake, name, int(number)):
            scans[name] = pl.scan_delta(DeltaTable(str(lake / name), version=int(number)))
    return scans


def table_versions(data_version: str) -> dict[str, int]:
    """The Delta versions of the three tables that a data version names."""
    return dict(zip(_ORDER, map(int, _parse(data_version).groups()[:3]), strict=True))


def no_newer(data_version: str, than: str) -> bool:
    """Whether no table of a data version is newer than that of another one of the same lake."""
    limits = table_versions(than)
    return all(number <= limits[name] for name, number in table_versions(data_version).items())


def digest_of(data_version: str) -> str:
    """The digest that a data version names."""
    return _parse(data_version).group(4)


def read_version(lake: Path, data_version: str) -> Tables:
    """The rows of exactly this data version.

    Raises InputError `DataVersionMissing` when it is not there or is not what it was.
    """
    match = _parse(data_version)
    frames: dict[str, pl.DataFrame] = {}
    schemas = (schema.INTERACTIONS_SCHEMA, schema.USERS_SCHEMA, schema.ITEMS_SCHEMA)
    for name, number, empty in zip(_ORDER, match.groups(), schemas, strict=False):
        frames[name] = sort(name, _load(lake, name, int(number), empty))
    tables = Tables(**frames)
    if tables.digest() != match.group(4):
        raise changed(lake, data_version)
    return tables


@contextmanager
def intact(lake: Path, data_version: str) -> Iterator[None]:
    """Within it, a file that is gone or damaged is told as InputError `DataVersionMissing`."""
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(
            "DataVersionMissing",
            f"{data_version} in {lake} cannot be read ({str(error)[:200]}); run `check` again",
        ) from error


def changed(lake: Path, data_version: str) -> InputError:
    """What is raised when the content is not that of the digest."""
    return InputError(
        "DataVersionMissing",
        f"the tables in {lake} no longer hold the content of {data_version}; run `check` again",
    )


def _parse(data_version: str) -> re.Match[str]:
    match = re.fullmatch(VERSION, data_version)
    if match is None:
        raise InputError(
            "DataVersionMissing",
            f"{data_version!r} is no data version; take dataVersion from the report of `check`",
        )
    return match


def _load(lake: Path, name: str, number: int, empty: pl.Schema) -> pl.DataFrame:
    with _readable(lake, name, number):
        return _rows(DeltaTable(str(lake / name), version=number), empty)


@contextmanager
def _readable(lake: Path, name: str, number: int) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise InputError(
            "DataVersionMissing",
            f"version {number} of the table {lake / name} cannot be read ({error}); "
            "run `check` again",
        ) from error


def _rows(table: DeltaTable, columns: pl.Schema) -> pl.DataFrame:
    frame = pl.scan_delta(table).collect()
    return frame.select([pl.col(name).cast(kind) for name, kind in columns.items()])
