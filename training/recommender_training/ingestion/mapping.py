"""The mapping of a source: files and columns of the tables (camelCase).

The settings are those of the resource; here are the rules between them, and what follows for
reading the files.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, ClassVar, Self

from pydantic import model_validator

from recommender_contract.features import LISTS, PER_ROW
from recommender_contract.resource import mapping
from recommender_contract.resource.base import ApiModel
from recommender_contract.resource.mapping import INTEGERS, Format
from recommender_training.config.feature import Feature
from recommender_training.config.feature_schema import Features, FeatureSchema
from recommender_training.config.label import Label

#: Increased when the same bytes give other rows, so that files are read again.
_READER = "2"
#: Settings of features that say how models use the values, not what the values are.
_OF_MODELS = {
    "max_categories", "hash_buckets", "edges", "bands", "transform", "fairness", "cold_start",
    "served_as", "calendar", "time_zone", "segments",
}  # fmt: skip


class Table(ApiModel):
    """Rules of any table, and the columns that are read."""

    files: str
    columns: tuple[str, ...] | None
    features: Features
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
        return frozenset(field_of(each) for each in self.features if each.kind in LISTS)


class Interactions(mapping.InteractionsMapping, Table):
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

    features: Features = ()

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if not self.lowest < self.highest:
            raise ValueError("lowest must be below highest")
        types = self.event_types or ()
        if len({entry.type for entry in types}) < len(types):
            raise ValueError("eventTypes has a duplicate; list each type once")
        if types and self.event_type is None:
            raise ValueError("eventTypes needs eventType, the column with the types")
        return self


class SideTable(Table):
    """A table of users or items."""

    valid_from: str | None
    valid_from_unit: mapping.TimeUnit | None

    @model_validator(mode="after")
    def _unit_has_a_column(self) -> Self:
        if self.valid_from_unit is not None and self.valid_from is None:
            raise ValueError("validFromUnit needs validFrom, the column of the times")
        return self

    @property
    def has_history(self) -> bool:
        """True if an id may have several rows, each of which counts from a time on."""
        return self.valid_from is not None


class Users(mapping.UsersMapping, SideTable):
    """Users and their declared features."""

    _FIELDS: ClassVar[tuple[str, ...]] = ("id", "segment", "valid_from")

    features: Features = ()


class Items(mapping.ItemsMapping, SideTable):
    """Items and their declared features."""

    _FIELDS: ClassVar[tuple[str, ...]] = ("id", "title", "valid_from")

    features: Features = ()


class CsvLayout(mapping.CsvLayout):
    """Delimiter and quote of a CSV file."""

    @model_validator(mode="after")
    def _are_distinct(self) -> Self:
        if self.delimiter == self.quote:
            raise ValueError("delimiter and quote must differ")
        return self


class Mapping(mapping.DataMapping):
    """Files and columns of all tables."""

    interactions: Interactions
    users: Users | None = None
    items: Items | None = None
    csv: CsvLayout | None = None
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
        known = {entry.type for entry in self.interactions.event_types or ()}
        for name in named:
            if known and name not in known:
                raise ValueError(
                    f"label: {name!r} is not in interactions.eventTypes, so its rows would be "
                    "quarantined: add it there, or remove it from label"
                )
        return self

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
        table: dict[str, Any] = self.tables()[name].model_dump(
            mode="json",
            by_alias=False,
            exclude={"files": True, "features": {"__all__": _OF_MODELS}},
        )
        # Hashes have an empty list where the setting is absent.
        for section in (table, *table["features"]):
            lists = section.keys() & {"columns", "event_types", "missing"}
            section |= {each: section[each] or [] for each in lists}
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
