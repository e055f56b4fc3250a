"""Popularity by segment: what users of one's age band and gender liked, and all others too.

An item's score in a segment is its share of the segment's positive events with WEIGHT events of
the whole population added (a Dirichlet prior), so that a segment of few events has about the list
of all. Legend of shapes: U users, I items.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from recommender_training.common.arrays import Doubles, Ints
from recommender_training.data.dataset import Dataset, Users
from recommender_training.data.schema import AGE_BANDS
from recommender_training.features import attributes

#: Positive events of the whole population that are added to those of each segment. Chosen on the
#: four windows of MovieLens 100K before its test window (docs/training.md).
WEIGHT = 1000.0
#: Segments with a list of their own: those with the most positive events.
MAX_SEGMENTS = 64


def segment_of(users: Users) -> Ints:
    """[U] gender * bands + band; -1 where one of them is not known."""
    band, gender = (attributes.categories(users, name) for name in ("age", "gender"))
    return np.where((band < 0) | (gender < 0), -1, gender * len(AGE_BANDS) + band)


def by_segment(data: Dataset, time: int | None) -> Iterator[tuple[int, Doubles]]:
    """Each segment with a list of its own, ascending, and its items' scores [I].

    From the events strictly earlier than `time` (all, if None).
    """
    events, count = data.events, data.items.count
    known = events.label if time is None else events.label & (events.time < time)
    item, segment = events.item[known], segment_of(data.users)[events.user[known]]
    total = np.bincount(item, minlength=count)
    sizes = np.bincount(segment[segment >= 0])
    largest = np.argsort(-sizes, kind="stable")[:MAX_SEGMENTS]
    for code in np.sort(largest[sizes[largest] > 0]):
        yield int(code), smoothed(np.bincount(item[segment == code], minlength=count), total)


def smoothed(own: npt.NDArray[Any], total: npt.NDArray[Any]) -> Doubles:
    """[I] shares of a segment's positive events `own` with those of all, `total`, added."""
    prior = WEIGHT * total / max(1, int(total.sum()))
    return np.asarray((own + prior) / (own.sum() + WEIGHT), dtype=np.float64)


def of_users(data: Dataset, time: int | None, users: Ints, overall: Doubles) -> Doubles:
    """[R, I] scores of each user: those of the segment, else `overall` [I]."""
    scores = np.tile(overall, (len(users), 1))
    segment = segment_of(data.users)[users]
    for code, own in by_segment(data, time):
        scores[segment == code] = own
    return scores
