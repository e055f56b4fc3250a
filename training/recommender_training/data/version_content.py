"""Read and verify the content of a data version: its tables and the declaration of their columns.

The declaration lies beside the tables (`schema_files.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from deltalake import DeltaTable

from recommender_training.common.errors import InputError
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data import data_versions, erasures, schema, schema_files
from recommender_training.data.lake import select, sort

#: Rows converted to text at a time.
_SLICE = 200_000


@dataclass(frozen=True)
class Tables:
    """The content of one data version, each table sorted, and the declaration of its features."""

    interactions: pl.DataFrame
    users: pl.DataFrame
    items: pl.DataFrame
    declaration: FeatureSchema
    explored: pl.DataFrame | None = None

    def digest(self) -> str:
        """Return 16 hex digits of a SHA-256 over the declaration and the rows."""
        return content_digest(
            self.declaration, [self.interactions], self.users, self.items, self.explored
        )


def content_digest(
    declaration: FeatureSchema,
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

    def __init__(self, declaration: FeatureSchema) -> None:
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


@dataclass(frozen=True)
class Scans:
    """The three tables of a data version as lazy frames, and the declaration of its features."""

    tables: dict[str, pl.LazyFrame]
    declaration: FeatureSchema
    explored: pl.DataFrame | None = None  # sorted; None: the version has no such table


def scan_version(lake: Path, data_version: str) -> Scans:
    """Return the tables of a data version with the columns of its declaration.

    Does not verify the digest. Raises InputError: `DataVersionMissing`, `DataVersionErased` if a
    user was erased from it.
    """
    erasures.refuse(lake, data_version)
    numbers = data_versions.table_versions(data_version)
    declaration = schema_files.read_schema(lake, data_version)
    schemas = {**schema.tables(declaration), "explored": schema.EXPLORED_SCHEMA}
    scans: dict[str, pl.LazyFrame] = {}
    for name, number in numbers.items():
        with _readable(lake, name, data_version):
            rows = pl.scan_delta(DeltaTable(str(lake / name), version=number))
            scans[name] = select(rows, schemas[name])
    explored = scans.pop("explored", None)
    if explored is None:
        return Scans(scans, declaration)
    with _readable(lake, "explored", data_version):
        return Scans(scans, declaration, sort("explored", explored.collect()))


def read_version(lake: Path, data_version: str) -> Tables:
    """Return the rows of exactly this data version, and its declaration.

    Raises InputError: `DataVersionMissing` if it is missing or its content has changed,
    `DataVersionErased`.
    """
    scans = scan_version(lake, data_version)
    frames: dict[str, pl.DataFrame] = {}
    for name, rows in scans.tables.items():
        with _readable(lake, name, data_version):
            frames[name] = sort(name, rows.collect())
    tables = Tables(**frames, declaration=scans.declaration, explored=scans.explored)
    if tables.digest() != data_versions.digest_of(data_version):
        raise changed(lake, data_version)
    return tables


@contextmanager
def intact(lake: Path, data_version: str) -> Iterator[None]:
    """Raise InputError `DataVersionMissing` if a file is missing or damaged inside the block.

    If a user has been erased from the version meanwhile, it is `DataVersionErased`.
    """
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        erasures.refuse(lake, data_version)  # while it was read
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


@contextmanager
def _readable(lake: Path, name: str, data_version: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        erasures.refuse(lake, data_version)  # while it was read
        number = data_versions.table_versions(data_version)[name]
        raise InputError(
            "DataVersionMissing",
            f"version {number} of the table {lake / name} cannot be read ({error}); "
            "run `check` again",
        ) from error
