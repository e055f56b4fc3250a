"""The features that a mapping declares: their kinds, names, settings and limits.

Define a new kind here first, and its settings in `resource/feature.py`. A kind of texts also needs
its reader of files (`recommender_training.ingestion.feature_values`); a kind with another form
of values also the readers of vocabulary.json, of requests and of events.
"""

from __future__ import annotations

import enum


class Kind(enum.StrEnum):
    """What the values of a feature are."""

    CATEGORICAL = "Categorical"
    MULTI_CATEGORICAL = "MultiCategorical"
    BOOLEAN = "Boolean"
    NUMERIC = "Numeric"
    TIMESTAMP = "Timestamp"
    EMBEDDING = "Embedding"


class TimeOf(enum.StrEnum):
    """Unit of a Timestamp."""

    SECONDS = "Seconds"
    MILLISECONDS = "Milliseconds"
    MICROSECONDS = "Microseconds"
    ISO8601 = "ISO8601"
    YEAR = "Year"


class Transform(enum.StrEnum):
    """How the bands of a Numeric without edges follow from its values."""

    QUANTILES = "Quantiles"
    LOG = "Log"


#: Kinds whose value is one text. They differ in how it is read from files: in vocabulary.json, and
#: so to the transformer, all are Categorical.
TEXTS = (Kind.CATEGORICAL,)
#: Kinds whose value has a name of its own.
NAMED = (*TEXTS, Kind.BOOLEAN)
#: Kinds whose value, or age, is in a band.
BANDED = (Kind.NUMERIC, Kind.TIMESTAMP)
#: Kinds whose value is a list, and no one value that a group could have.
LISTS = (Kind.MULTI_CATEGORICAL, Kind.EMBEDDING)
#: Kinds whose categories a version learns from the data.
WITH_VOCABULARY = (*TEXTS, Kind.MULTI_CATEGORICAL)
#: Kinds whose values are categories.
WITH_CATEGORIES = (*WITH_VOCABULARY, Kind.BOOLEAN)
#: Settings that only some kinds have, by name in JSON.
ONLY = {
    "maxCategories": WITH_VOCABULARY,
    "hashBuckets": WITH_VOCABULARY,
    "separator": (Kind.MULTI_CATEGORICAL,),
    "maxPerRow": (Kind.MULTI_CATEGORICAL,),
    "edges": BANDED,
    "bands": BANDED,
    "transform": (Kind.NUMERIC,),
    "minimum": (Kind.NUMERIC,),
    "maximum": (Kind.NUMERIC,),
    "unit": (Kind.TIMESTAMP,),
    "calendar": (Kind.TIMESTAMP,),
    "timeZone": (Kind.TIMESTAMP,),
    "length": (Kind.EMBEDDING,),
}

#: A name is a column of the tables, a field of requests and a label of metrics.
NAME = r"^[a-z][a-z0-9_]{0,39}$"
#: Names that fields of requests and drift features have.
OF_REQUESTS = frozenset(
    {
        "context", "mean_value", "session", "session_id", "session_items", "session_length",
        "session_timestamps", "session_values", "timestamp", "top_n", "top_score", "user",
        "user_id",
    }
)  # fmt: skip
#: Names that tables, models and metrics have.
_OF_TABLES = frozenset(
    {
        "event_date", "event_type", "id", "item", "item_id", "items", "retrieval", "score",
        "segment", "taste", "title", "valid_from", "value",
    }
)  # fmt: skip
#: Names that no feature may have.
RESERVED = tuple(sorted(OF_REQUESTS | _OF_TABLES))
#: A name of the time zone database, whose names the check Job knows; an offset such as +02:00 is
#: none.
TIME_ZONE = r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$"
#: Characters of the name of a column, of a time zone, and of a value in a setting.
MAX_TEXT = 64

#: Most features of a table.
MAX_FEATURES = 50
#: Most texts that stand for a missing value.
MAX_MISSING = 10
#: Most known categories of a feature, and most buckets.
MAX_CATEGORIES = 100_000
#: Characters of a separator.
MAX_SEPARATOR = 8
#: Most categories of a row or request of a MultiCategorical of users or interactions, without
#: maxPerRow and with it.
PER_ROW, MAX_PER_ROW = 16, 64
#: Most edges and bands of a number, and its bands without any setting.
MAX_EDGES = MAX_BANDS = 100
BANDS = 16
#: Bounds of edges and limits fit 64-bit integers: the API server compares whole numbers as such.
MAX_NUMBER = 1e15
#: Most numbers of an Embedding.
MAX_LENGTH = 1024
#: Most values of the lists of interactions together: the sum of maxPerRow and length. An
#: impression repeats its context, and the collector takes events of at most 1 MiB: 50 features
#: with 64 categories of 64 characters each, of 4 bytes, take 0.83 MB, and a number at most 25
#: bytes.
MOST_LISTED = 4096
