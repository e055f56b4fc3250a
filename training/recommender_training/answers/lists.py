"""The items of a list: what a request wants of a ranking, and what it gets without one. Pure.

The rules are those of `recommender_serving.ranking`; a test compares the lists.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from recommender_contract import hash_buckets
from recommender_contract.features import WITH_CATEGORIES, Kind
from recommender_training.answers.requests import Asked, Rules
from recommender_training.data.local_calendar import LocalCalendar

#: Items with their scores, best first.
Pairs = Sequence[tuple[int, float]]
#: Items that a request with a selection asks of a graph.
DEPTH = 2_000
UNKNOWN = -1


class Catalogue:
    """The items of a version, their categories, and its lists by popularity."""

    def __init__(self, vocabulary: Mapping[str, Any], popularity: Mapping[str, Any]) -> None:
        """From vocabulary.json and popularity.json."""
        items = vocabulary["items"]
        self._count = len(items["ids"])
        self._rows = {item: row for row, item in enumerate(items["ids"])}
        self._columns = {each["name"]: _categories(each) for each in items["features"]}
        self._repeat_after: int | None = vocabulary.get("repeatAfterSeconds")
        self._history_length = int(vocabulary["historyLength"])
        self._popular = _pairs(popularity)
        segments = popularity.get("segments", {"features": [], "lists": [], "users": {}})
        declared = {each["name"]: each for each in vocabulary["features"]}
        self._segmented = [declared[name] for name in segments["features"]]
        users = segments["users"]
        self._of_users = dict(zip(users.get("ids", ()), users.get("values", ()), strict=True))
        self._of_segments = {
            tuple(each["values"]): _pairs(each)
            for each in segments["lists"]
            if UNKNOWN not in each["values"]
        }

    def beyond_the_graph(self, asked: Asked) -> frozenset[int]:
        """Items that no list of this request has, although the graphs do not withhold them.

        They read the last events of a session, and let seeds come again where items do.
        """
        older = asked.request["session"][: -self._history_length]
        seeds = asked.seeds if self._repeat_after is not None else frozenset()
        return self.withheld(older, asked.request["timestamp"]) | seeds

    def withheld(self, session: Iterable[Mapping[str, Any]], now: int) -> frozenset[int]:
        """Items of a session that may not come again yet at `now`, in seconds since 1970."""
        after = self._repeat_after
        return frozenset(
            event["item"]
            for event in session
            if after is None or max(0, now - event["timestamp"]) < after
        )

    def depth(self, asked: Asked, known: frozenset[int]) -> int:
        """How many items to ask of a graph so that enough are left."""
        top_n = int(asked.request["top_n"])
        most = max(top_n, min(self._count, DEPTH))
        return most if asked.selection.restricts else min(most, top_n + len(known))

    def chosen(self, pairs: Pairs, asked: Asked, known: frozenset[int]) -> Pairs:
        """The wanted ones of these items, as many as the request wants at most."""
        fits = self._fits(asked, known)
        wanted = (pair for pair in pairs if fits(pair[0]))
        return list(itertools.islice(wanted, asked.request["top_n"]))

    def popular(self, asked: Asked, known: frozenset[int]) -> Pairs:
        """The same of the list by popularity of the request's segment, or of all users.

        Known items are better than none.
        """
        request = asked.request
        listed = self._of_segments.get(self._segment(request), self._popular)
        left_out = known | self.withheld(request["session"], request["timestamp"])
        if all(item in left_out for item, _ in listed):
            return self.chosen(listed, asked, frozenset())
        fresh = [pair for pair in listed if pair[0] not in left_out]
        return self.chosen(fresh, asked, known)

    def rest(self, asked: Asked, known: frozenset[int], chosen: Pairs) -> Pairs:
        """Candidates of the request that no graph has ranked, in its order, scored 0."""
        request = asked.request
        taken = self.withheld(request["session"], request["timestamp"])
        taken |= {item for item, _ in chosen}
        left = [(item, 0.0) for item in asked.selection.candidates if item not in taken]
        return self.chosen(left, asked, known)

    def _fits(self, asked: Asked, known: frozenset[int]) -> Callable[[int], bool]:
        wanted = asked.selection
        if not wanted.restricts:
            return lambda item: item not in known
        candidates, excluded = frozenset(wanted.candidates), wanted.excluded | known

        def fits(item: int) -> bool:
            if item in excluded or (candidates and item not in candidates):
                return False
            return all(self._has(item, wanted.allow)) and not any(self._has(item, wanted.deny))

        return fits

    def _has(self, item: int, rules: Rules) -> Iterable[bool]:
        """For each rule, whether a category of the item is listed."""
        row = self._rows.get(item, UNKNOWN)
        return (not listed.isdisjoint(self._columns[name](row)) for name, listed in rules.items())

    def _segment(self, request: Mapping[str, Any]) -> tuple[int, ...]:
        """The group of each segmented feature: of the request, the user, else as served."""
        stored = self._of_users.get(request["user_id"], [UNKNOWN] * len(self._segmented))
        found = []
        for feature, of_user in zip(self._segmented, stored, strict=True):
            said = _group(feature, request[feature["of"]].get(feature["name"]))
            found.append(
                next(
                    (each for each in (said, of_user) if each != UNKNOWN),
                    _group(feature, feature.get("servedAs")),
                )
            )
        return tuple(found)


def _pairs(listed: Mapping[str, Any]) -> Pairs:
    return list(zip(listed["items"], listed["scores"], strict=True))


def _categories(column: Mapping[str, Any]) -> Callable[[int], list[str]]:
    """The categories of the item in a row; none of the row UNKNOWN."""
    names, primary = column["categories"], column["primary"]
    further: dict[int, list[str]] = defaultdict(list)
    pairs = column.get("further", {"items": (), "categories": ()})
    for row, code in zip(pairs["items"], pairs["categories"], strict=True):
        further[row].append(names[code])

    def of(row: int) -> list[str]:
        if row == UNKNOWN or primary[row] < 0:
            return []
        return [names[primary[row]], *further.get(row, ())]

    return of


def _group(feature: Mapping[str, Any], value: Any) -> int:
    """The index of the category or band of a value; UNKNOWN if there is none."""
    if value is None or isinstance(value, list):
        return UNKNOWN
    calendar = LocalCalendar.read(feature)
    if calendar is not None:
        return calendar.code(int(value))
    if feature["kind"] == Kind.NUMERIC:
        return bisect_right(feature["edges"], float(value))
    if feature["kind"] not in WITH_CATEGORIES:
        return UNKNOWN
    name = str(value).lower() if isinstance(value, bool) else str(value)
    index = hash_buckets.index(feature["categories"], hashed="hashBuckets" in feature)
    return index.get(name, UNKNOWN)
