"""The lake: Delta tables of interactions, users, items, explored places and quarantined rows.

A data version consists of the Delta versions of the three tables that training reads and a digest
of their content and of the declaration of their features: `i3.u1.t1-0123456789abcdef`. If places
of answers were explored, their table is the fourth: `i3.u1.t1.e2-0123456789abcdef`. The same
content always has the same data version, and newer versions never change an older one. The
declaration lies beside the tables (`declarations.py`), and says which columns they have.
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
from recommender_training.config.declaration import Declaration, Feature, Place
from recommender_training.data import declarations, row_times, schema

#: Property of the tables in data versions. By default, Delta expires log entries after 30 days,
#: and the versions with them.
_KEEP_WHOLE_LOG = {"delta.enableExpiredLogCleanup": "false"}
#: Pattern of a data version.
VERSION = r"^i([0-9]+)\.u([0-9]+)\.t([0-9]+)(?:\.e([0-9]+))?-([0-9a-f]{16})$"
#: Rows converted to text at a time.
_SLICE = 200_000
#: Columns that decide the order of rows; the others of the interactions break ties.
_ORDER = {
    "interactions": ["timestamp", "user_id", "item_id", "value", "event_date", "segment"],
    "users": ["user_id"],
    "items": ["item_id"],
    "explored": ["timestamp", "user_id", "item_id", "place", "pool"],
}


@dataclass(frozen=True)
class Tables:
    """The content of one data version, each table sorted, and the declaration of its features."""

    interactions: pl.DataFrame
    users: pl.DataFrame
    items: pl.DataFrame
    declaration: Declaration
    explored: pl.DataFrame | None = None

    def digest(self) -> str:
        """Return 16 hex digits of a SHA-256 over the declaration and the rows."""
        return content_digest(
            self.declaration, [self.interactions], self.users, self.items, self.explored
        )


def content_digest(
    declaration: Declaration,
    interactions: Iterable[pl.DataFrame],
    users: pl.DataFrame,
    items: pl.DataFrame,
    explored: pl.DataFrame | None = None,
) -> str:
    """Return 16 hex digits of a SHA-256 over the declaration and the sorted rows.

    Interactions come in parts. Without explored places it is the digest of three tables.
    """
    digest = Digest(declaration)
    for _ in digest.over(interactions):
        pass
    for side in (users, items, *(() if explored is None else (explored,))):
        for _ in digest.over([side]):
            pass
    return digest.text()


class Digest:
    """Digest of a declaration and of tables in sequence, computed while they are read."""

    def __init__(self, declaration: Declaration) -> None:
        """Start with the first table."""
        self._digest = hashlib.sha256(declaration.text().encode() + b"\0")

    def over(self, parts: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Yield the parts of the next table while hashing them; the caller must consume all."""
        head = True
        for part in parts:
            for rows in part.iter_slices(_SLICE) if part.height else [part]:
                self._digest.update(rows.write_csv(include_header=head).encode())
                head = False
            yield part
        self._digest.update(b"\0")

    def text(self) -> str:
        """Return the digest as 16 hex digits."""
        return self._digest.hexdigest()[:16]


@contextmanager
def locked(lake: Path) -> Iterator[None]:
    """Hold the lock of the lake, so that two checks of a source cannot both append its rows."""
    lake.mkdir(parents=True, exist_ok=True)
    with (lake / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def current(lake: Path, name: str, empty: pl.Schema) -> tuple[int | None, pl.DataFrame]:
    """Return the newest version of a table and its rows; None and no rows if it is missing.

    Users and items that have gained or lost a history are as `row_times.reshaped` makes them.
    """
    try:
        table = DeltaTable(str(lake / name))
    except TableNotFoundError:
        return None, pl.DataFrame(schema=empty)
    return table.version(), _side_rows(name, table, empty)


def append(lake: Path, name: str, frame: pl.DataFrame, partitions: list[str] | None) -> int:
    """Append rows as a new version of the table, add missing columns, and return the version."""
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
    """Replace rows and columns as a new version of the table and return it; older ones stay."""
    path = str(lake / name)
    keep_log(lake, name)
    write_deltalake(
        path,
        frame,
        mode="overwrite",
        schema_mode="overwrite",
        configuration=_properties(name),
    )
    return DeltaTable(path).version()


def keep_log(lake: Path, name: str) -> None:
    """Disable the expiry of log entries for a table created by an earlier release.

    Call it before each commit. New tables have the property from the start.
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
    return {**_KEEP_WHOLE_LOG} if name in _ORDER else {}


def merge(lake: Path, name: str, incoming: pl.DataFrame) -> tuple[int, pl.DataFrame]:
    """Update users or items by id; return the version, a new one if any row changed, and rows.

    With a history, they are updated by id and `valid_from`, so that earlier rows stay.

    Rows have the columns of `incoming`: null in the rows that were there before a column, while a
    column that is no longer declared goes. Raises InputError `SchemaChanged`.
    """
    key = _key(name, incoming)
    check_types(lake, name, incoming.schema)
    number, present = current(lake, name, incoming.schema)
    rest = present.join(incoming, on=key, how="anti", nulls_equal=True)
    merged = sort(name, pl.concat([rest, incoming]))
    kept = number is not None and _has_history(lake, name) == (row_times.COLUMN in key)
    if number is None or not kept or not merged.equals(sort(name, present)):
        number = overwrite(lake, name, merged)
    return number, merged


def check_growth(lake: Path, declaration: Declaration) -> None:
    """Check that the tables can have the features of a declaration.

    Raises InputError `SchemaChanged` if a feature has another type than its column, or another
    kind or length than in the last declaration: rows that stay would not be values of it.
    """
    for name, columns in schema.tables(declaration).items():
        check_types(lake, name, columns)
    before = declarations.last(lake) or Declaration()
    for place in Place:
        kinds = {each.name: each for each in before.of(place)}
        for feature in declaration.of(place):
            was = kinds.get(feature.name, feature)
            if (was.kind, was.length) != (feature.kind, feature.length):
                raise InputError(
                    "SchemaChanged",
                    f"{place}.{feature.name} in {lake} is declared as {_kind(feature)}, and its "
                    f"rows were read as {_kind(was)}: give the feature another name (and set "
                    "column), or rename the model",
                )


def _kind(feature: Feature) -> str:
    return feature.kind + (f" of length {feature.length}" if feature.length else "")


def check_types(lake: Path, name: str, columns: pl.Schema) -> None:
    """Check that the newest version of a table has no column of `columns` in another type.

    Raises InputError `SchemaChanged` with the table, the column and both types.
    """
    try:
        table = DeltaTable(str(lake / name))
    except TableNotFoundError:
        return
    for column, found in pl.scan_delta(table).collect_schema().items():
        if column in columns and columns[column] != found:
            raise InputError(
                "SchemaChanged",
                f"the column {column} of the table {name} in {lake} has the type {found}, but "
                f"{columns[column]} is declared now, and a column keeps its type: give the "
                "feature another name (and set column), or rename the model",
            )


def scan(lake: Path, name: str, columns: pl.Schema) -> pl.LazyFrame:
    """Return the newest rows of a table as a lazy frame: null in missing columns, no rows if the
    table is missing."""
    try:
        table = DeltaTable(str(lake / name))
    except TableNotFoundError:
        return pl.LazyFrame(schema=columns)
    return select(pl.scan_delta(table), columns)


def select(rows: pl.LazyFrame, columns: pl.Schema) -> pl.LazyFrame:
    """Return exactly these columns in these types; null where `rows` lack them."""
    found = rows.collect_schema().names()
    return rows.select(
        (pl.col(column) if column in found else pl.lit(None)).cast(kind).alias(column)
        for column, kind in columns.items()
    )


def newest(lake: Path, name: str) -> int | None:
    """Return the newest version of a table, or None if the table is missing."""
    try:
        return DeltaTable(str(lake / name)).version()
    except TableNotFoundError:
        return None


def name_version(
    interactions: int, users: int, items: int, digest: str, explored: int | None = None
) -> str:
    """Return the data version of these Delta versions and this digest."""
    fourth = "" if explored is None else f".e{explored}"
    return f"i{interactions}.u{users}.t{items}{fourth}-{digest}"


def sort(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Sort rows in the order that digests and training rely on."""
    first = _ORDER[name] if name == "interactions" else _key(name, frame)
    ties = [column for column in frame.columns if column not in first]
    return frame.sort([*first, *ties] if name == "interactions" else first)


def _key(name: str, frame: pl.DataFrame) -> list[str]:
    """Return the columns that identify a row of users or items."""
    history = [each for each in (row_times.COLUMN,) if each in frame.columns]
    return [*_ORDER[name], *history]


@dataclass(frozen=True)
class Scans:
    """The three tables of a data version as lazy frames, and the declaration of its features."""

    tables: dict[str, pl.LazyFrame]
    declaration: Declaration
    explored: pl.DataFrame | None = None  # sorted; None: the version has no such table


def scan_version(lake: Path, data_version: str) -> Scans:
    """Return the tables of a data version with the columns of its declaration.

    Does not verify the digest. Raises InputError `DataVersionMissing`.
    """
    numbers = table_versions(data_version)
    declaration = declarations.read(lake, data_version)
    schemas = {**schema.tables(declaration), "explored": schema.EXPLORED_SCHEMA}
    scans: dict[str, pl.LazyFrame] = {}
    for name, number in numbers.items():
        with _readable(lake, name, number):
            rows = pl.scan_delta(DeltaTable(str(lake / name), version=number))
            scans[name] = select(rows, schemas[name])
    explored = scans.pop("explored", None)
    if explored is None:
        return Scans(scans, declaration)
    with _readable(lake, "explored", numbers["explored"]):
        return Scans(scans, declaration, sort("explored", explored.collect()))


def table_versions(data_version: str) -> dict[str, int]:
    """Return the Delta version of each table in a data version."""
    numbers = zip(_ORDER, _parse(data_version).groups()[:-1], strict=True)
    return {name: int(number) for name, number in numbers if number is not None}


def no_newer(data_version: str, than: str) -> bool:
    """Return whether no table of a data version is newer than in another one of the same lake."""
    limits = table_versions(than)
    found = table_versions(data_version)
    return all(number <= limits.get(name, -1) for name, number in found.items())


def digest_of(data_version: str) -> str:
    """Return the digest in a data version."""
    return str(_parse(data_version).groups()[-1])


def read_version(lake: Path, data_version: str) -> Tables:
    """Return the rows of exactly this data version, and its declaration.

    Raises InputError `DataVersionMissing` if it is missing or its content has changed.
    """
    scans = scan_version(lake, data_version)
    frames: dict[str, pl.DataFrame] = {}
    numbers = table_versions(data_version)
    for name, rows in scans.tables.items():
        with _readable(lake, name, numbers[name]):
            frames[name] = sort(name, rows.collect())
    tables = Tables(**frames, declaration=scans.declaration, explored=scans.explored)
    if tables.digest() != digest_of(data_version):
        raise changed(lake, data_version)
    return tables


@contextmanager
def intact(lake: Path, data_version: str) -> Iterator[None]:
    """Raise InputError `DataVersionMissing` if a file is missing or damaged inside the block."""
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(
            "DataVersionMissing",
            f"{data_version} in {lake} cannot be read ({str(error)[:200]}); run `check` again",
        ) from error


def changed(lake: Path, data_version: str) -> InputError:
    """Return the error for content that does not match the digest."""
    return InputError(
        "DataVersionMissing",
        f"the tables in {lake} no longer hold the content of {data_version}; run `check` again",
    )


def _parse(data_version: str) -> re.Match[str]:
    match = re.fullmatch(VERSION, data_version)
    if match is None:
        raise InputError(
            "DataVersionMissing",
            f"{data_version!r} is not a data version; use dataVersion from the report of `check`",
        )
    return match


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


def _has_history(lake: Path, name: str) -> bool:
    return row_times.COLUMN in pl.scan_delta(DeltaTable(str(lake / name))).collect_schema()


def _side_rows(name: str, table: DeltaTable, columns: pl.Schema) -> pl.DataFrame:
    rows = pl.scan_delta(table)
    had, has = (row_times.COLUMN in each for each in (rows.collect_schema(), columns))
    if name in ("users", "items") and had != has:
        read = {each: kind for each, kind in columns.items() if each != row_times.COLUMN}
        read |= {row_times.COLUMN: pl.Int64()} if had else {}
        found = select(rows, pl.Schema(read)).collect()
        rows = row_times.reshaped(found, _ORDER[name][0], columns).lazy()
    return select(rows, columns).collect()
