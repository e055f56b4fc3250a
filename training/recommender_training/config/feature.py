"""One feature that a team declares: its kind, its bounds and what it is used for."""

from __future__ import annotations

import math
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic.alias_generators import to_snake

from recommender_contract.features import (
    LISTS,
    MAX_BANDS,
    MAX_CATEGORIES,
    MAX_EDGES,
    MAX_LENGTH,
    MAX_MISSING,
    MAX_NUMBER,
    MAX_PER_ROW,
    MAX_SEPARATOR,
    MAX_TEXT,
    NAME,
    ONLY,
    PER_ROW,
    RESERVED,
    Kind,
    TimeOf,
    Transform,
)
from recommender_contract.local_calendar import Calendar
from recommender_training.common.section import Section
from recommender_training.config.calendar import TimeZone, fault

Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
Number = Annotated[float, Field(allow_inf_nan=False, ge=-MAX_NUMBER, le=MAX_NUMBER)]


class Feature(Section):
    """One declared feature. `column` defaults to the name."""

    name: str = Field(pattern=NAME, max_length=40)
    kind: Kind
    column: Text | None = None
    #: Texts that stand for a missing value, beside an empty one.
    missing: tuple[Text, ...] = Field(default=(), max_length=MAX_MISSING)
    #: The most frequent categories are known, all others are not.
    max_categories: int | None = Field(default=None, ge=1, le=MAX_CATEGORIES)
    #: All categories are known and share so many buckets, by a hash.
    hash_buckets: int | None = Field(default=None, ge=2, le=MAX_CATEGORIES)
    #: Between two categories of a MultiCategorical; without one, a text is one category and only
    #: lists have several.
    separator: str | None = Field(default=None, min_length=1, max_length=MAX_SEPARATOR)
    #: Of users and context: most categories of a row or request (PER_ROW if absent).
    max_per_row: int | None = Field(default=None, ge=1, le=MAX_PER_ROW)
    #: First value of each band but the lowest, of a number or of the days since a Timestamp;
    #: quantiles if absent.
    edges: tuple[Number, ...] = Field(default=(), max_length=MAX_EDGES)
    bands: int | None = Field(default=None, ge=2, le=MAX_BANDS)
    #: Quantiles if absent: bands of about equal shares. Log: of equal width of the logarithm.
    transform: Transform | None = None
    #: Smallest and largest value; rows with others are quarantined.
    minimum: Number | None = None
    maximum: Number | None = None
    #: Seconds if absent.
    unit: TimeOf | None = None
    #: Of a Timestamp: the categories that models read instead of its age.
    calendar: Calendar | None = None
    #: Whose calendar; UTC if absent.
    time_zone: TimeZone | None = None
    length: int | None = Field(default=None, ge=1, le=MAX_LENGTH)
    #: Of users and context: the evaluation reports errors by value. Of items: exposure.
    fairness: bool = False
    #: Of users and context: experiments and labels are also judged by value.
    segments: bool = False
    #: Of users and context: popularity lists and rates by value.
    cold_start: bool = False
    #: Of the context: the value at serving, where the true one is not known.
    served_as: Text | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.name in RESERVED:
            raise ValueError(f"the name {self.name} is taken: choose another, and set column")
        for setting, kinds in zip(map(to_snake, ONLY), ONLY.values(), strict=True):
            if getattr(self, setting) not in (None, ()) and self.kind not in kinds:
                of = " or ".join(kinds)
                raise ValueError(f"{setting} is a setting of {of}, not of {self.kind}: remove it")
        if self.kind is Kind.EMBEDDING and self.length is None:
            raise ValueError("an Embedding needs its length: set length")
        self._bands_are_consistent()
        banded = {"edges": self.edges, "bands": self.bands}
        if problem := fault(self.calendar, self.time_zone, self.unit, banded):
            raise ValueError(problem)
        if self.hash_buckets is not None:
            self._buckets_are_no_groups()
        if self.fairness and self.kind is Kind.EMBEDDING:
            raise ValueError("fairness needs categories or bands, not Embedding: remove it")
        if self.segments and self.kind in LISTS:
            raise ValueError(f"segments needs one category or band, not {self.kind}: remove it")
        if self.cold_start and (self.ages or self.kind in LISTS):
            raise ValueError(
                f"coldStart needs one value that time does not change, not {self.kind}: remove it"
            )
        if self.served_as is not None:
            self._served_value_is_one(self.served_as)
        return self

    def _buckets_are_no_groups(self) -> None:
        if self.max_categories is not None:
            raise ValueError("hashBuckets and maxCategories exclude each other: remove one")
        uses = {"fairness": self.fairness, "segments": self.segments, "coldStart": self.cold_start}
        for name, given in uses.items():
            if given:
                raise ValueError(
                    f"{name} needs categories, and hashBuckets={self.hash_buckets} mixes them in "
                    "buckets: remove one"
                )

    def _bands_are_consistent(self) -> None:
        if any(a >= b for a, b in zip(self.edges, self.edges[1:], strict=False)):
            raise ValueError("edges must increase")
        if self.edges and self.bands:
            raise ValueError("edges and bands exclude each other: remove one")
        if self.edges and self.transform:
            raise ValueError("edges and transform exclude each other: remove one")
        if self.lowest >= self.highest:
            raise ValueError("minimum must be below maximum")
        if self.edges and not self.lowest < self.edges[0] <= self.edges[-1] <= self.highest:
            raise ValueError("edges must be above minimum and not above maximum")

    def _served_value_is_one(self, value: str) -> None:
        if self.kind is Kind.TIMESTAMP:
            raise ValueError(f"servedAs={value!r}: no time fits every request: remove it")
        if self.kind in LISTS:
            raise ValueError(f"servedAs={value!r} is one value, not {self.kind}: remove it")
        if self.kind is Kind.BOOLEAN and value not in ("false", "true"):
            raise ValueError(f"servedAs={value!r}: a Boolean is true or false")
        if self.kind is not Kind.NUMERIC:
            return
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or not self.lowest <= number <= self.highest:
            raise ValueError(f"servedAs={value!r}: give a number from minimum to maximum")

    @property
    def source(self) -> str:
        """The column of the raw file."""
        return self.column or self.name

    @property
    def most(self) -> int:
        """Most categories of a row or request, of a MultiCategorical of users or context."""
        return self.max_per_row or PER_ROW

    @property
    def ages(self) -> bool:
        """Whether models read its age, which grows with the time of the request."""
        return self.kind is Kind.TIMESTAMP and self.calendar is None

    @property
    def lowest(self) -> float:
        """The smallest value; of a Timestamp the smallest age."""
        if self.kind is Kind.TIMESTAMP:
            return 0.0
        return -math.inf if self.minimum is None else self.minimum

    @property
    def highest(self) -> float:
        """The largest value."""
        return math.inf if self.maximum is None else self.maximum
