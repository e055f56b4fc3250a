"""The mapping of a source: files and columns of the tables (`--mapping`, camelCase).

The other side of this contract is `recommender_operator.api.spec_mapping.DataMapping`; a test
compares them.
"""

from __future__ import annotations

import enum
import hashlib
import json
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from recommender_training.common.errors import InputError
from recommender_training.common.section import Section
from recommender_training.data import schema
from recommender_training.ingestion.ids import IdKind

#: Increased when the same bytes give other rows, so that files are read again.
_READER = "1"

Column = Annotated[str, Field(min_length=1, max_length=64)]
Files = Annotated[str, Field(max_length=253, pattern=r"^[^/\x00-\x1f][^\x00-\x1f]*$")]


class Format(enum.StrEnum):
    """Format of the raw files; all except the first need a mapping."""

    MOVIELENS_100K = "MovieLens100K"
    CSV = "CSV"
    JSON_LINES = "JSONLines"
    PARQUET = "Parquet"
    DELTA = "Delta"


class TimeUnit(enum.StrEnum):
    """Unit of times. A number counts from 1970; a text without a zone is UTC."""

    SECONDS = "Seconds"
    MILLISECONDS = "Milliseconds"
    ISO8601 = "ISO8601"


class PartitionBy(enum.StrEnum):
    """Length of a partition of the interactions, UTC."""

    DAY = "Day"
    HOUR = "Hour"


class Timestamp(Section):
    """Time of the event."""

    column: Column
    unit: TimeUnit = TimeUnit.SECONDS


class Value(Section):
    """Value of the event; `lowest` to `highest` is scaled to the range 1 to 5."""

    column: Column
    lowest: float = schema.MIN_VALUE
    highest: float = schema.MAX_VALUE

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if not self.lowest < self.highest:
            raise ValueError("lowest must be below highest")
        return self


class EventValue(Section):
    """Value of an event type, for events without their own value."""

    type: str = Field(min_length=1, max_length=64)
    value: float | None = Field(default=None, ge=schema.MIN_VALUE, le=schema.MAX_VALUE)


class EventType(Section):
    """Type of the event; if `types` is given, all other types are quarantined."""

    column: Column
    types: tuple[EventValue, ...] = Field(default=(), max_length=50)

    @model_validator(mode="after")
    def _types_are_unique(self) -> Self:
        if len({entry.type for entry in self.types}) < len(self.types):
            raise ValueError("types has a duplicate; list each type once")
        return self


class Table(Section):
    """Files of one table, and their columns if they have no header."""

    files: Files
    columns: tuple[Column, ...] = Field(default=(), max_length=100)

    @model_validator(mode="after")
    def _stays_inside(self) -> Self:
        parts = self.files.split("/")
        if ".." in parts:
            raise ValueError("files must stay inside the source; remove '..'")
        if any("**" in part and part != "**" for part in parts):
            raise ValueError("'**' must be a whole path segment, as in 'events/**/*.csv'")
        return self

    def fields(self) -> dict[str, str]:
        """Return the mapped columns by field."""
        raise NotImplementedError


class Interactions(Table):
    """Interactions, one event per row."""

    user: Column
    item: Column
    timestamp: Timestamp
    value: Value | None = None
    event_type: EventType | None = None
    session: Column | None = None
    segment: Column | None = None

    @model_validator(mode="after")
    def _has_a_value(self) -> Self:
        if self.value is None and not (
            self.event_type
            and self.event_type.types
            and all(entry.value is not None for entry in self.event_type.types)
        ):
            raise ValueError("without `value`, each entry of eventType.types needs a value")
        return self

    def fields(self) -> dict[str, str]:
        """Return the mapped columns by field."""
        optional = {
            "value": self.value.column if self.value else None,
            "event_type": self.event_type.column if self.event_type else None,
            "session": self.session,
            "segment": self.segment,
        }
        needed = {"user": self.user, "item": self.item, "timestamp": self.timestamp.column}
        return needed | {name: column for name, column in optional.items() if column}


class Users(Table):
    """Attributes of users; attributes without a column are unknown."""

    id: Column
    age: Column | None = None
    gender: Column | None = None
    occupation: Column | None = None
    segment: Column | None = None

    def fields(self) -> dict[str, str]:
        """Return the mapped columns by field."""
        return _mapped(self, ("id", "age", "gender", "occupation", "segment"))


class Items(Table):
    """Attributes of items; attributes without a column are unknown."""

    id: Column
    title: Column | None = None
    release_year: Column | None = None
    genres: Column | None = None
    genre_separator: str = Field(default="|", min_length=1, max_length=8)

    def fields(self) -> dict[str, str]:
        """Return the mapped columns by field."""
        return _mapped(self, ("id", "title", "release_year", "genres"))


class CsvLayout(Section):
    """Delimiter and quote of a CSV file."""

    delimiter: str = Field(default=",", min_length=1, max_length=1)
    quote: str = Field(default='"', min_length=1, max_length=1)

    @model_validator(mode="after")
    def _are_distinct(self) -> Self:
        if self.delimiter == self.quote or {self.delimiter, self.quote} & {"\n", "\r", "\0"}:
            raise ValueError("delimiter and quote must differ, and neither may be a line end")
        return self


class Ids(Section):
    """Kinds of user and item ids."""

    user: IdKind = IdKind.INTEGER
    item: IdKind = IdKind.INTEGER


#: Default kinds of ids.
INTEGERS = Ids()


class Mapping(Section):
    """Files and columns of all tables."""

    interactions: Interactions
    users: Users | None = None
    items: Items | None = None
    csv: CsvLayout | None = None
    ids: Ids = INTEGERS
    partition_by: PartitionBy = PartitionBy.DAY

    def tables(self) -> dict[str, Table]:
        """Return the mapped tables, users and items first."""
        named = {"users": self.users, "items": self.items, "interactions": self.interactions}
        return {name: table for name, table in named.items() if table is not None}

    def schema_hash(self, name: str, kind: Format) -> str:
        """Return a hash of all of the mapping that affects the rows of a table."""
        table = self.tables()[name].model_dump(mode="json", exclude={"files"})
        layout = (self.csv or CsvLayout()).model_dump() if kind is Format.CSV else None
        parts = [_READER, kind.value, name, table, layout]
        if self.ids != INTEGERS:  # keeps the hash of mappings from before ids could be texts
            parts.append(self.ids.model_dump(mode="json"))
        text = json.dumps(parts, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _mapped(table: Table, names: tuple[str, ...]) -> dict[str, str]:
    return {name: column for name in names if (column := getattr(table, name)) is not None}


def parse_mapping(text: str | None, kind: Format) -> Mapping | None:
    """Read `--mapping`, which is JSON, or `` and a file that holds it.

    Raises InputError `InvalidMapping` with the field and its limits, or if the format needs a
    mapping and has none, or takes none and has one.
    """
    if kind is Format.MOVIELENS_100K:
        if text is not None:
            raise InputError("InvalidMapping", f"the format {kind} takes no --mapping; remove it")
        return None
    if text is None:
        raise InputError(
            "InvalidMapping",
            f"the format {kind} needs --mapping, as in --mapping '"
            '{"interactions": {"files": "events/*", "user": "user_id", "item": "item_id", '
            '"timestamp": {"column": "time"}, "value": {"column": "rating"}}}\'',
        )
    try:
        if text.startswith("@"):
            text = Path(text[1:]).read_text(encoding="utf-8")
        mapping = Mapping.model_validate(json.loads(text))
    except ValidationError as error:
        parts = [
            f"{'.'.join(map(str, issue['loc']))}={str(issue.get('input'))[:80]!r}: {issue['msg']}"
            for issue in error.errors()
        ]
        raise InputError("InvalidMapping", "--mapping: " + "; ".join(parts)) from error
    except (OSError, ValueError) as error:
        raise InputError("InvalidMapping", f"--mapping is not JSON: {error}") from error
    only_csv = [name for name, table in mapping.tables().items() if table.columns]
    only_csv += ["csv"] if mapping.csv else []
    if kind is not Format.CSV and only_csv:
        raise InputError(
            "InvalidMapping",
            f"--mapping: csv and columns apply to the format CSV, not to {kind}; remove them",
        )
    return mapping
