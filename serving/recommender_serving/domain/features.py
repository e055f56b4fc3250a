"""The features that a version declares of its users and of the context of a request: pure."""

from __future__ import annotations

import enum
import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from recommender_contract.features import LISTS, Kind
from recommender_contract.hash_buckets import HashedIndex
from recommender_contract.local_calendar import LocalCalendar

UNKNOWN = -1  # group of a value that is absent, or of a category that the version does not know
MAX_NUMBER = 1e30  # fits single precision, which the models compute in

SECONDS_A_DAY = 86_400

#: A category, or a number; a time is in seconds since 1970. The categories of a Boolean are
#: "false" and "true". A MultiCategorical has several categories, an Embedding several numbers.
Value = str | float | tuple[str, ...] | tuple[float, ...]


class Place(enum.StrEnum):
    """What a feature is a feature of, and its object in a request."""

    USER = "user"
    CONTEXT = "context"


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
    calendar: LocalCalendar | None = None  # of a time that is a category and has no age
    served_as: str | float | None = None  # set by the version, never by a request
    width: int = 1  # of a MultiCategorical the most categories, of an Embedding all numbers
    separator: str | None = None  # of a MultiCategorical: between categories, in an entry too

    @property
    def path(self) -> str:
        """Where a request gives it."""
        return f"{self.place}.{self.name}"

    @property
    def groups(self) -> int:
        """The number of categories or bands; 0 of an age, whose band changes with the request, and
        of lists.
        """
        if self.calendar is not None:
            return len(self.calendar.names)
        if self.kind is Kind.TIMESTAMP or self.kind in LISTS:
            return 0
        return len(self.edges) + 1 if self.kind is Kind.NUMERIC else len(self.index)

    def codes(self, value: Value | None) -> Sequence[float]:
        """Return the columns that the models read: `width` of them; NaN if absent or unknown.

        They are the number, the index of the category, those of all known categories in order, or
        the numbers of an Embedding. A time is in days since 1970; the models subtract it from the
        time of the request. With a calendar it is the index of a category.
        """
        if value is None:
            return (math.nan,) * self.width
        if isinstance(value, tuple):
            known = value if self.kind is Kind.EMBEDDING else sorted(self._known(value))
            return [*map(float, known), *(math.nan,) * (self.width - len(known))]
        if self.calendar is not None:
            return (float(self.calendar.code(int(value))),)
        if self.kind is Kind.NUMERIC:
            return (float(value),)
        if self.kind is Kind.TIMESTAMP:
            return (float(value) / SECONDS_A_DAY,)
        return (self.index.get(str(value), math.nan),)

    def _known(self, names: Iterable[str | float]) -> set[int]:
        """Return the indices of those categories that the models know."""
        found = (self.index.get(str(name)) for name in names)
        return {code for code in found if code is not None}

    def group(self, value: Value | None) -> int:
        """Return the index of the category or of the band; -1 if absent or unknown."""
        if value is None or isinstance(value, tuple):
            return UNKNOWN
        if self.calendar is not None:
            return self.calendar.code(int(value))
        if self.kind is Kind.NUMERIC:
            return bisect_right(self.edges, float(value))
        return self.index.get(str(value), UNKNOWN)

    def seen(self, value: Value, now: int) -> Sequence[str | float | None]:
        """Return what drift counts of a value at a request of the time `now`; None is unknown.

        It is the value itself, the age in days of a time or the name of its category, the name of
        the bucket of a hashed category, each category of several, or the length of an Embedding.
        """
        if isinstance(value, tuple):
            if self.kind is Kind.EMBEDDING:
                return (math.hypot(*map(float, value)),)
            names = (self._name(str(each)) for each in value)
            return list(dict.fromkeys(names))
        if self.calendar is not None:
            return (self.calendar.name(int(value)),)
        if self.kind is Kind.TIMESTAMP:
            return (days_since(float(value), now),)
        return (value if self.kind is Kind.NUMERIC else self._name(str(value)),)

    def _name(self, category: str) -> str | None:
        if isinstance(self.index, HashedIndex):
            return self.index.name(category)
        return category if category in self.index else None


def days_since(time: float, now: int) -> float:
    """Return the days from a time to `now`, both in seconds since 1970; 0 of a later time."""
    return max(0.0, (now - time) / SECONDS_A_DAY)


#: The declared features by name, in the order of the models' input.
Features = Mapping[str, Feature]
