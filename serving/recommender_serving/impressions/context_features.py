"""Features of a request, as the collector takes them: pure."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from recommender_contract.events import MAX_CATEGORY
from recommender_contract.features import Kind
from recommender_serving.domain.bands import edges_of, value_of
from recommender_serving.domain.features import MAX_NUMBER, Feature, Features, Place, Value
from recommender_serving.domain.types import RecommendRequest
from recommender_serving.experiments.assignment import segment

MOST_NUMBER = 1e15  # of a feature without a bound of its own
_PLACE = 8  # bytes of an entry of a tuple, beside its value
_NUMBER = sys.getsizeof(0.0)  # bytes


def context_of(request: RecommendRequest, features: Features) -> dict[str, Value | bool]:
    """Return the context of a request, without values that the collector would refuse."""
    return {
        name: known
        for name, value in request.features.items()
        if features[name].place is Place.CONTEXT
        and (known := _known(value, features[name])) is not None
    }


def _known(value: Value, feature: Feature) -> Value | bool | None:
    """Return a value as the collector takes it; None for one that it refuses."""
    if isinstance(value, tuple):
        fits = all(_fits(each) for each in value)
        return value if fits else None
    if feature.kind is Kind.BOOLEAN:
        return value == "true"
    if isinstance(value, str):
        return value if _fits(value) else None
    low = -MOST_NUMBER if feature.low == -MAX_NUMBER else feature.low
    high = MOST_NUMBER if feature.high == MAX_NUMBER else feature.high
    return value if low <= value <= high else None


def _fits(value: str | float) -> bool:
    """Return whether the collector takes a category, or a number of an Embedding."""
    if isinstance(value, str):
        return len(value) <= MAX_CATEGORY and value.isprintable()
    return -MAX_NUMBER <= value <= MAX_NUMBER


def listed_bytes(context: Mapping[str, Value | bool]) -> int:
    """Return the memory of the lists of a context in bytes: each request has its own.

    Numbers are not looked at one by one: the event loop waits for this.
    """
    return sum(_bytes(value) for value in context.values() if isinstance(value, tuple))


def _bytes(values: tuple[str, ...] | tuple[float, ...]) -> int:
    if values and isinstance(values[0], str):
        return _PLACE * len(values) + sum(map(sys.getsizeof, values))
    return (_PLACE + _NUMBER) * len(values)


def _segment_of(feature: Feature, value: Value | None, now: int) -> str:
    if feature.calendar is not None and isinstance(value, int | float):
        return feature.calendar.name(int(value))
    return value_of(feature, value, edges_of(feature), now) or segment(value)


def label_segments_of(
    request: RecommendRequest, features: Features, divided: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """Return the values of a request for features of the version: a text, a band or a category.

    The bands are those of the version: its predictions are compared with its own first ones.
    """
    given, now = request.features, request.timestamp
    return tuple(
        (name, _segment_of(of, given.get(name), now))
        for name in divided
        if (of := features.get(name)) is not None
    )
