"""The features by whose values the labels of predictions, and sessions, are monitored."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from recommender_contract.events import MAX_SEGMENTS
from recommender_contract.features import LISTS, NAMED
from recommender_contract.resource.feature import Feature

F = TypeVar("F", bound=Feature)


def dividing(context: Iterable[F], users: Iterable[F]) -> tuple[F, ...]:
    """Return the features that divide predictions and sessions.

    The first three count of the features with `segments`, then of those with `fairness`: of each,
    named values of the context, which every event has, then numbers of the context, then features
    of users. Requests lack a feature with `servedAs`, and a list is no one value.
    """
    context, users = ([each for each in of if _divides(each)] for of in (context, users))
    context.sort(key=lambda each: each.kind not in NAMED)
    found = sorted([*context, *users], key=lambda each: not each.segments)
    return tuple(found[:MAX_SEGMENTS])


def _divides(feature: Feature) -> bool:
    is_set = (feature.segments or feature.fairness) and feature.served_as is None
    return is_set and feature.kind not in LISTS
