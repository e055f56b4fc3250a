"""Gains in popularity of items by events: pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from recommender_collector.domain.declaration import Model
from recommender_collector.domain.events import ContextValue, Event
from recommender_collector.domain.store_updates import number
from recommender_contract.events import Kind
from recommender_contract.features import NAMED
from recommender_contract.online_store import ALL, segment_of, worth

#: Kinds that make an item popular, if they are interactions of the model. What was merely shown
#: would make popular what is recommended.
WANTED = frozenset({Kind.CLICK, Kind.BASKET, Kind.PURCHASE, Kind.DWELL})


class Gain(NamedTuple):
    """Events of an item; `worth` is the base 2 logarithm of the sum of their worths."""

    segment: str
    item: int
    worth: float


class PopularityTrends:
    """The gains of one model's events, by the values of the context features with `coldStart`.

    Of those without a calendar.
    """

    def __init__(self, model: Model) -> None:
        # The rules of time zones are the version's too. Where a category of a calendar is all
        # that the collector lacks, events count by the other features.
        features = [
            each for each in model.mapping.of_context if each.cold_start and each.calendar is None
        ]
        # The bands of numbers are the version's; the collector does not know them.
        self._names = (
            [each.name for each in features] if all(f.kind in NAMED for f in features) else []
        )
        self._values = {kind: model.values[kind] for kind in WANTED.intersection(model.values)}

    def gains(self, events: Iterable[Event]) -> list[Gain]:
        """Return the gains by events, one for each item of a segment."""
        found: dict[tuple[str, int], list[float]] = {}
        for event in events:
            if not self._counts(event):
                continue
            for segment in self._segments(event):
                for item in map(number, event.items):
                    found.setdefault((segment, item), []).append(worth(event.time / 1000))
        return [Gain(*of, total(worths)) for of, worths in found.items()]

    def _counts(self, event: Event) -> bool:
        """Return whether it is an interaction: one whose type needs a value has it."""
        if event.kind not in self._values:
            return False
        return self._values[event.kind] is not None or event.value is not None

    def _segments(self, event: Event) -> Iterator[str]:
        yield ALL
        context = event.context or {}
        if self._names and all(name in context for name in self._names):
            yield segment_of({name: _text(context[name]) for name in self._names})


def total(worths: list[float]) -> float:
    """Return the logarithm of a sum, from the logarithms of its parts."""
    top = max(worths)
    return top + math.log2(math.fsum(2.0 ** (each - top) for each in worths))


def _text(value: ContextValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
