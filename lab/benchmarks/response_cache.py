"""What the cache of answers costs and saves in the process of a transformer, without Triton.

    python -m lab.benchmarks.response_cache

The model answers at once, so the first line is what a request costs beside its call to Triton.
"""

from __future__ import annotations

import asyncio
import dataclasses
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from recommender_serving.domain.types import RecommendRequest, SessionEvent
from recommender_serving.ranking.answer_cache import Bounds, Cache
from tests.benchmarks.machine import machine
from tests.unit.recommender_serving.serving_fakes import GOOD, PLAIN, Parts, giving
from tests.unit.recommender_serving.serving_samples import request

USERS = 20_000
EVENTS = 20
BOUNDS = Bounds(seconds=300, entries=10**6, bytes=2**30)


def users() -> list[RecommendRequest]:
    """Return a request of each user, with a session of their own."""
    base = request()
    session = tuple(SessionEvent(item, 1000 + item, 1.0) for item in range(EVENTS))
    return [dataclasses.replace(base, user_id=user, session=session) for user in range(USERS)]


async def seconds_of(
    call: Callable[[RecommendRequest], Awaitable[object]], requests: Sequence[RecommendRequest]
) -> list[float]:
    """Return the sorted seconds of the calls, one after the other."""
    seconds = []
    for each in requests:
        start = time.perf_counter()
        await call(each)
        seconds.append(time.perf_counter() - start)
    return sorted(seconds)


async def main() -> None:
    """Print microseconds without the cache, of misses, and of hits."""
    with tempfile.TemporaryDirectory() as folder:
        parts = Parts(Path(folder), giving(GOOD), giving(PLAIN))
    chain, metrics = parts.chain, parts.metrics
    cache = Cache(chain, BOUNDS, metrics.found, metrics.cached, time.monotonic)
    sys.stdout.write(f"{machine()}\n")
    for name, call in (("without", chain.answer), ("miss", cache.answer), ("hit", cache.answer)):
        seconds = await seconds_of(call, users())
        p50, p99 = (seconds[int(len(seconds) * share)] * 1e6 for share in (0.5, 0.99))
        sys.stdout.write(f"{name:8} p50 {p50:7.1f} us  p99 {p99:8.1f} us\n")


if __name__ == "__main__":
    asyncio.run(main())
