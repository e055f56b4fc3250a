"""The features that a mapping declares: `spec.data.source.mapping.<table>.features`.

`recommender_training.config.feature_schema` has the same settings; a test compares the two.
"""

from __future__ import annotations

import enum
from typing import Annotated

from pydantic import Field

from recommender_operator.api.base import ApiModel

#: A name is a column of the tables, a field of requests and a label of metrics.
NAME = r"^[a-z][a-z0-9_]{0,39}$"
#: Names that tables, requests and metrics have already.
RESERVED = (
    "context", "event_date", "event_type", "id", "item", "item_id", "items", "mean_value",
    "retrieval", "score", "segment", "session", "session_id", "session_items",
    "session_length", "session_timestamps", "session_values", "taste", "timestamp", "title",
    "top_n", "top_score", "user", "user_id", "valid_from", "value",
)  # fmt: skip
#: A name of the time zone database, whose names the check Job knows.
TIME_ZONE = r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$"
#: Most features of a table.
MAX_FEATURES = 50

Text = Annotated[str, Field(min_length=1, max_length=64)]
#: Bounds that fit 64-bit integers: the API server compares whole numbers as such.
Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e15, le=1e15)]


class Kind(enum.StrEnum):
    CATEGORICAL = "Categorical"
    MULTI_CATEGORICAL = "MultiCategorical"
    BOOLEAN = "Boolean"
    NUMERIC = "Numeric"
    TIMESTAMP = "Timestamp"
    EMBEDDING = "Embedding"


class TimeOf(enum.StrEnum):
    SECONDS = "Seconds"
    MILLISECONDS = "Milliseconds"
    MICROSECONDS = "Microseconds"
    ISO8601 = "ISO8601"
    YEAR = "Year"


class Calendar(enum.StrEnum):
    HOUR_OF_DAY = "HourOfDay"
    DAY_OF_WEEK = "DayOfWeek"
    MONTH = "Month"


class Transform(enum.StrEnum):
    QUANTILES = "Quantiles"
    LOG = "Log"


#: Most categories of a row or request of a MultiCategorical of users or interactions, without
#: maxPerRow and with it.
PER_ROW, MAX_PER_ROW = 16, 64
#: Most values of the lists of interactions together: the sum of maxPerRow and length. An
#: impression repeats its context, and the collector takes events of at most 1 MiB.
MOST_LISTED = 4096
#: Settings that only some kinds have, by name in JSON.
ONLY = {
    "maxCategories": (Kind.CATEGORICAL, Kind.MULTI_CATEGORICAL),
    "hashBuckets": (Kind.CATEGORICAL, Kind.MULTI_CATEGORICAL),
    "separator": (Kind.MULTI_CATEGORICAL,),
    "maxPerRow": (Kind.MULTI_CATEGORICAL,),
    "edges": (Kind.NUMERIC, Kind.TIMESTAMP),
    "bands": (Kind.NUMERIC, Kind.TIMESTAMP),
    "transform": (Kind.NUMERIC,),
    "minimum": (Kind.NUMERIC,),
    "maximum": (Kind.NUMERIC,),
    "unit": (Kind.TIMESTAMP,),
    "calendar": (Kind.TIMESTAMP,),
    "timeZone": (Kind.TIMESTAMP,),
    "length": (Kind.EMBEDDING,),
}


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
    missing: Annotated[tuple[Text, ...], Field(min_length=1, max_length=10)] | None = Field(
        default=None,
        description="Texts that stand for a missing value, such as -1 or N/A, besides an empty "
        "one.",
    )
    max_categories: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="Of Categorical and MultiCategorical: the models know this many of the most "
        "frequent categories, and treat all others as unknown. All are known if absent.",
    )
    hash_buckets: int | None = Field(
        default=None,
        ge=2,
        le=100_000,
        description="Of Categorical and MultiCategorical, instead of maxCategories: all "
        "categories are known, and share so many buckets by a hash. For features with too many "
        "values, such as an advertiser's user attributes. Excludes fairness, segments and "
        "coldStart.",
    )
    separator: str | None = Field(
        default=None,
        min_length=1,
        max_length=8,
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
    edges: Annotated[tuple[Number, ...], Field(min_length=1, max_length=100)] | None = Field(
        default=None,
        description="Of Numeric, and of a Timestamp of users or interactions, whose age in days "
        "counts: the first value of each band except the lowest, increasing. For example, 18 and "
        "25 give the bands below 18, 18 to 24, and 25 or more. If absent, the bands have about "
        "equal shares of the training rows.",
    )
    bands: int | None = Field(
        default=None,
        ge=2,
        le=100,
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
        max_length=64,
        pattern=TIME_ZONE,
        description="Of Timestamp with calendar: the time zone of the calendar, a name of the "
        "time zone database such as Europe/Berlin; UTC if absent.",
    )
    length: int | None = Field(
        default=None,
        ge=1,
        le=1024,
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
        "(Categorical or Boolean, where experiment.segments is empty) and labels of served "
        "requests are watched by value or band. Changes no model and no gate.",
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


Features = Annotated[tuple[Feature, ...], Field(min_length=1, max_length=MAX_FEATURES)]
