"""The list that a user gets, also one that mixes those of two versions."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, NamedTuple, TypeVar

from recommender_serving.domain.team_draft import Scored, team_draft
from recommender_serving.domain.types import Answer, Source
from recommender_serving.domain.users import user_of
from recommender_serving.impressions.events import Mixed
from recommender_serving.protocols.asked import Asked

#: A list of the candidate's model; None if it gave none.
Ranked = Sequence[Scored] | None
#: One for each instance of a call.
Lists = Coroutine[Any, Any, Sequence[Ranked]]
Found = TypeVar("Found")


class Listed(NamedTuple):
    """An answer with its items as clients know them."""

    answer: Answer  # of this version
    items: Sequence[int] | Sequence[str]
    scores: Sequence[float]
    mixed: Mixed | None = None  # which version gave each item, if there are those of two


async def beside(
    own: Coroutine[Any, Any, Found], lists: Lists | None
) -> tuple[Found, Sequence[Ranked] | None]:
    """Return the own answers, and the candidate's lists if they are asked for."""
    if lists is None:
        return await own, None
    asking = asyncio.create_task(lists)
    try:
        return await own, await asking
    finally:
        asking.cancel()


def mixed(asked: Asked, own: Listed, theirs: Ranked) -> Listed | None:
    """Return the list mixed with that of the candidate; None if a model gave none of either.

    Coins depend on the request, its user and the interleaving: an equal one gets equal coins.
    """
    interleaving = asked.mixes
    if interleaving is None or theirs is None or own.answer.source is not Source.MODEL:
        return None
    salt = f"{interleaving.id}:{asked.id}:{user_of(asked.request)}"
    items: list[int | str] = [*own.items]
    ranked = list(zip(items, own.scores, strict=True))
    drafted = team_draft(ranked, theirs, asked.request.top_n, salt)
    return Listed(
        own.answer,
        drafted.items,  # type: ignore[arg-type]  # both lists have items of one type
        drafted.scores,
        Mixed(interleaving.id, interleaving.candidate, drafted.teams),
    )
