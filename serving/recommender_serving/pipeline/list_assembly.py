"""The list that a user gets, also one that mixes those of two versions."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, NamedTuple

from recommender_contract.events import NEITHER, Source
from recommender_serving.domain.team_draft import Scored, team_draft
from recommender_serving.domain.types import Answer, Waited
from recommender_serving.experiments.assignment import loggable_user
from recommender_serving.impressions.impression_events import Mixed
from recommender_serving.pipeline.request_context import RequestContext
from recommender_serving.ranking.deadline_budget import LATER

#: A list of the candidate's model; None if it gave none.
Ranked = Sequence[Scored] | None
#: One for each instance of a call.
Lists = Coroutine[Any, Any, Sequence[Ranked]]
#: Seconds that a user waits for the candidate beyond the own answer.
PATIENCE = 0.05
logger = logging.getLogger(__name__)


class Listed(NamedTuple):
    """An answer with its items as clients know them."""

    answer: Answer  # of this version
    items: Sequence[int] | Sequence[str]
    scores: Sequence[float]
    mixed: Mixed | None = None  # which version gave each item, if its user is in an interleaving
    is_mixed: bool = False  # its items are those of two versions


class ItemIds:
    """Ids of items as clients know them: the numbers of the models, or texts."""

    def __init__(self, texts: Mapping[int, str] | None = None) -> None:
        """`texts` maps items to their texts, if item ids are texts."""
        self._texts = texts

    def __call__(self, items: Sequence[int]) -> Sequence[int] | Sequence[str]:
        """Return items as clients know them."""
        if self._texts is None:
            return items
        return [self._texts[item] for item in items]

    def of_pool(self, answer: Answer) -> Sequence[int] | Sequence[str]:
        """Return the items that may stand at the last place of an answer."""
        return self([item for item, _ in answer.pool])

    @property
    def type(self) -> type:
        """The type of the ids."""
        return int if self._texts is None else str

    @property
    def datatype(self) -> str:
        """Their datatype in the v2 protocol."""
        return "INT64" if self._texts is None else "BYTES"


async def with_candidate_lists(
    own: Coroutine[Any, Any, Sequence[Answer]],
    lists: Lists | None,
    deadline: float | None,
    contexts: Sequence[RequestContext],
    waited: Callable[[Waited, float], None],
) -> tuple[Sequence[Answer], Sequence[Ranked] | None]:
    """Return the own answers, and the candidate's lists if they are asked for and come in time.

    Once the own answers to `contexts` are there, a user waits for the lists at most
    `PATIENCE`, or a share of the time until the deadline, a time of the event loop; and not at all
    if the own answers of all instances that mix are fallbacks. `waited` gets the seconds of each
    such wait, also if the lists were there.
    """
    if lists is None:
        return await own, None
    asking = asyncio.create_task(lists)
    try:
        found = await own
        if any(map(_mixable, contexts, found)):
            await _timed(asking, patience(deadline), waited)
        return found, _result(asking)
    finally:
        asking.cancel()


def patience(deadline: float | None) -> float:
    """Return how many seconds a user waits for the candidate's lists beyond the own answer."""
    if deadline is None:
        return PATIENCE
    left = deadline - asyncio.get_running_loop().time()
    return max(0.0, min(PATIENCE, left * LATER))


async def _timed(
    asking: asyncio.Task[Sequence[Ranked]], seconds: float, waited: Callable[[Waited, float], None]
) -> None:
    now = asyncio.get_running_loop().time
    start = now()
    try:
        await asyncio.wait([asking], timeout=seconds)
    finally:  # the client may leave meanwhile
        waited(Waited.INTERLEAVE, now() - start)


def _result(asking: asyncio.Task[Sequence[Ranked]]) -> Sequence[Ranked] | None:
    if not asking.done() or asking.cancelled():  # a request outlives a call that was cancelled
        return None
    if (error := asking.exception()) is not None:  # a bug; but the user gets an answer
        logger.error("the candidate's lists cannot be read", exc_info=error)
        return None
    return asking.result()


def _mixable(context: RequestContext, own: Answer) -> bool:
    """Return whether the own answer can be mixed: that of a model, to a user of mixed lists."""
    return context.mixes and own.source is Source.MODEL


def mixed(context: RequestContext, own: Listed, theirs: Ranked) -> Listed | None:
    """Return the list mixed with that of the candidate; None if a model gave none of either.

    Coins depend on the request, its user and the interleaving: an equal one gets equal coins.
    """
    interleaving = context.interleaving
    if interleaving is None or theirs is None or not _mixable(context, own.answer):
        return None
    salt = f"{interleaving.id}:{context.id}:{loggable_user(context.request)}"
    items: list[int | str] = [*own.items]
    ranked = list(zip(items, own.scores, strict=True))
    drafted = team_draft(ranked, theirs, context.request.top_n, salt)
    # The probabilities of a list would be those of two models: none is reported.
    answer = dataclasses.replace(own.answer, unscored=len(own.answer.items))
    return Listed(
        answer,
        drafted.items,  # type: ignore[arg-type]  # both lists have items of one type
        drafted.scores,
        Mixed(interleaving.id, interleaving.candidate, drafted.teams),
        is_mixed=True,
    )


def alone(context: RequestContext, own: Listed) -> Listed:
    """Return the own list as one of nobody, if its user is in an interleaving.

    A click on its items must count for nobody. Without the report it would count for the version
    that gave the same item in an earlier mixed list, which is mostly this one.
    """
    interleaving = context.interleaving
    if interleaving is None:
        return own
    teams = NEITHER * len(own.items)
    return own._replace(mixed=Mixed(interleaving.id, interleaving.candidate, teams))
