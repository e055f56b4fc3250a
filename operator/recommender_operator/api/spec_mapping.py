"""Which column of which raw files is what: `spec.data.source.mapping`.

The other side of this contract is `recommender_training.ingestion.mapping`; a test holds the two
together. Everything is bounded, so that the whole fits one argument of the Job.
"""

from __future__ import annotations

import enum
from typing import Annotated

from pydantic import Field

from recommender_operator.api.base import ApiModel

Column = Annotated[str, Field(min_length=1, max_length=64)]
Files = Annotated[str, Field(max_length=253, pattern=r"^[^/\x00-\x1f][^\x00-\x1f]*$")]
Columns = Annotated[tuple[Column, ...], Field(min_length=1, max_length=100)]

_FILES = "Pattern of the files, relative to the source's path, as in 'events/**/*.csv'."
_COLUMNS = "Names of the columns, in order, of CSV files that have no header."


class TimeUnit(enum.StrEnum):
    SECONDS = "Seconds"
    MILLISECONDS = "Milliseconds"
    ISO8601 = "ISO8601"


class PartitionBy(enum.StrEnum):
    DAY = "Day"
    HOUR = "Hour"


class IdKind(enum.StrEnum):
    INTEGER = "Integer"
    TEXT = "Text"


class IdKinds(ApiModel):
    user: IdKind = Field(default=IdKind.INTEGER, description="What the ids of users are.")
    item: IdKind = Field(default=IdKind.INTEGER, description="What the ids of items are.")


class TimestampMapping(ApiModel):
    column: Column = Field(description="Column of the time of the event.")
    unit: TimeUnit = Field(
        default=TimeUnit.SECONDS,
        description="Seconds or Milliseconds since 1970, or an ISO 8601 text (UTC if it names no "
        "zone). Times that fit another unit alone are quarantined with that unit in the reason.",
    )


class ValueMapping(ApiModel):
    column: Column = Field(description="Column of a number, such as a rating.")
    lowest: float = Field(default=1.0, description="Worst value; it counts as 1.")
    highest: float = Field(
        default=5.0, description="Best value; it counts as 5. From 4 on a response is positive."
    )


class EventTypeValue(ApiModel):
    type: str = Field(min_length=1, max_length=64, description="Type as the column has it.")
    value: float | None = Field(
        default=None,
        ge=1,
        le=5,
        description="What an event of this type is worth where it has no value of its own.",
    )


class EventTypeMapping(ApiModel):
    column: Column = Field(description="Column of the type of the event.")
    types: Annotated[tuple[EventTypeValue, ...], Field(min_length=1, max_length=50)] | None = (
        Field(
            default=None,
            description="All types there are; others are quarantined. Any are taken if absent.",
        )
    )


class InteractionsMapping(ApiModel):
    files: Files = Field(description=_FILES)
    columns: Columns | None = Field(default=None, description=_COLUMNS)
    user: Column = Field(description="Column of the user's id, of the kind ids.user.")
    item: Column = Field(description="Column of the item's id, of the kind ids.item.")
    timestamp: TimestampMapping = Field(description="When the event was.")
    value: ValueMapping | None = Field(
        default=None, description="How much the event says; needed unless each type has a value."
    )
    event_type: EventTypeMapping | None = Field(
        default=None, description="What happened; part of what makes two rows the same event."
    )
    session: Column | None = Field(
        default=None, description="Column of the session's id; kept, not yet used in training."
    )
    segment: Column | None = Field(
        default=None,
        description="Column of the user's segment at the time of the event; that of the user, or "
        "the age band, if absent.",
    )


class UsersMapping(ApiModel):
    files: Files = Field(description=_FILES)
    columns: Columns | None = Field(default=None, description=_COLUMNS)
    id: Column = Field(description="Column of the user's id, of the kind ids.user.")
    age: Column | None = Field(default=None, description="Column of the age in years.")
    gender: Column | None = Field(default=None, description="Column of the gender.")
    occupation: Column | None = Field(default=None, description="Column of the occupation.")
    segment: Column | None = Field(
        default=None, description="Column of the segment; the age band if absent."
    )


class ItemsMapping(ApiModel):
    files: Files = Field(description=_FILES)
    columns: Columns | None = Field(default=None, description=_COLUMNS)
    id: Column = Field(description="Column of the item's id, of the kind ids.item.")
    title: Column | None = Field(default=None, description="Column of the title.")
    release_year: Column | None = Field(default=None, description="Column of the year of release.")
    genres: Column | None = Field(
        default=None, description="Column of the genres, a text or a list; the first is primary."
    )
    genre_separator: str = Field(
        default="|", min_length=1, max_length=8, description="Between two genres of a text."
    )


class CsvLayout(ApiModel):
    delimiter: str = Field(
        default=",", pattern=r"^[^\r\n\x00]$", max_length=1, description="Between two fields."
    )
    quote: str = Field(
        default='"',
        pattern=r"^[^\r\n\x00]$",
        max_length=1,
        description="Around a field that holds a delimiter or a line end; doubled inside of it.",
    )


class DataMapping(ApiModel):
    interactions: InteractionsMapping = Field(description="The events.")
    users: UsersMapping | None = Field(
        default=None, description="Attributes of users; unknown if absent."
    )
    items: ItemsMapping | None = Field(
        default=None, description="Attributes of items; unknown if absent."
    )
    csv: CsvLayout | None = Field(
        default=None, description="How fields of CSV files are told apart; RFC 4180 if absent."
    )
    ids: IdKinds = Field(
        default=IdKinds(),
        description="What ids are in the data, in requests and in answers: Integer, a whole "
        "number from 0, or Text, taken byte for byte: 1 to 256 bytes of UTF-8 without control "
        "characters. It stays what it is for the life of a model.",
    )
    partition_by: PartitionBy = Field(
        default=PartitionBy.DAY, description="Length of a partition of the interactions, UTC."
    )
