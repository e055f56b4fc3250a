"""Trends of the moment: for the models that read them, and mixed with popularity lists."""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Callable, Container
from typing import Protocol

from recommender_contract.online_store import RANKED_TRENDS, segment_of
from recommender_serving.artifact.popularity import Listed, Segments
from recommender_serving.domain.features import Place
from recommender_serving.domain.types import RecommendRequest
from recommender_serving.store.trend_reader import Counts, Trends
from recommender_serving.store.user_reader import StoreError
from recommender_serving.triton.inputs import Ranked

logger = logging.getLogger(__name__)
REFRESH_SECONDS = 10.0
STALE_SECONDS = 60.0
#: Decayed events that a list of the version is worth, as in its lists by segment (ADR 0019).
PRIOR = 1000.0
MOST = 1000  # items of a list of the version that are mixed, and of a mixed one
LISTS = 64  # mixed ones that are kept; with 1,000 items each they take about 6 MB


class Reader(Protocol):
    """Where the trends come from."""

    async def read(self) -> Trends:
        """Return the trends at this moment.

        Raises:
            StoreError: they cannot be read.
        """
        ...

    async def close(self) -> None:
        """Close the connection."""
        ...


class Trending:
    """The newest trends, read in the background, and the lists that they make.

    A list is mixed at its first use after a read, and kept until the next one. Trends that are
    older than a minute, because the store is lost, are not used.
    """

    def __init__(
        self,
        reader: Reader,
        known: Container[int],
        segments: Segments | None,
        clock: Callable[[], float],
        named: Container[int] | None = None,
    ) -> None:
        """Prepare; `known` are the items of the version, `clock` is in seconds.

        `named` are the items that have a text, if item ids are texts: no other can be shown.
        """
        self._reader = reader
        self._known = known
        features = () if segments is None else segments.features
        # without calendars, whose categories the collector does not know
        self._features = [
            each for each in features if each.place is Place.CONTEXT and each.calendar is None
        ]
        self._clock = clock
        self._named = named
        self._trends = Trends()
        self._ranked: Ranked = ()
        self._until = clock()
        self._mixed: dict[tuple[int, str | None], tuple[Listed, Listed]] = {}

    async def run(self) -> None:
        """Read again and again, until cancelled."""
        works = True
        while True:
            try:
                await self.refresh()
                works = True
            except Exception as error:
                # Whatever fails, the next read may work.
                if works:
                    told = error if isinstance(error, StoreError) else repr(error)
                    logger.warning("what is popular now is not known: %s", told)
                works = False
            await asyncio.sleep(REFRESH_SECONDS)

    async def refresh(self) -> None:
        """Read once.

        Raises:
            StoreError: they cannot be read; the former ones stay for their time.
        """
        read = await self._reader.read()
        self._trends = Trends(
            self._of_version(read.overall),
            {name: self._of_version(counts) for name, counts in read.segments.items()},
        )
        self._ranked = self._most(read.overall)
        self._until = self._clock() + STALE_SECONDS
        self._mixed = {}

    async def close(self) -> None:
        """Close the reader."""
        await self._reader.close()

    def _of_version(self, counts: Counts) -> Counts:
        """Leave out items that the version does not know: they may have no text."""
        return {item: count for item, count in counts.items() if item in self._known}

    def _most(self, counts: Counts) -> Ranked:
        shown = self._named
        some = [each for each in counts.items() if shown is None or each[0] in shown]
        return heapq.nlargest(RANKED_TRENDS, some, key=lambda each: each[1])

    @property
    def ranked(self) -> Ranked:
        """The items with most decayed events, unknown ones of the version included."""
        return () if self._clock() >= self._until else self._ranked

    def list_of(self, request: RecommendRequest, listed: Listed) -> Listed:
        """Return a list of the version, mixed with what is popular now."""
        if self._clock() >= self._until or not self._trends.overall:
            return listed
        segment = self._segment(request)
        # The lists live as long as the process, so that the id of one names it.
        found = self._mixed.get((id(listed), segment))
        if found is None:
            mixed = mix(listed[:MOST], self._trends.overall)
            if segment is not None:
                mixed = mix(mixed, self._trends.segments[segment])
            if len(self._mixed) == LISTS:
                self._mixed.clear()
            self._mixed[id(listed), segment] = found = (listed, mixed)
        return found[1]

    def _segment(self, request: RecommendRequest) -> str | None:
        if not self._features:
            return None
        values = {}
        for feature in self._features:
            value = request.features.get(feature.name, feature.served_as)
            if value is None:
                return None
            values[feature.name] = str(value)
        name = segment_of(values)
        return name if name in self._trends.segments else None


def mix(listed: Listed, counts: Counts, prior: float = PRIOR) -> Listed:
    """Return the items by (prior * share in the list + decayed events), most popular first.

    The list has the weight of `prior` events. So a few events hardly change it, and many replace
    it. Scores are relative to the most popular item. Items of equal score keep their order.
    """
    whole = sum(score for _, score in listed)
    mixed = {item: prior * score / whole if whole else 0.0 for item, score in listed}
    for item, count in counts.items():
        mixed[item] = mixed.get(item, 0.0) + count
    ordered = sorted(mixed.items(), key=lambda pair: -pair[1])
    top = ordered[0][1] if ordered else 0.0
    return tuple((item, score / top if top else 0.0) for item, score in ordered[:MOST])
