"""New items: those without an event in the data, which the first stage cannot compare with others.

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
from recommender_training.data.dataset import Dataset
from recommender_training.fitted.retrieval import RetrievalModels

#: New items that a request compares, so that its time does not follow the catalogue.
MOST_COMPARED = 10_000
#: Numbers that differ by less are the same but for the order of a sum.
ALIKE = 1e-6


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

    def best_within(self, lift: Floats, slack: float) -> tuple[Bools, Bools]:
        """[N] masks: kept whatever happens within `slack`, and possibly kept.

        By `lift` [N]; -inf for an item that the request may not get.
        """
        ordered = np.r_[np.sort(lift)[::-1], -np.inf]
        last, next_one = ordered[self.kept - 1], ordered[self.kept]
        allowed = np.isfinite(lift)
        return allowed & (lift > next_one + slack), allowed & (lift >= last - slack)


@dataclass(frozen=True)
class KeptWithin:
    """The new items of one request: [I] those kept whatever happens within the arithmetic, [I]
    those that may be kept, and how many are.
    """

    surely: Bools
    perhaps: Bools
    count: int


def new_items_of(sources: RetrievalModels, events: Ints, data: Dataset) -> NewItems:
    """The new items of a data set whose items have so many `events` [I].

    None where every item is scored by the response, without towers, which tell them apart, and
    where the towers have the same to say of more of them than have room.
    """
    none = NewItems(np.zeros(0, dtype=np.int64), 0, np.zeros(0, dtype=np.float32))
    if sources.plan.candidates is None or sources.towers is None or sources.plan.for_new == 0:
        return none
    times = data.events.time
    rows = compared(events, data.items.times, int(times[0]), int(times[-1]))
    level, kept = sources.level[rows], sources.plan.for_new
    if len(rows) <= kept:
        return NewItems(rows, len(rows), level)
    vectors = sources.item_vectors(data.items.known_at)[rows + 1].numpy()
    return none if alike(vectors, level) else NewItems(rows, kept, level)


def alike(vectors: Floats, level: Floats) -> bool:
    """True if any request lifts all items with these `vectors` [N, D] and `level` [N] the same."""
    parts = np.c_[vectors, level]
    return bool(np.allclose(parts, parts[0], rtol=0.0, atol=ALIKE))


def told(sources: RetrievalModels, events: Ints, data: Dataset) -> RetrievalModels:
    """The sources with the facts of the new items; arguments as of `of`."""
    return replace(sources, new=new_items_of(sources, events, data).facts)


def compared(
    events: Ints, times: Doubles, since: float, until: float, most: int = MOST_COMPARED
) -> Ints:
    """[N] rows of the items without an event in the data of `since` to `until`, ascending.

    Without those whose latest time `times` [I, M] is before it: they had their chance. A time
    after the data, such as the end of an offer, tells nothing of an age. Of too many the latest
    are compared, and of equal ones the first.
    """
    none = np.flatnonzero(events == 0).astype(np.int64)
    past = np.where(times[none] <= until, times[none], -np.inf)  # also where it is unknown (NaN)
    latest = past.max(axis=1, initial=-np.inf)
    young = ~(np.isfinite(latest) & (latest < since))
    none, latest = none[young], latest[young]
    order = np.argsort(-latest, kind="stable")
    return np.sort(none[order[:most]])
