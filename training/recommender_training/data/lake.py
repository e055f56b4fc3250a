"""The lake: Delta tables of interactions, users, items and quarantined rows.

The data version names the Delta versions of the three tables that training reads and a digest of
their content: `i3.u1.t1-0123456789abcdef`. The same content always has the same version, and a
version is read back exactly, however many newer ones there are.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import TableNotFoundError

from recommender_training.data import schema
from recommender_training.errors import InputError

_VERSION = re.compile(r"^i(\d+)\.u(\d+)\.t(\d+)-([0-9a-f]{16})$")
_ORDER = {
    "interactions": ["timestamp", "user_id", "item_id", "value"],
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
        digest = hashlib.sha256()
        for name in _ORDER:
            digest.update(getattr(self, name).write_csv().encode())
            digest.update(b"\0")
        return digest.hexdigest()[:16]


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
    """Append rows as a new version of the table."""
    path = str(lake / name)
    write_deltalake(path, frame, mode="append", partition_by=partitions)
    return DeltaTable(path).version()


def overwrite(lake: Path, name: str, frame: pl.DataFrame) -> int:
    """Replace the rows as a new version of the table; older versions stay readable."""
    path = str(lake / name)
    write_deltalake(path, frame, mode="overwrite")
    return DeltaTable(path).version()


def name_version(versions: dict[str, int], tables: Tables) -> str:
    """The data version of these Delta versions and this content."""
    numbers = f"i{versions['interactions']}.u{versions['users']}.t{versions['items']}"
    return f"{numbers}-{tables.digest()}"


def sort(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Rows in the order that digests and training rely on."""
    return frame.sort(_ORDER[name])


def read_version(lake: Path, data_version: str) -> Tables:
    """The rows of exactly this data version.

    Raises InputError `DataVersionMissing` when it is not there or is not what it was.
    """
    match = _VERSION.match(data_version)
    if match is None:
        raise InputError(
            "DataVersionMissing",
            f"{data_version!r} is no data version; take dataVersion from the report of `check`",
        )
    frames: dict[str, pl.DataFrame] = {}
    schemas = (schema.INTERACTIONS_SCHEMA, schema.USERS_SCHEMA, schema.ITEMS_SCHEMA)
    for name, number, empty in zip(_ORDER, match.groups(), schemas, strict=False):
        frames[name] = sort(name, _load(lake, name, int(number), empty))
    tables = Tables(**frames)
    if tables.digest() != match.group(4):
        raise InputError(
            "DataVersionMissing",
            f"the tables in {lake} no longer hold the content of {data_version}; "
            "run `check` again",
        )
    return tables


def _load(lake: Path, name: str, number: int, empty: pl.Schema) -> pl.DataFrame:
    try:
        return _rows(DeltaTable(str(lake / name), version=number), empty)
    except Exception as error:
        raise InputError(
            "DataVersionMissing",
            f"version {number} of the table {lake / name} cannot be read ({error}); "
            "run `check` again",
        ) from error


def _rows(table: DeltaTable, columns: pl.Schema) -> pl.DataFrame:
    frame = pl.scan_delta(table).collect()
    return frame.select([pl.col(name).cast(kind) for name, kind in columns.items()])
