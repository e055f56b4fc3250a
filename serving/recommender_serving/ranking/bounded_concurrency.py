"""The instances of one call, several at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from recommender_serving.domain.types import Answer, RecommendRequest

CONCURRENT = 16  # instances of one call that run concurrently


async def bounded_gather(
    one: Callable[[RecommendRequest], Awaitable[Answer]], requests: Sequence[RecommendRequest]
) -> list[Answer]:
    """Answer every request, in order.

    Requests run concurrently, but in waves, so that a few large calls cannot use the whole
    capacity of the model.
    """
    if len(requests) == 1:
        return [await one(requests[0])]
    answers: list[Answer] = []
    for start in range(0, len(requests), CONCURRENT):
        answers += await asyncio.gather(*map(one, requests[start : start + CONCURRENT]))
    return answers
