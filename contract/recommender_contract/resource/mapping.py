"""The mapping of the raw files' columns: `spec.data.source.mapping`.

The operator validates it by these settings and by CEL rules, and passes it to Jobs and to the
collector as it is. All lengths are limited, so that it fits into the arguments of a Job.
"""

from __future__ import annotations

import enum
from typing import Annotated

from pydantic import Field

from recommender_contract.ids import IdKind
from recommender_contract.resource import label_segments
from recommender_contract.resource.base import ApiModel
from recommender_contract.resource.feature import Feature, Features
from recommender_contract.resource.label import Label

Column = Annotated[str, Field(min_length=1, max_length=64)]
Files = Annotated[str, Field(max_length=253, pattern=r"^[^/\x00-\x1f][^\x00-\x1f]*$")]
Columns = Annotated[tuple[Column, ...], Field(min_length=1, max_length=100)]

#: Range of the values of interactions, from the worst to the best.
MIN_VALUE, MAX_VALUE = 1.0, 5.0


class Format(enum.StrEnum):
    """Format of the raw files; all except the first need a mapping."""

    MOVIELENS_100K = "MovieLens100K"
    PARQUET = "Parquet"
    CSV = "CSV"
    JSON_LINES = "JSONLines"
    DELTA = "Delta"


class TimeUnit(enum.StrEnum):
    """Unit of times. A number counts from 1970; a text without a zone is UTC."""

    SECONDS = "Seconds"
    MILLISECONDS = "Milliseconds"
    MICROSECONDS = "Microseconds"
    ISO8601 = "ISO8601"


class PartitionBy(enum.StrEnum):
    """Length of a partition of the interactions, UTC."""

    DAY = "Day"
    HOUR = "Hour"


_FILES = "Glob pattern of the files, relative to the source's path, such as 'events/**/*.csv'."
_COLUMNS = "Column names, in order, of CSV files without a header."


class IdKinds(ApiModel):
    user: IdKind = Field(default=IdKind.INTEGER, description="Type of the user ids.")
    item: IdKind = Field(default=IdKind.INTEGER, description="Type of the item ids.")


#: Default kinds of ids.
INTEGERS = IdKinds()


class EventTypeValue(ApiModel):
    type: str = Field(
        min_length=1, max_length=64, description="Event type, exactly as in the column."
    )
    value: float | None = Field(
        default=None,
        ge=1,
        le=5,
        description="Value of an event of this type that has no value itself. Without it, and "
        "without a column of values, 5 if label.positiveTypes has the type, else 1.",
    )


EventTypes = Annotated[tuple[EventTypeValue, ...], Field(min_length=1, max_length=50)]


class InteractionsMapping(ApiModel):
    files: Files = Field(description=_FILES)
    columns: Columns | None = Field(default=None, description=_COLUMNS)
    user: Column = Field(description="Column with the user id, of the type ids.user.")
    item: Column = Field(description="Column with the item id, of the type ids.item.")
    timestamp: Column = Field(description="Column with the time of the event.")
    timestamp_unit: TimeUnit = Field(
        default=TimeUnit.SECONDS,
        description="Seconds, Milliseconds or Microseconds since 1970, or ISO8601 (UTC without a "
        "zone). Times that only make sense in another unit are quarantined, and the reason names "
        "that unit.",
    )
    value: Column | None = Field(
        default=None,
        description="Column with the strength of the event: a number such as a rating, or true "
        "and false. Without it, eventType requires label.positiveTypes, or a value for each "
        "type. Without both, each event has the best value.",
    )
    lowest: float = Field(
        default=1.0,
        allow_inf_nan=False,
        description="The worst number of the column of values; mapped to 1.",
    )
    highest: float = Field(
        default=5.0,
        allow_inf_nan=False,
        description="The best number of the column of values; mapped to 5. A response of 4 or "
        "more is positive unless label says otherwise. True and false are 1 and 0, with 0 as the "
        "worst and 1 as the best unless lowest and highest are set.",
    )
    event_type: Column | None = Field(
        default=None,
        description="Column with the event type. Rows that differ in it are different events.",
    )
    event_types: EventTypes | None = Field(
        default=None,
        description="The allowed event types; rows with others are quarantined. All types are "
        "allowed if absent.",
    )
    session: Column | None = Field(
        default=None,
        description="Column with the session id; stored, but not yet used in training.",
    )
    segment: Column | None = Field(
        default=None,
        description="Column with the user's segment at the time of the event. Default: the "
        "segment of the user.",
    )
    features: Features | None = Field(
        default=None,
        description="Features of the context of an event, such as the device or the position in "
        "a list. Requests give their values, except for those with servedAs.",
    )


class UsersMapping(ApiModel):
    files: Files = Field(description=_FILES)
    columns: Columns | None = Field(default=None, description=_COLUMNS)
    id: Column = Field(description="Column with the user id, of the type ids.user.")
    segment: Column | None = Field(
        default=None,
        description="Column with the segment. If absent, the band or category of the first "
        "feature with fairness.",
    )
    valid_from: Column | None = Field(
        default=None,
        description="Column with the time from which a row counts, if users have several rows. "
        "An event is joined with the last row of its user up to its time; requests use the "
        "newest row. Later rows are added, and no row is removed.",
    )
    valid_from_unit: TimeUnit | None = Field(
        default=None, description="Unit of validFrom, as timestampUnit; Seconds if absent."
    )
    features: Features | None = Field(
        default=None,
        description="Features of users. A request may give their values; otherwise those of the "
        "last check apply.",
    )


class ItemsMapping(ApiModel):
    files: Files = Field(description=_FILES)
    columns: Columns | None = Field(default=None, description=_COLUMNS)
    id: Column = Field(description="Column with the item id, of the type ids.item.")
    title: Column | None = Field(default=None, description="Column with the title.")
    valid_from: Column | None = Field(
        default=None,
        description="Column with the time from which a row counts, if items have several rows. "
        "An event is joined with the last row of its item up to its time; requests use the "
        "newest row. Later rows are added, and no row is removed.",
    )
    valid_from_unit: TimeUnit | None = Field(
        default=None, description="Unit of validFrom, as timestampUnit; Seconds if absent."
    )
    features: Features | None = Field(default=None, description="Features of items.")


class CsvLayout(ApiModel):
    delimiter: str = Field(
        default=",", pattern=r"^[^\r\n\x00]$", max_length=1, description="Field delimiter."
    )
    quote: str = Field(
        default='"',
        pattern=r"^[^\r\n\x00]$",
        max_length=1,
        description="Quote around a field that contains a delimiter or a line break; doubled "
        "inside the field.",
    )


class DataMapping(ApiModel):
    interactions: InteractionsMapping = Field(description="The interactions.")
    users: UsersMapping | None = Field(
        default=None, description="Users and their features; unknown if absent."
    )
    items: ItemsMapping | None = Field(
        default=None, description="Items and their features; unknown if absent."
    )
    csv: CsvLayout | None = Field(
        default=None, description="Delimiter and quote of CSV files; RFC 4180 if absent."
    )
    ids: IdKinds = Field(
        default=INTEGERS,
        description="Type of the ids in data, requests and responses: Integer (0 or more) or "
        "Text (1 to 256 bytes of UTF-8 without control characters, compared byte by byte). It "
        "cannot change during the life of a model.",
    )
    partition_by: PartitionBy = Field(
        default=PartitionBy.DAY, description="Period of one partition of the interactions, in UTC."
    )
    label: Label | None = Field(
        default=None,
        description="Which responses are positive, when that is known, and where negatives come "
        "from. If absent, a value of 4 or more is positive.",
    )

    @property
    def best_types(self) -> tuple[str, ...]:
        """The positive types of the label if rows have no value, in which case these count.

        An event type without a value has the best one if it is among them, else the worst.
        """
        if self.label is None or self.interactions.value is not None:
            return ()
        return tuple(sorted(each.type for each in self.label.positive_types or ()))

    @property
    def of_users(self) -> tuple[Feature, ...]:
        """The features of users."""
        return (self.users.features if self.users is not None else None) or ()

    @property
    def of_items(self) -> tuple[Feature, ...]:
        """The features of items."""
        return (self.items.features if self.items is not None else None) or ()

    @property
    def of_context(self) -> tuple[Feature, ...]:
        """The features of the context of an event."""
        return self.interactions.features or ()

    @property
    def dividing(self) -> tuple[Feature, ...]:
        """The features that divide predictions and sessions."""
        return label_segments.dividing(self.of_context, self.of_users)
