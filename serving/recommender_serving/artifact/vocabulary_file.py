"""Schema of vocabulary.json (docs/contracts.md)."""

from __future__ import annotations

import itertools
import math
from typing import Annotated, Literal, Self

import pydantic
from pydantic import Field

from recommender_contract.features import MAX_LENGTH, MAX_PER_ROW, MAX_SEPARATOR, OF_REQUESTS
from recommender_contract.local_calendar import DAY, NAMES, Calendar
from recommender_serving.artifact.file_schemas import (
    MAX_CATEGORIES,
    MAX_FEATURES,
    Category,
    File,
    Finite,
    Group,
    Index,
    Int64,
    Name,
    check_unique,
)
from recommender_serving.domain.features import MAX_NUMBER, Place

MAX_EDGES = 1000
#: Changes of the offset of a time zone (there are about two a year), and the largest offset.
MAX_CHANGES, MAX_OFFSET = 2000, 2 * DAY
BOOLEANS = ["false", "true"]

Number = Annotated[Finite, Field(ge=-MAX_NUMBER, le=MAX_NUMBER)]
Categories = Annotated[list[Category], Field(max_length=MAX_CATEGORIES)]


class _Declared(File):
    name: Name
    of: Annotated[Place, Field(strict=False)]
    served_as: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        default=None, alias="servedAs"
    )


def _check_categories(name: str, categories: list[str], buckets: int | None) -> None:
    check_unique(categories, f"{name}: the category")
    if buckets not in (None, len(categories)):
        raise ValueError(f"{name} has {len(categories)} categories for {buckets} hashBuckets")


class CategoricalColumn(_Declared):
    """A feature with known categories; a category is its index."""

    kind: Literal["Categorical"]
    categories: Categories
    hash_buckets: Annotated[int, Field(ge=2)] | None = Field(default=None, alias="hashBuckets")

    @pydantic.model_validator(mode="after")
    def _each_category_once(self) -> Self:
        _check_categories(self.name, self.categories, self.hash_buckets)
        return self


class MultiCategoricalColumn(File):
    """A feature with several known categories, each by its index: so many columns at most."""

    name: Name
    of: Annotated[Place, Field(strict=False)]
    kind: Literal["MultiCategorical"]
    categories: Categories
    hash_buckets: Annotated[int, Field(ge=2)] | None = Field(default=None, alias="hashBuckets")
    max_per_row: int = Field(alias="maxPerRow", ge=1, le=MAX_PER_ROW)
    separator: Annotated[str, Field(min_length=1, max_length=MAX_SEPARATOR)] | None = None

    @pydantic.model_validator(mode="after")
    def _each_category_once(self) -> Self:
        _check_categories(self.name, self.categories, self.hash_buckets)
        return self


class EmbeddingColumn(File):
    """A list of numbers, each in a column."""

    name: Name
    of: Annotated[Place, Field(strict=False)]
    kind: Literal["Embedding"]
    length: int = Field(ge=1, le=MAX_LENGTH)


class BooleanColumn(_Declared):
    """A feature that is false or true."""

    kind: Literal["Boolean"]
    categories: list[str]

    @pydantic.model_validator(mode="after")
    def _is_false_or_true(self) -> Self:
        if self.categories != BOOLEANS:
            raise ValueError(f"{self.name}: the categories of a Boolean are false and true")
        if self.served_as not in (None, *BOOLEANS):
            raise ValueError(f"{self.name}: servedAs is {self.served_as}, not false or true")
        return self


class NumericColumn(_Declared):
    """A number, within bounds if it has any; `edges` separate its bands."""

    kind: Literal["Numeric"]
    minimum: Number | None = None
    maximum: Number | None = None
    edges: list[Number] = Field(max_length=MAX_EDGES)

    @pydantic.model_validator(mode="after")
    def _bounds_fit(self) -> Self:
        if any(a >= b for a, b in itertools.pairwise(self.edges)):
            raise ValueError(f"the edges of {self.name} do not increase")
        if None not in (self.minimum, self.maximum) and self.minimum > self.maximum:  # type: ignore[operator]
            raise ValueError(f"{self.name}: the minimum is above the maximum")
        if self.served_as is not None and not _is_number(self.served_as):
            raise ValueError(f"{self.name}: servedAs is {self.served_as}, not a number")
        return self


class Zone(File):
    """The offsets of a time zone from UTC, in seconds, and the times since which they hold."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    since: list[Int64] = Field(max_length=MAX_CHANGES)
    offsets: list[Annotated[int, Field(ge=-MAX_OFFSET, le=MAX_OFFSET)]]

    @pydantic.model_validator(mode="after")
    def _one_offset_more(self) -> Self:
        if len(self.offsets) != len(self.since) + 1:
            raise ValueError(
                f"{len(self.since)} changes and {len(self.offsets)} offsets of a zone"
            )
        if any(a >= b for a, b in itertools.pairwise(self.since)):
            raise ValueError("the changes of a zone do not increase")
        return self


class TimestampColumn(File):
    """A time: `edges` separate the bands of its age in days, or a calendar has its categories."""

    name: Name
    of: Annotated[Place, Field(strict=False)]
    kind: Literal["Timestamp"]
    edges: list[Annotated[Number, Field(gt=0)]] | None = Field(default=None, max_length=MAX_EDGES)
    calendar: Annotated[Calendar, Field(strict=False)] | None = None
    zone: Zone | None = None
    categories: list[str] | None = None

    @pydantic.model_validator(mode="after")
    def _is_age_or_calendar(self) -> Self:
        if self.calendar is None:
            return self._is_age()
        if self.zone is None or self.edges is not None:
            raise ValueError(f"{self.name}: a calendar needs its zone, and has no edges")
        if self.categories != list(NAMES[self.calendar]):
            raise ValueError(f"{self.name}: the categories are not those of {self.calendar}")
        return self

    def _is_age(self) -> Self:
        if self.edges is None or self.zone is not None or self.categories is not None:
            raise ValueError(
                f"{self.name}: without calendar there are edges, and no zone or names"
            )
        if any(a >= b for a, b in itertools.pairwise(self.edges)):
            raise ValueError(f"the edges of {self.name} do not increase")
        return self


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text)) and abs(float(text)) <= MAX_NUMBER
    except ValueError:
        return False


Column = Annotated[
    CategoricalColumn
    | MultiCategoricalColumn
    | BooleanColumn
    | NumericColumn
    | TimestampColumn
    | EmbeddingColumn,
    Field(discriminator="kind"),
]


class Further(File):
    """Categories after the first: pairs of a place of an item and the index of a category."""

    items: list[Index]
    categories: list[Index]


class ItemColumn(File):
    """A feature of items, by the index of each item's first category; -1 none."""

    name: Name
    categories: Categories
    primary: list[Group]
    further: Further | None = None

    def check(self, ids: list[int]) -> None:
        """Raise ValueError for a number or an index that does not fit the items `ids`."""
        check_unique(self.categories, f"{self.name}: the category")
        if len(self.primary) != len(ids):
            raise ValueError(
                f"{self.name} has {len(self.primary)} primary categories for {len(ids)} items"
            )
        highest = max(self.primary)
        if highest >= len(self.categories):
            raise ValueError(
                f"item {ids[self.primary.index(highest)]} has the primary category {highest} of "
                f"{len(self.categories)} of {self.name}"
            )
        if self.further is not None:
            self._check_further(self.further, len(ids))

    def _check_further(self, further: Further, count: int) -> None:
        places, codes = further.items, further.categories
        if len(places) != len(codes):
            raise ValueError(
                f"further of {self.name} has {len(places)} items for {len(codes)} categories"
            )
        if any(a > b for a, b in itertools.pairwise(places)) or max(places, default=0) >= count:
            raise ValueError(
                f"the items in further of {self.name} are not ascending places of {count} items"
            )
        if max(codes, default=-1) >= len(self.categories):
            raise ValueError(
                f"further of {self.name} has the category {max(codes)} of {len(self.categories)}"
            )


class ItemsTable(File):
    """The catalogue."""

    ids: list[Int64] = Field(min_length=1)
    features: list[ItemColumn] = Field(default_factory=list, max_length=MAX_FEATURES)

    @pydantic.model_validator(mode="after")
    def _columns_fit(self) -> Self:
        for each in self.features:
            each.check(self.ids)
        return self


class VocabularyFile(File):
    """vocabulary.json."""

    schema_: Literal["recommender.dev/vocabulary/v2"] = Field(alias="schema")
    history_length: int = Field(alias="historyLength", ge=1, le=10_000)
    features: list[Column] = Field(max_length=MAX_FEATURES)
    items: ItemsTable
    max_top_n: int = Field(alias="maxTopN", ge=1, le=10_000)
    repeat_after: int | None = Field(default=None, alias="repeatAfterSeconds", ge=0)
    trends: bool = False

    @pydantic.model_validator(mode="after")
    def _each_name_once(self) -> Self:
        own = [each.name for each in (*self.features, *self.items.features)]
        for name in own:
            if name in OF_REQUESTS:
                raise ValueError(f"the feature {name} has the name of a field of every request")
        drift = [f"last_{each.name}" for each in self.items.features]
        check_unique([*own, *drift], "the feature")
        return self
