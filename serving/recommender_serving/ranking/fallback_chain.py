"""The fallback chain, which always answers: the model, else the baseline, else popularity."""

from __future__ import annotations

import asyncio
import dataclasses
import math
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Protocol

from recommender_contract.events import Source
from recommender_serving.artifact.popularity import Listed, Popularity, Segments
from recommender_serving.artifact.vocabulary import Vocabulary
from recommender_serving.domain.features import UNKNOWN
from recommender_serving.domain.types import (
    Answer,
    FallReason,
    Past,
    RankerError,
    Ranking,
    RecommendRequest,
)
from recommender_serving.ranking.circuit_breaker import CircuitBreaker
from recommender_serving.ranking.deadline_budget import stage_timeout
from recommender_serving.ranking.exploration import may_explore, pool_of
from recommender_serving.ranking.list_composition import Composer, unlimited
from recommender_serving.ranking.selection_rules import (
    depth_of,
    rest_of_candidates,
    select,
    with_whole_session,
    withheld,
)
from recommender_serving.ranking.trending import Trending
from recommender_serving.triton.inputs import Tensors, build_tensors


class Ranker(Protocol):
    """A model that ranks items."""

    async def rank(self, tensors: Tensors, top_n: int, timeout: float) -> Ranking:
        """Rank within `timeout` seconds.

        Raises:
            RankerError: with the reason; other exceptions count as `error`.
        """
        ...


@dataclass(frozen=True, slots=True)
class ModelStage:
    """One model of the chain, with its timeout in seconds."""

    source: Source
    ranker: Ranker
    breaker: CircuitBreaker
    timeout: float


class OutOfTime(Exception):  # noqa: N818
    """The client's deadline left a model no or too little time."""


class Chain:
    """Tries the stages in order and reports each fallback to `on_fall`."""

    def __init__(
        self,
        stages: tuple[ModelStage, ...],
        vocabulary: Vocabulary,
        popularity: Popularity,
        on_fall: Callable[[Source, FallReason], None],
        named: Container[int] | None = None,
        composer: Composer | None = None,
        trending: Trending | None = None,
        pool: int = 0,
    ) -> None:
        """Build the chain.

        `named` are the items that have a text, if item ids are texts. `trending` is read by the
        models that do so, and mixed into the popularity lists. `pool` is the number of items that
        may stand at the last place of an answer of the model; 0 names none.
        """
        self._stages = stages
        self._vocabulary = vocabulary
        self._popularity = popularity
        self._on_fall = on_fall
        self._named = named
        self._composer = composer or unlimited(vocabulary.items)
        self._trending = trending
        self._pool = pool

    async def answer(self, request: RecommendRequest, deadline: float | None = None) -> Answer:
        """Answer from the first stage with a usable ranking; no failure of a model is one of this.

        `deadline` is the time of the event loop at which the client stops to wait. A model that
        it leaves less time than its timeout, and that does not answer in it, has not failed.
        """
        items = self._vocabulary.items
        request = with_whole_session(request, self._vocabulary)
        further = self._pool - 1 if self._pool and may_explore(request) else 0
        depth = depth_of(request, self._vocabulary, self._composer.limits, further)
        now = () if self._trending is None else self._trending.ranked
        tensors = build_tensors(request, self._vocabulary, depth, now)
        cut_short = False
        for index, stage in enumerate(self._stages):
            try:
                seconds = self._seconds(index, deadline)
                ranking = await attempt(stage, tensors, depth, seconds)
                self._check_names(ranking)
            except OutOfTime:
                cut_short = True
                continue
            except RankerError as fall:
                self._on_fall(stage.source, fall.reason)
                continue
            if chosen := select(ranking.pairs, request, items, self._composer):
                size = self._pool if stage.source is Source.MODEL else 0
                pool = pool_of(ranking.pairs, chosen, request, items, self._composer, size)
                return self._answer(chosen, request, stage.source, cut_short, pool)
            break  # the other model ranks the same catalogue
        listed = popularity_list(request, self._popularity)
        if self._trending is not None:
            listed = self._trending.list_of(request, listed)
        best = popular(listed, request, self._vocabulary, self._composer)
        return self._answer(best, request, Source.POPULARITY, cut_short)

    def instead(self, request: RecommendRequest) -> Answer:
        """Return the popularity list, for a request whose answer a bug prevents.

        The selection of the request, its user's past and the limits of lists still hold.
        """
        request = with_whole_session(request, self._vocabulary)
        listed = popularity_list(request, self._popularity)
        best = popular(listed, request, self._vocabulary, self._composer)
        answer = self._answer(best, request, Source.POPULARITY, cut_short=False)
        return dataclasses.replace(answer, failed=True)

    def _seconds(self, index: int, deadline: float | None) -> float:
        """Return the time of a stage."""
        timeouts = [stage.timeout for stage in self._stages[index:]]
        if deadline is None:
            return timeouts[0]
        return stage_timeout(timeouts, deadline - asyncio.get_running_loop().time())

    def _answer(
        self,
        chosen: Sequence[tuple[int, float]],
        request: RecommendRequest,
        source: Source,
        cut_short: bool,
        pool: tuple[tuple[int, float], ...] = (),
    ) -> Answer:
        """Return the answer, with the candidates that are not ranked after those that are."""
        count = len(chosen)
        if request.selection.candidates and count < request.top_n:
            ranked = [item for item, _ in chosen]
            rest = rest_of_candidates(request, ranked, self._vocabulary)
            named = (pair for pair in rest if self._named is None or pair[0] in self._named)
            chosen = [*chosen, *named][: request.top_n]
        items, scores = zip(*chosen, strict=True) if chosen else ((), ())
        return Answer(items, scores, source, cut_short, unscored=len(chosen) - count, pool=pool)

    def _check_names(self, ranking: Ranking) -> None:
        """Reject an item without a text, which no client could identify."""
        if self._named is None:
            return
        for item in ranking.items:
            if item not in self._named:
                raise RankerError(FallReason.SHAPE, f"item {item} has no text in the artifact")


async def attempt(stage: ModelStage, tensors: Tensors, top_n: int, seconds: float) -> Ranking:
    """Call one stage, within `seconds` (at most its timeout) and the limits of its breaker.

    Raises:
        RankerError: not admitted, late, failed or unusable.
        OutOfTime: it was given less time than its timeout, and did not answer in it.
    """
    if seconds <= 0:
        raise OutOfTime
    rejection = stage.breaker.admit()
    if rejection is not None:
        raise RankerError(rejection, "not admitted")
    try:
        ranking = await _rank(stage, tensors, top_n, seconds)
    except RankerError as fall:
        if fall.reason is FallReason.TIMEOUT and seconds < stage.timeout:
            stage.breaker.abandon()
            raise OutOfTime from fall
        stage.breaker.release(fall.reason)
        raise
    except BaseException:  # the client cancelled, or the process ends
        stage.breaker.abandon()
        raise
    stage.breaker.release(None)
    return ranking


async def _rank(stage: ModelStage, tensors: Tensors, top_n: int, seconds: float) -> Ranking:
    try:
        async with asyncio.timeout(seconds):
            raw = await stage.ranker.rank(tensors, top_n, seconds)
        return usable(raw, top_n)
    except RankerError:
        raise
    except TimeoutError as error:
        raise RankerError(FallReason.TIMEOUT) from error
    except Exception as error:
        # Any failure of a model's call must give the user a fallback, not an error.
        raise RankerError(FallReason.ERROR, repr(error)) from error


def usable(ranking: Ranking, top_n: int) -> Ranking:
    """Validate a ranking; drop repeated items and those beyond `top_n`.

    A batch returns its largest `top_n`, so extra items are not an error.

    Raises:
        RankerError: shape, empty or nonfinite.
    """
    if len(ranking.items) != len(ranking.scores):
        detail = f"{len(ranking.items)} items, {len(ranking.scores)} scores"
        raise RankerError(FallReason.SHAPE, detail)
    if not ranking.items:
        raise RankerError(FallReason.EMPTY)
    if not all(map(math.isfinite, ranking.scores)):
        raise RankerError(FallReason.NONFINITE)
    first: dict[int, float] = {}
    for item, score in zip(ranking.items, ranking.scores, strict=True):
        first.setdefault(item, score)
    items = tuple(first)[:top_n]
    return Ranking(items, tuple(first[item] for item in items))


def popular(
    listed: Listed,
    request: RecommendRequest,
    vocabulary: Vocabulary,
    composer: Composer | None = None,
) -> Sequence[tuple[int, float]]:
    """Return the best of a popularity list that are wanted, without what its user knows.

    That is what is withheld of the session and the known items of the past. If they contain the
    whole list, known items are better than none.
    """
    items, session = vocabulary.items, request.session
    known = request.past.known | withheld(session, request.timestamp, vocabulary.repeat_after)
    if all(item in known for item, _ in listed):
        unwanted = Past(unwanted=request.past.unwanted)
        return select(listed, dataclasses.replace(request, past=unwanted), items, composer)
    fresh = [pair for pair in listed if pair[0] not in known]
    return select(fresh, request, items, composer)


def popularity_list(request: RecommendRequest, popularity: Popularity) -> Listed:
    """Return the list of the request's segment; if it is unknown or has none, that of all."""
    segments = popularity.segments
    if segments is None:
        return popularity.overall
    return segments.lists.get(_groups(request, segments), popularity.overall)


def _groups(request: RecommendRequest, segments: Segments) -> tuple[int, ...]:
    """Return the group of each feature: of the request, else the user table, else `servedAs`."""
    found = []
    stored = segments.of_user(request.user_id)
    for feature, of_user in zip(segments.features, stored, strict=True):
        group = feature.group(request.features.get(feature.name))
        if group == UNKNOWN:
            group = of_user
        if group == UNKNOWN:
            group = feature.group(feature.served_as)
        found.append(group)
    return tuple(found)
