"""New items: those without an event, which the first stage cannot compare with all others.

What orders the items before the response counts their events, so an item without any comes last
whatever is known of it by its features. Some of the candidates are therefore kept for new items:
those that the towers lift most. Whether they are shown, the response model decides with the same
order as before (ADR 0078).

Legend of shapes: I items, M times of items, N new items, R requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from recommender_training.common.arrays import Bools, Doubles, Floats, Ints
from recommender_training.fitted.retrieval import RetrievalModels

#: New items that a request compares, so that its time does not follow the catalogue.
MOST_COMPARED = 10_000


@dataclass(frozen=True)
class NewItems:
    """The new items of a time, and how many of the candidates are kept for them."""

    rows: Ints  # [N] ascending
    kept: int
    level: Floats  # [N] what the lift of each adds whatever the request

    @property
    def facts(self) -> Mapping[str, int]:
        """Facts for the report; none where no candidates are kept."""
        if self.kept == 0:
            return {}
        return {"newItems": len(self.rows), "newItemCandidates": self.kept}

    def best(self, lift: Floats) -> Ints:
        """[R, kept] rows of the items with the largest `lift` [R, N]; any of equal ones."""
        at = np.argpartition(-lift, self.kept - 1, axis=1)[:, : self.kept]
        return np.asarray(self.rows[at], dtype=np.int64)

    def best_within(self, lift: Floats, slack: float) -> tuple[Bools, Bools]:
        """[N] which of them are kept whatever happens within `slack`, and [N] which may be.

        By `lift` [N]; -inf for an item that the request may not get.
        """
        ordered = np.r_[np.sort(lift)[::-1], -np.inf]
        last, next_one = ordered[self.kept - 1], ordered[self.kept]
        allowed = np.isfinite(lift)
        return allowed & (lift > next_one + slack), allowed & (lift >= last - slack)


def of(sources: RetrievalModels, events: Ints, times: Doubles) -> NewItems:
    """The new items of a catalogue with so many `events` [I] and these `times` [I, M].

    None where every item is scored by the response, and without towers, which tell them apart.
    """
    if sources.plan.candidates is None or sources.towers is None or sources.plan.for_new == 0:
        return NewItems(np.zeros(0, dtype=np.int64), 0, np.zeros(0, dtype=np.float32))
    rows = compared(events, times)
    return NewItems(rows, min(sources.plan.for_new, len(rows)), sources.level[rows])


def told(sources: RetrievalModels, events: Ints, times: Doubles) -> RetrievalModels:
    """The sources with the facts of the new items; arguments as of `of`."""
    return replace(sources, new=of(sources, events, times).facts)


def compared(events: Ints, times: Doubles, most: int = MOST_COMPARED) -> Ints:
    """[N] rows of the items without an event, ascending; of too many those with the latest of
    their declared times, and of equal ones the first.
    """
    none = np.flatnonzero(events == 0).astype(np.int64)
    if len(none) <= most:
        return none
    known = np.where(np.isnan(times[none]), -np.inf, times[none])
    order = np.argsort(-known.max(axis=1, initial=-np.inf), kind="stable")
    return np.sort(none[order[:most]])
