"""The features that a mapping declares: `spec.data.source.mapping.<table>.features`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from recommender_contract.features import (
    MAX_BANDS,
    MAX_CATEGORIES,
    MAX_EDGES,
    MAX_FEATURES,
    MAX_LENGTH,
    MAX_MISSING,
    MAX_NUMBER,
    MAX_PER_ROW,
    MAX_SEPARATOR,
    MAX_TEXT,
    NAME,
    PER_ROW,
    TIME_ZONE,
    Kind,
    TimeOf,
    Transform,
)
from recommender_contract.local_calendar import Calendar
from recommender_contract.resource.base import ApiModel

Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
Number = Annotated[float, Field(allow_inf_nan=False, ge=-MAX_NUMBER, le=MAX_NUMBER)]
Missing = Annotated[tuple[Text, ...], Field(min_length=1, max_length=MAX_MISSING)]


class Feature(ApiModel):
    name: str = Field(
        pattern=NAME,
        max_length=40,
        description="Name of the feature in requests, metrics and reports: lowercase letters, "
        "digits and underscores, and unique in the mapping. Fields of the product, such as title "
        "or segment, are taken.",
    )
    kind: Kind = Field(
        description="Categorical: one of several texts. MultiCategorical: several of them. "
        "Boolean: true or false. Numeric: a number. Timestamp: a time, of which the "
        "models read the age at the request, or with calendar a category. "
        "Embedding: a list of numbers.",
    )
    column: Text | None = Field(
        default=None, description="Column of the file; the name of the feature if absent."
    )
    missing: Missing | None = Field(
        default=None,
        description="Texts that stand for a missing value, such as -1 or N/A, besides an empty "
        "one.",
    )
    max_categories: int | None = Field(
        default=None,
        ge=1,
        le=MAX_CATEGORIES,
        description="Of Categorical and MultiCategorical: the models know this many of the most "
        "frequent categories, and treat all others as unknown. All are known if absent.",
    )
    hash_buckets: int | None = Field(
        default=None,
        ge=2,
        le=MAX_CATEGORIES,
        description="Of Categorical and MultiCategorical, instead of maxCategories: all "
        "categories are known, and share so many buckets by a hash. For features with too many "
        "values, such as an advertiser's user attributes. Excludes fairness, segments and "
        "coldStart.",
    )
    separator: str | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_SEPARATOR,
        description="Of MultiCategorical: the text between two categories, such as '|', also "
        "within an entry of a list. A list of JSON or Parquet needs none. Without one, a text is "
        "one category. Of users and interactions it has no '-', which whitespace in a category "
        "becomes.",
    )
    max_per_row: int | None = Field(
        default=None,
        ge=1,
        le=MAX_PER_ROW,
        description="Of a MultiCategorical of users or interactions: how many different "
        "categories a row or a request may have; 16 if absent. Rows with more are quarantined, "
        "and requests are rejected. Each takes 4 bytes of memory per row in training.",
    )
    edges: Annotated[tuple[Number, ...], Field(min_length=1, max_length=MAX_EDGES)] | None = Field(
        default=None,
        description="Of Numeric, and of a Timestamp of users or interactions, whose age in days "
        "counts: the first value of each band except the lowest, increasing. For example, 18 and "
        "25 give the bands below 18, 18 to 24, and 25 or more. If absent, the bands have about "
        "equal shares of the training rows.",
    )
    bands: int | None = Field(
        default=None,
        ge=2,
        le=MAX_BANDS,
        description="Of Numeric, and of a Timestamp of users or interactions: the number of bands "
        "without edges; 16 if absent.",
    )
    transform: Transform | None = Field(
        default=None,
        description="Of Numeric without edges: how its bands follow from the data. Quantiles (the "
        "default) gives bands with about equal shares of the rows, Log bands of equal width of "
        "the logarithm, for amounts with a long tail.",
    )
    minimum: Number | None = Field(
        default=None,
        description="Of Numeric: the smallest value. Rows with a smaller one are quarantined, "
        "and requests are rejected.",
    )
    maximum: Number | None = Field(
        default=None,
        description="Of Numeric: the largest value. Rows with a larger one are quarantined, and "
        "requests are rejected.",
    )
    unit: TimeOf | None = Field(
        default=None,
        description="Of Timestamp: Seconds, Milliseconds or Microseconds since 1970, ISO8601 (UTC "
        "without a zone), or Year; Seconds if absent.",
    )
    calendar: Calendar | None = Field(
        default=None,
        description="Of Timestamp: the models read a category of the local time instead of the "
        "age: HourOfDay (00 to 23), DayOfWeek (Monday to Sunday) or Month (January to December). "
        "Excludes edges and bands, and the unit Year.",
    )
    time_zone: str | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_TEXT,
        pattern=TIME_ZONE,
        description="Of Timestamp with calendar: the time zone of the calendar, a name of the "
        "time zone database such as Europe/Berlin; UTC if absent.",
    )
    length: int | None = Field(
        default=None,
        ge=1,
        le=MAX_LENGTH,
        description="Of Embedding, required: how many numbers it has. Rows with more or fewer "
        "are quarantined. With maxPerRow, those of interactions sum to at most 4096, because an "
        "event repeats them.",
    )
    fairness: bool = Field(
        default=False,
        description="Whether the evaluation reports errors by value (users, interactions) or "
        "exposure by value (items; not of the age of a Timestamp). Not of an Embedding, nor of a "
        "MultiCategorical of users or interactions, which have no one value. Labels of served "
        "requests are also watched by value, after features with segments. The first such feature "
        "of the users is their segment unless one is mapped, if it has edges or at most 20 "
        "values.",
    )
    segments: bool = Field(
        default=False,
        description="Of users and interactions: whether experiments are reported by value "
        "(Categorical or Boolean, where rollout.experiment.segments is empty) and labels of "
        "served requests are watched by value or band. Changes no model and no gate.",
    )
    cold_start: bool = Field(
        default=False,
        description="Of users and interactions: whether new users get the popular items of "
        "their value. Of a Timestamp only with calendar: an age changes. Not of a "
        "MultiCategorical or an Embedding, which have no one value.",
    )
    served_as: Text | None = Field(
        default=None,
        description="Of interactions: the value that every prediction uses, since the true one "
        "is only known afterwards. For example, '1' for the position of an item in a list. "
        "Requests cannot set it. Not of a Timestamp, MultiCategorical or Embedding.",
    )

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


Features = Annotated[tuple[Feature, ...], Field(min_length=1, max_length=MAX_FEATURES)]
