"""The record of the users erased from a lake: `<lake>/erasures.json`.

A user is in it as a digest, with the time of the erasure, so that raw files that still have the
user's earlier rows do not bring them back. An erasure deletes the history of the tables that had
rows of the user, so the record also has the first version of each table that can still be read.
It is read and written under the lock of the lake and replaced by a rename. A damaged record is an
error, never an empty one: erased users would come back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from recommender_contract.erasures import DIGEST
from recommender_training.common.errors import InputError
from recommender_training.data import data_versions, json_records, time_format

FILE = "erasures.json"
SCHEMA: Literal["recommender.dev/erasures/v1"] = "recommender.dev/erasures/v1"

_Digest = Annotated[str, Field(pattern=DIGEST)]
_CONFIG = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


class Pending(BaseModel):
    """An erasure that has not ended: its users, by digest, and the tables that had rows of them.

    The next command that writes the lake ends it.
    """

    model_config = _CONFIG

    users: tuple[_Digest, ...]
    tables: tuple[str, ...]


class Record(BaseModel):
    """Who was erased, and from which versions of the tables."""

    model_config = _CONFIG

    schema_: Literal["recommender.dev/erasures/v1"] = Field(SCHEMA, alias="schema")
    #: By digest, the time up to which rows of the user stay out of the lake.
    users: dict[_Digest, json_records.Second] = {}
    #: The first version of each table without rows of erased users. Earlier ones are gone.
    first: dict[str, Annotated[int, Field(ge=0)]] = {}
    #: When `first` changed last.
    since: json_records.Second | None = None
    pending: Pending | None = None

    def newer(self, users: Mapping[str, int]) -> dict[str, int]:
        """Return those users that are not in the record yet, or with an earlier time."""
        return {each: time for each, time in users.items() if self.users.get(each, -1) < time}

    def begun(self, users: Mapping[str, int], tables: Iterable[str]) -> Record:
        """Return the record when an erasure of these users from these tables begins."""
        listed = tuple(sorted(tables))
        pending = Pending(users=tuple(sorted(users)), tables=listed) if listed else None
        return self.model_copy(
            update={"users": {**self.users, **self.newer(users)}, "pending": pending}
        )

    def from_now_on(self, first: Mapping[str, int], now: int) -> Record:
        """Return the record when these are the first versions of tables that can be read."""
        since = {"since": now} if first else {}
        return self.model_copy(update={"first": {**self.first, **first}, **since})

    def ended(self) -> Record:
        """Return the record when the pending erasure has ended."""
        return self.model_copy(update={"pending": None})

    def refused(self, data_version: str) -> bool:
        """Return True if a user was erased from a data version."""
        numbers = data_versions.table_versions(data_version)
        return any(number < self.first.get(name, 0) for name, number in numbers.items())


def read_erasures(lake: Path) -> Record:
    """Return the record of the lake; an empty one if nobody was ever erased.

    Raises InputError `ErasuresDamaged`.
    """
    try:
        content = (lake / FILE).read_bytes()
    except FileNotFoundError:
        return Record()
    try:
        return Record.model_validate_json(content)
    except ValidationError as error:
        raise InputError(
            "ErasuresDamaged",
            f"{json_records.damage(lake / FILE, error)}: restore it; without it, rows of erased "
            "users could come back",
        ) from error


def write_erasures(lake: Path, record: Record) -> None:
    """Replace the record. The caller holds the lock of the lake."""
    json_records.replace(lake / FILE, record.model_dump(mode="json", by_alias=True))


def refuse(lake: Path, data_version: str) -> None:
    """Raise InputError `DataVersionErased` if a user was erased from a data version."""
    record = read_erasures(lake)
    if record.refused(data_version):
        raise InputError(
            "DataVersionErased",
            f"{data_version} in {lake} had rows of a user who was erased on "
            f"{time_format.iso_time(record.since or 0)}, so its rows were deleted with its "
            "history: run `check` for a data version without the user, and remove a pin "
            "(data.version, data.asOf) to this one",
        )
