"""Compose a list of ranked items within the limits of the resource: pure.

Each place gets the best item left, unless a group is due: then the best of that group. This is
DetGreedy with lower bounds (Geyik, Ambler and Kenthapadi, 2019, "Fairness-aware ranking in search
and recommendation systems"): of the first k items, floor(k * minShare) are of the group. Diversity
goes before exposure. A list never gets shorter because of a limit: if only items are left that
violate one, these follow in their order.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

from recommender_serving.artifact.vocabulary import ItemFeature, Items
from recommender_serving.domain.list_limits import UNLIMITED, Diversity, Exposure, ListLimits
from recommender_serving.domain.types import Limit

Pair = tuple[int, float]
ROUNDING = 1e-9  # of shares such as 0.1 * 10


class Composer:
    """Composes the lists of one version."""

    def __init__(
        self, items: Items, limits: ListLimits, on_unmet: Callable[[Limit], None]
    ) -> None:
        """Keep the limits whose feature the items have; `absent` names the others."""
        features = {each.name: each for each in items.features}
        named = {each.feature for each in limits.diversity} | {
            each.feature for each in limits.exposure
        }
        self.absent = sorted(named - features.keys())
        self._items = items
        self._diversity = [(features[e.feature], e) for e in limits.diversity if _in(e, features)]
        self._exposure = [(features[e.feature], e) for e in limits.exposure if _in(e, features)]
        self._on_unmet = on_unmet

    @property
    def limits(self) -> bool:
        """Whether there is a limit, which needs items to choose from."""
        return bool(self._diversity or self._exposure)

    def compose(self, ranked: Sequence[Pair], top_n: int) -> list[Pair]:
        """Return at most `top_n` of the ranked items, in the order of the answer."""
        if not self.limits or not ranked:
            return list(ranked[:top_n])
        rows = [self._items.rows.of(item) for item, _ in ranked]
        caps = _Caps([(feature, each.max_per_category) for feature, each in self._diversity], rows)
        groups = [_Group(feature, each, rows) for feature, each in self._exposure]
        length = min(top_n, len(ranked))
        chosen = _choose(len(ranked), length, caps, groups)
        if len(chosen) < length:
            self._on_unmet(Limit.DIVERSITY)
            left = sorted(set(range(len(ranked))).difference(chosen))[: length - len(chosen)]
            for group in groups:
                for place in left:
                    group.add(place)
            chosen += left
        if any(group.due(len(chosen)) > 0 for group in groups):
            self._on_unmet(Limit.EXPOSURE)
        return [ranked[place] for place in chosen]


def unlimited(items: Items) -> Composer:
    """Return a composer without limits."""
    return Composer(items, UNLIMITED, lambda _: None)


def _in(limit: Diversity | Exposure, features: dict[str, ItemFeature]) -> bool:
    return limit.feature in features


class _Caps:
    """Counts the categories of the chosen items; a category that is full stays so."""

    def __init__(self, caps: list[tuple[ItemFeature, int]], rows: list[int]) -> None:
        self._caps = caps
        self._rows = rows
        self._counts: list[Counter[str]] = [Counter() for _ in caps]

    def allow(self, place: int) -> bool:
        row = self._rows[place]
        return all(
            counts[category] < most
            for (feature, most), counts in zip(self._caps, self._counts, strict=True)
            for category in feature.of(row)
        )

    def add(self, place: int) -> None:
        row = self._rows[place]
        for (feature, _), counts in zip(self._caps, self._counts, strict=True):
            counts.update(feature.of(row))


class _Group:
    """The ranked items of a group, best first, and how many of them are chosen."""

    def __init__(self, feature: ItemFeature, limit: Exposure, rows: list[int]) -> None:
        wanted = limit.categories
        self._share = limit.min_share
        self._members = {
            place: None
            for place, row in enumerate(rows)
            if any(category in wanted for category in feature.of(row))
        }
        self._left = iter(self._members)
        self._chosen = 0

    def due(self, length: int) -> int:
        """Return how many items of the group a list of this length lacks."""
        return math.floor(length * self._share + ROUNDING) - self._chosen

    def next(self, usable: Callable[[int], bool]) -> int | None:
        """Return the best item left that is usable; one that is not will never be."""
        return next(filter(usable, self._left), None)

    def add(self, place: int) -> None:
        self._chosen += place in self._members


def _choose(count: int, top_n: int, caps: _Caps, groups: list[_Group]) -> list[int]:
    """Return the chosen places, in order; fewer if the caps leave no more."""
    chosen: dict[int, None] = {}

    def usable(place: int) -> bool:
        return place not in chosen and caps.allow(place)

    best = filter(usable, iter(range(count)))
    while len(chosen) < top_n:
        place = _due(groups, len(chosen) + 1, usable)
        if place is None:
            place = next(best, None)
        if place is None:
            break
        chosen[place] = None
        caps.add(place)
        for group in groups:
            group.add(place)
    return list(chosen)


def _due(groups: list[_Group], length: int, usable: Callable[[int], bool]) -> int | None:
    """Return the best item of the group that lacks most, if one lacks any and has one left."""
    lacking = sorted(groups, key=lambda group: -group.due(length))
    for group in lacking:
        if group.due(length) <= 0:
            return None
        place = group.next(usable)
        if place is not None:
            return place
    return None
