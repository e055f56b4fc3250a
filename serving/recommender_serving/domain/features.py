"""The features that a version declares of its users and of the context of a request: pure."""

from __future__ import annotations

import enum
import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field

from recommender_serving.domain.hash_buckets import HashedIndex

UNKNOWN = -1  # group of a value that is absent, or of a category that the version does not know
MAX_NUMBER = 1e30  # fits single precision, which the models compute in

SECONDS_A_DAY = 86_400

#: A category, or a number; a time is in seconds since 1970. The categories of a Boolean are
#: "false" and "true".
Value = str | float


class Place(enum.StrEnum):
    """What a feature is a feature of, and its object in a request."""

    USER = "user"
    CONTEXT = "context"


class Kind(enum.StrEnum):
    """What the values of a feature are."""

    CATEGORICAL = "Categorical"
    BOOLEAN = "Boolean"
    NUMERIC = "Numeric"
    TIMESTAMP = "Timestamp"


@dataclass(frozen=True, slots=True)
class Feature:
    """One declared feature."""

    name: str
    place: Place
    kind: Kind
    index: Mapping[str, int] = field(default_factory=dict)  # of known categories, or their buckets
    edges: tuple[float, ...] = ()  # first number, or age in days, of each band but the lowest
    low: float = -MAX_NUMBER
    high: float = MAX_NUMBER
    served_as: Value | None = None  # set by the version, never by a request

    @property
    def path(self) -> str:
        """Where a request gives it."""
        return f"{self.place}.{self.name}"

    @property
    def groups(self) -> int:
        """The number of categories or bands; 0 of a time, whose band changes with the request."""
        if self.kind is Kind.TIMESTAMP:
            return 0
        return len(self.edges) + 1 if self.kind is Kind.NUMERIC else len(self.index)

    def code(self, value: Value | None) -> float:
        """Return the number or the category's index for the models; NaN if absent or unknown.

        A time is in days since 1970; the models subtract it from the time of the request.
        """
        if value is None:
            return math.nan
        if self.kind is Kind.NUMERIC:
            return float(value)
        if self.kind is Kind.TIMESTAMP:
            return float(value) / SECONDS_A_DAY
        return self.index.get(str(value), math.nan)

    def group(self, value: Value | None) -> int:
        """Return the index of the category or of the band; -1 if absent or unknown."""
        if value is None:
            return UNKNOWN
        if self.kind is Kind.NUMERIC:
            return bisect_right(self.edges, float(value))
        return self.index.get(str(value), UNKNOWN)

    def knows(self, value: Value) -> bool:
        """Return whether the models know the value."""
        return self.kind in (Kind.NUMERIC, Kind.TIMESTAMP) or value in self.index

    def at(self, value: Value, now: int) -> Value:
        """Return the value at a request of the time `now`: the age in days of a time, and the name
        of the bucket of a hashed category.
        """
        if isinstance(self.index, HashedIndex):
            return self.index.name(str(value))
        if self.kind is not Kind.TIMESTAMP:
            return value
        return max(0.0, (now - float(value)) / SECONDS_A_DAY)


#: The declared features by name, in the order of the models' input.
Features = Mapping[str, Feature]
