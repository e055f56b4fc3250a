"""The mapping of a source: files and columns of the tables (camelCase).

The other side of this contract is `recommender_operator.api.spec_mapping.DataMapping`; a test
compares them.
"""

from __future__ import annotations

import enum
import hashlib
import json
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from recommender_contract.features import PER_ROW, Kind
from recommender_contract.ids import IdKind
from recommender_contract.mapping import PartitionBy, TimeUnit
from recommender_training.common.section import Section
from recommender_training.config.feature import Feature
from recommender_training.config.feature_schema import Features, FeatureSchema
from recommender_training.config.label import Label
from recommender_training.data import schema

#: Increased when the same bytes give other rows, so that files are read again.
_READER = "2"
#: Settings of features that say how models use the values, not what the values are.
_OF_MODELS = {
    "max_categories", "hash_buckets", "edges", "bands", "transform", "fairness", "cold_start",
    "served_as", "calendar", "time_zone", "segments",
}  # fmt: skip

Column = Annotated[str, Field(min_length=1, max_length=64)]
Files = Annotated[str, Field(max_length=253, pattern=r"^[^/\x00-\x1f][^\x00-\x1f]*$")]


class Format(enum.StrEnum):
    """Format of the raw files; all except the first need a mapping."""

    MOVIELENS_100K = "MovieLens100K"
    CSV = "CSV"
    JSON_LINES = "JSONLines"
    PARQUET = "Parquet"
    DELTA = "Delta"


class EventValue(Section):
    """Value of an event type, for events without their own value."""

    type: str = Field(min_length=1, max_length=64)
    value: float | None = Field(default=None, ge=schema.MIN_VALUE, le=schema.MAX_VALUE)


class Table(Section):
    """Files of one table, their columns if they have no header, and the declared features."""

    files: Files
    columns: tuple[Column, ...] = Field(default=(), max_length=100)
    features: Features = ()
    _FIELDS: ClassVar[tuple[str, ...]] = ()

    @model_validator(mode="after")
    def _stays_inside(self) -> Self:
        parts = self.files.split("/")
        if ".." in parts:
            raise ValueError("files must stay inside the source; remove '..'")
        if any("**" in part and part != "**" for part in parts):
            raise ValueError("'**' must be a whole path segment, as in 'events/**/*.csv'")
        return self

    def fields(self) -> dict[str, str]:
        """Return the mapped columns by field; the fields of features are `features.<name>`."""
        named = {field: getattr(self, field) for field in self._FIELDS}
        own = {field: column for field, column in named.items() if column is not None}
        return own | {field_of(feature): feature.source for feature in self.features}

    def lists(self) -> frozenset[str]:
        """Return the fields whose value may be a list."""
        kinds = (Kind.MULTI_CATEGORICAL, Kind.EMBEDDING)
        return frozenset(field_of(each) for each in self.features if each.kind in kinds)


class Interactions(Table):
    """Interactions, one event per row.

    `lowest` to `highest` of `value` is scaled to the range 1 to 5. If `event_types` is given, all
    other types are quarantined. Without `value` and `event_type`, each event has the best value;
    without `value` alone, see `Mapping.best_types`.
    """

    _FIELDS: ClassVar[tuple[str, ...]] = (
        "user",
        "item",
        "timestamp",
        "value",
        "event_type",
        "session",
        "segment",
    )

    user: Column
    item: Column
    timestamp: Column
    timestamp_unit: TimeUnit = TimeUnit.SECONDS
    value: Column | None = None
    lowest: float = Field(default=schema.MIN_VALUE, allow_inf_nan=False)
    highest: float = Field(default=schema.MAX_VALUE, allow_inf_nan=False)
    event_type: Column | None = None
    event_types: tuple[EventValue, ...] = Field(default=(), max_length=50)
    session: Column | None = None
    segment: Column | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if not self.lowest < self.highest:
            raise ValueError("lowest must be below highest")
        types = self.event_types
        if len({entry.type for entry in types}) < len(types):
            raise ValueError("eventTypes has a duplicate; list each type once")
        if types and self.event_type is None:
            raise ValueError("eventTypes needs eventType, the column with the types")
        return self


class SideTable(Table):
    """A table of users or items."""

    id: Column
    #: The time that a row counts from; one row for each id if absent.
    valid_from: Column | None = None
    #: Seconds if absent.
    valid_from_unit: TimeUnit | None = None

    @model_validator(mode="after")
    def _unit_has_a_column(self) -> Self:
        if self.valid_from_unit is not None and self.valid_from is None:
            raise ValueError("validFromUnit needs validFrom, the column of the times")
        return self

    @property
    def has_history(self) -> bool:
        """True if an id may have several rows, each of which counts from a time on."""
        return self.valid_from is not None


class Users(SideTable):
    """Users and their declared features."""

    _FIELDS: ClassVar[tuple[str, ...]] = ("id", "segment", "valid_from")

    segment: Column | None = None


class Items(SideTable):
    """Items and their declared features."""

    _FIELDS: ClassVar[tuple[str, ...]] = ("id", "title", "valid_from")

    title: Column | None = None


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
    label: Label | None = None

    @model_validator(mode="after")
    def _features_are_consistent(self) -> Self:
        _ = self.declaration
        return self

    @model_validator(mode="after")
    def _types_have_values(self) -> Self:
        events = self.interactions
        if events.value is not None or events.event_type is None or self.best_types:
            return self
        if not events.event_types or any(each.value is None for each in events.event_types):
            raise ValueError(
                "interactions: without `value`, eventType needs label.positiveTypes, the types "
                "that are positive, or eventTypes with a value for each type"
            )
        return self

    @model_validator(mode="after")
    def _label_names_known_types(self) -> Self:
        named = self.label.types if self.label else ()
        if named and self.interactions.event_type is None:
            raise ValueError("label: event types need interactions.eventType, their column")
        known = {entry.type for entry in self.interactions.event_types}
        for name in named:
            if known and name not in known:
                raise ValueError(
                    f"label: {name!r} is not in interactions.eventTypes, so its rows would be "
                    "quarantined: add it there, or remove it from label"
                )
        return self

    @property
    def best_types(self) -> tuple[str, ...]:
        """The positive types of the label if rows have no value, in which case these count.

        An event type without a value has the best one if it is among them, else the worst.
        """
        if self.label is None or self.interactions.value is not None:
            return ()
        return tuple(sorted(each.type for each in self.label.positive_types))

    @property
    def declaration(self) -> FeatureSchema:
        """The features of all tables, those of the interactions as context, and the label."""
        return FeatureSchema(
            users=self.users.features if self.users else (),
            items=self.items.features if self.items else (),
            context=self.interactions.features,
            label=self.label,
            user_history=self.users is not None and self.users.has_history,
            item_history=self.items is not None and self.items.has_history,
        )

    def tables(self) -> dict[str, Table]:
        """Return the mapped tables, users and items first."""
        named = {"users": self.users, "items": self.items, "interactions": self.interactions}
        return {name: table for name, table in named.items() if table is not None}

    def schema_hash(self, name: str, kind: Format) -> str:
        """Return a hash of all of the mapping that affects the rows of a table."""
        table = self.tables()[name].model_dump(
            mode="json", exclude={"files": True, "features": {"__all__": _OF_MODELS}}
        )
        for feature in table["features"]:
            if feature["max_per_row"] in (None, PER_ROW):
                del feature["max_per_row"]  # as before features had it, and as without it
        if name == "items" and self.items is not None and not self.items.has_history:
            del table["valid_from"], table["valid_from_unit"]  # as before items had them
        layout = (self.csv or CsvLayout()).model_dump() if kind is Format.CSV else None
        parts = [_READER, kind.value, name, table, layout]
        types = self.interactions.event_types
        if name == "interactions" and (not types or any(each.value is None for each in types)):
            parts += [{"bestTypes": list(self.best_types)}] if self.best_types else []
        if self.ids != INTEGERS:  # keeps the hash of mappings from before ids could be texts
            parts.append(self.ids.model_dump(mode="json"))
        text = json.dumps(parts, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def field_of(feature: Feature) -> str:
    """Return the field of a declared feature; its dot keeps it apart from all other fields."""
    return f"features.{feature.name}"
