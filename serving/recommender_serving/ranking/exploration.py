"""Answers whose last place is drawn among several items, with a known probability.

The last place costs users least, and the model need not be calibrated for the probability. The
items that may stand there are part of an answer, the draw comes after the cache: so an answer that
is kept or shared is never a drawn one, and each request has a draw of its own.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

from pydantic import Field, with_config

from recommender_serving.artifact.vocabulary import Items
from recommender_serving.domain.settings_json import STRICT_JSON
from recommender_serving.domain.types import Answer, RecommendRequest
from recommender_serving.ranking.list_composition import Composer, Pair
from recommender_serving.ranking.selection_rules import fitting

LEAST_TOP_N = 2  # of a list of one item, the last place is the first


@with_config(STRICT_JSON)
@dataclass(frozen=True, slots=True)
class Exploration:
    """Of so many answers, the last place gets one of the `pool` best items for it, by chance."""

    share: Annotated[float, Field(gt=0, le=0.2)]  # of the answers that can explore
    pool: Annotated[int, Field(ge=2, le=20)]  # items


class Chance(Protocol):
    """Source of random numbers, such as `random.Random`."""

    def random(self) -> float:
        """Return a number from 0 to below 1."""
        ...

    def randrange(self, stop: int, /) -> int:
        """Return a whole number from 0 to below `stop`."""
        ...


def may_explore(request: RecommendRequest) -> bool:
    """Return whether an answer may explore.

    Candidates are a choice of the client's. Seeds are not in the log, so that no other version
    could be asked what it had answered.
    """
    wishes = request.selection
    return request.top_n >= LEAST_TOP_N and not (wishes.candidates or wishes.seeds)


def pool_of(
    ranked: Iterable[Pair],
    chosen: Sequence[Pair],
    request: RecommendRequest,
    items: Items,
    composer: Composer,
    size: int,
) -> tuple[Pair, ...]:
    """Return the `size` best items for the last place of a list, best first; none if too few.

    The one that stands there is the first of them. Each is wanted, and keeps the limits of lists
    after the items before it.
    """
    if not size or not may_explore(request) or len(chosen) < request.top_n:
        return ()
    before = {item for item, _ in chosen[:-1]}
    fits, stands = fitting(request, items), composer.last_of(chosen)
    others = (
        pair for pair in ranked if pair[0] not in before and fits(pair[0]) and stands(pair[0])
    )
    found = tuple(itertools.islice(others, size))
    return found if len(found) == size else ()


class Explorer:
    """Draws the last item of a share of the answers."""

    def __init__(self, share: float, chance: Chance, explored: Callable[[], None]) -> None:
        """`explored` is called for each answer that is drawn."""
        self._share = share
        self._chance = chance
        self._explored = explored

    def chosen(self, answer: Answer) -> bool:
        """Return whether an answer is in the share of those that explore."""
        return bool(answer.pool) and self._chance.random() < self._share

    def drawn(self, answer: Answer) -> Answer:
        """Return an answer that differs at its last place only; it needs a pool."""
        item, score = answer.pool[self._chance.randrange(len(answer.pool))]
        self._explored()
        return dataclasses.replace(
            answer,
            items=(*answer.items[:-1], item),
            scores=(*answer.scores[:-1], score),
            explored=True,
        )
