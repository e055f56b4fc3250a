"""Compose a list of ranked items within the limits of the resource: pure.

Each place gets the best item left, unless the groups need it: then the best of the group that
lacks most. This is DetGreedy with lower bounds (Geyik, Ambler and Kenthapadi, 2019,
"Fairness-aware ranking in search and recommendation systems"): of the first k items,
floor(k * minShare) are of the group. It looks ahead: the groups need a place if, for some k up to
the length of the list, together they lack as many items as there are places left until k. So
groups that share no items, with shares of at most 1 in all, are never due at the same place.
Groups that share items are counted as if they did not. Diversity goes before exposure. A list
never gets shorter because of a limit: if only items are left that violate one, these follow in
their order.
"""

from __future__ import annotations

import functools
import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, with_config

from recommender_serving.artifact.vocabulary import ItemFeature, Items
from recommender_serving.domain.settings_json import STRICT_JSON
from recommender_serving.domain.types import Limit

_Feature = Annotated[str, Field(min_length=1, max_length=40)]


@with_config(STRICT_JSON)
@dataclass(frozen=True, slots=True)
class Diversity:
    """At most so many items of a list have the same category of the feature."""

    feature: _Feature
    max_per_category: Annotated[int, Field(ge=1)]


@with_config(STRICT_JSON)
@dataclass(frozen=True, slots=True)
class Exposure:
    """At least this share of each beginning of a list has one of the categories."""

    feature: _Feature
    categories: Annotated[frozenset[str], Field(min_length=1)]
    min_share: Annotated[float, Field(gt=0, le=1)]


@with_config(STRICT_JSON)
@dataclass(frozen=True, slots=True)
class ListLimits:
    """The limits of each answer; the default limits nothing."""

    diversity: tuple[Diversity, ...] = ()
    exposure: tuple[Exposure, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.diversity or self.exposure)


UNLIMITED = ListLimits()


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
        """True if there is a limit, which needs items to choose from."""
        return bool(self._diversity or self._exposure)

    def compose(self, ranked: Sequence[Pair], top_n: int) -> list[Pair]:
        """Return at most `top_n` of the ranked items, in the order of the answer."""
        if not self.limits or not ranked:
            return list(ranked[:top_n])
        rows = [self._items.rows.row_of(item) for item, _ in ranked]
        caps = self._caps(rows)
        length = min(top_n, len(ranked))
        groups = [_Group(feature, each, rows, length) for feature, each in self._exposure]
        chosen = _choose(len(ranked), length, caps, groups)
        if len(chosen) < length:
            self._on_unmet(Limit.DIVERSITY)
            left = sorted(set(range(len(ranked))).difference(chosen))[: length - len(chosen)]
            for place in left:
                chosen.append(place)
                for group in groups:
                    group.add(place, len(chosen))
        if any(group.unmet for group in groups):
            self._on_unmet(Limit.EXPOSURE)
        return [ranked[place] for place in chosen]

    def last_of(self, composed: Sequence[Pair]) -> Callable[[int], bool]:
        """Return the test whether an item may stand in place of the last of a composed list.

        With it no category is above its cap, and each group has what it has without it, as far as
        it needs that.
        """
        if not self.limits:
            return lambda _: True
        *before, last = [self._items.rows.row_of(item) for item, _ in composed]
        caps = self._caps(before)
        for place in range(len(before)):
            caps.add(place)
        due = [
            (feature, each.categories)
            for feature, each in self._exposure
            if _has(feature, last, each.categories)
            and sum(_has(feature, row, each.categories) for row in before)
            < math.floor(len(composed) * each.min_share + ROUNDING)
        ]

        def stands(item: int) -> bool:
            row = self._items.rows.row_of(item)
            return caps.allow_row(row) and all(
                _has(feature, row, categories) for feature, categories in due
            )

        return stands

    def _caps(self, rows: list[int]) -> _Caps:
        return _Caps([(feature, each.max_per_category) for feature, each in self._diversity], rows)


def unlimited(items: Items) -> Composer:
    """Return a composer without limits."""
    return Composer(items, UNLIMITED, lambda _: None)


def _has(feature: ItemFeature, row: int, categories: frozenset[str]) -> bool:
    return any(category in categories for category in feature.categories_of(row))


def _in(limit: Diversity | Exposure, features: dict[str, ItemFeature]) -> bool:
    return limit.feature in features


class _Caps:
    """Counts the categories of the chosen items; a category that is full stays so."""

    def __init__(self, caps: list[tuple[ItemFeature, int]], rows: list[int]) -> None:
        self._caps = caps
        self._rows = rows
        self._counts: list[Counter[str]] = [Counter() for _ in caps]

    def allow(self, place: int) -> bool:
        return self.allow_row(self._rows[place])

    def allow_row(self, row: int) -> bool:
        """Return the same of an item that need not be one of those that are chosen from."""
        return all(
            counts[category] < most
            for (feature, most), counts in zip(self._caps, self._counts, strict=True)
            for category in feature.categories_of(row)
        )

    def add(self, place: int) -> None:
        row = self._rows[place]
        for (feature, _), counts in zip(self._caps, self._counts, strict=True):
            counts.update(feature.categories_of(row))


@functools.lru_cache(maxsize=1024)
def _deadlines(share: float, length: int) -> tuple[int, ...]:
    """Return the length of a list at which it needs its first item of a group, its second, ..."""
    needs = [math.floor(k * share + ROUNDING) for k in range(length + 1)]
    return tuple(k for k in range(1, length + 1) if needs[k] > needs[k - 1])


class _Group:
    """The ranked items of a group, best first, and how many of them are chosen."""

    def __init__(
        self, feature: ItemFeature, limit: Exposure, rows: list[int], length: int
    ) -> None:
        self._members = {
            place: None for place, row in enumerate(rows) if _has(feature, row, limit.categories)
        }
        self._left = iter(self._members)
        self._needs = _deadlines(limit.min_share, length)
        self._late = False
        self.deadlines = self._needs[: len(self._members)]
        self.chosen = 0

    def lack(self, length: int) -> int:
        """Return how many of its items a list of this length lacks."""
        return bisect_right(self.deadlines, length) - self.chosen

    @property
    def unmet(self) -> bool:
        """Return whether a beginning of the list has too few items of the group."""
        return self._late or self.chosen < len(self._needs)

    def next(self, usable: Callable[[int], bool]) -> int | None:
        """Return the best item left that is usable; one that is not will never be."""
        return next(filter(usable, self._left), None)

    def add(self, place: int, length: int) -> None:
        """Count the item that makes the list so long."""
        if place in self._members:
            late = self.chosen < len(self._needs) and length > self._needs[self.chosen]
            self._late = self._late or late
            self.chosen += 1


class _Ahead:
    """Finds the places that the groups need."""

    def __init__(self, groups: list[_Group]) -> None:
        wanted = ((k, j, group) for group in groups for j, k in enumerate(group.deadlines))
        self._wanted = sorted(wanted, key=lambda each: each[0])
        self._free_until: float = 0  # the length of the list before which no place is needed

    def needed(self, length: int) -> int | None:
        """Return the least k of the rule for a list of this length; None if a place is free."""
        if length < self._free_until:
            return None
        lacking = 0
        least = math.inf
        for k, j, group in self._wanted:
            if j >= group.chosen:
                lacking += 1
                spare = k - length - lacking
                if spare <= 0:
                    return max(k, length + 1)
                least = min(least, spare)
        # Each place takes at most one of those that are spare.
        self._free_until = length + least
        return None


def _choose(count: int, top_n: int, caps: _Caps, groups: list[_Group]) -> list[int]:
    """Return the chosen places, in order; fewer if the caps leave no more."""
    chosen: dict[int, None] = {}

    def usable(place: int) -> bool:
        return place not in chosen and caps.allow(place)

    best = filter(usable, iter(range(count)))
    ahead = _Ahead(groups)
    while len(chosen) < top_n:
        needed = ahead.needed(len(chosen))
        place = None if needed is None else _due(groups, needed, usable)
        if place is None:
            place = next(best, None)
        if place is None:
            break
        chosen[place] = None
        caps.add(place)
        for group in groups:
            group.add(place, len(chosen))
    return list(chosen)


def _due(groups: list[_Group], length: int, usable: Callable[[int], bool]) -> int | None:
    """Return the best item of the group that lacks most at this length, and has one left."""
    for group in sorted(groups, key=lambda group: -group.lack(length)):
        if group.lack(length) <= 0:
            return None
        place = group.next(usable)
        if place is not None:
            return place
    return None
