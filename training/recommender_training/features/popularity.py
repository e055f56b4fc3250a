"""Popularity by segment: what users like oneself liked, by the features for cold start.

A segment is one value of each of these features, of users and of context; who lacks one is in
none.

An item's score in a segment is its share of the segment's positive events with WEIGHT events of
the whole population added (a Dirichlet prior), so that a segment of few events has about the list
of all. Legend of shapes: U users, I items,
R requests, S features for cold start, C features of the context.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from recommender_training.common.arrays import Doubles, Floats, Ints, Places
from recommender_training.config.feature_schema import FeatureTable
from recommender_training.data.dataset import Dataset
from recommender_training.data.feature_encoding import Attribute
from recommender_training.features import attributes

#: Positive events of the whole population that are added to those of each segment. Chosen on the
#: four windows of MovieLens 100K before its test window (docs/lab/training-evaluation.md).
WEIGHT = 1000.0
#: Segments with a list of their own: those with the most positive events.
MAX_SEGMENTS = 64


def features(data: Dataset) -> tuple[Attribute, ...]:
    """The features that make a segment."""
    return tuple(each for each in data.attributes if each.feature.cold_start)


def values_of(data: Dataset) -> Ints:
    """[U, S] category or band of each of the features; -1 where it is not known, and for the
    context.
    """
    found = np.full((data.users.count, len(features(data))), -1, dtype=np.int64)
    for place, each in enumerate(features(data)):
        if each.place is FeatureTable.USERS:
            found[:, place] = attributes.of_users(data, each.name)
    return found


def segment_of(data: Dataset, users: Places, times: Ints, context: Floats) -> Ints:
    """[R] number of the segment of the users at these rows, at `times` [R] in the context [R, C].

    The values are its digits; -1 where one is not known.
    """
    code, known = np.zeros(len(users), dtype=np.int64), np.full(len(users), bool(features(data)))
    for each in features(data):
        if each.place is FeatureTable.USERS:
            value = attributes.of_users_at(data, each.name, users, times)
        else:
            value = attributes.of_context(data, each.name, context)
        code = code * len(each.categories) + value
        known &= value >= 0
    return np.where(known, code, -1)


def values_in(data: Dataset, segment: int) -> list[int]:
    """[S] the values that make a segment."""
    found = []
    for each in reversed(features(data)):
        segment, value = divmod(segment, len(each.categories))
        found.append(value)
    return found[::-1]


def by_segment(data: Dataset, time: int | None) -> Iterator[tuple[int, Doubles]]:
    """Each segment with a list of its own, ascending, and its items' scores [I].

    From the events strictly earlier than `time` (all, if None).
    """
    events, count = data.events, data.items.count
    known = events.positive if time is None else events.positive & (events.time < time)
    item = events.item[known]
    segment = segment_of(data, events.user[known], events.time[known], events.context_of(known))
    total = np.bincount(item, minlength=count)
    codes, sizes = np.unique(segment[segment >= 0], return_counts=True)
    largest = np.argsort(-sizes, kind="stable")[:MAX_SEGMENTS]
    for code in np.sort(codes[largest]):
        yield int(code), smoothed(np.bincount(item[segment == code], minlength=count), total)


def smoothed(own: npt.NDArray[Any], total: npt.NDArray[Any]) -> Doubles:
    """[I] shares of a segment's positive events `own` with those of all, `total`, added."""
    prior = WEIGHT * total / max(1, int(total.sum()))
    return np.asarray((own + prior) / (own.sum() + WEIGHT), dtype=np.float64)
