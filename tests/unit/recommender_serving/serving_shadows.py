"""A version that answers users, and a candidate that gets copies of all their requests."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from recommender_runtime.connections import Connections
from recommender_serving.experiments.peers import Addresses, Peers
from recommender_serving.experiments.traffic_mirror import MOST, TrafficMirror
from recommender_serving.ranking.answer_cache import Bounds as CacheBounds
from tests.unit.recommender_serving.serving_fakes import GOOD, PLAIN, FakeRanker, Parts, giving
from tests.unit.recommender_serving.serving_rpc import calling
from tests.unit.recommender_serving.serving_sockets import running
from tests.unit.recommender_serving.serving_versions import (
    CANDIDATE,
    RECEIVER,
    Pair,
    opened,
    parts_of,
)

SHADOW = {"x-recommender-shadow": f"{CANDIDATE}:10000"}
COPY = {"x-recommender-copy": RECEIVER}


def copies_of(parts: Parts, rest: int, rpc: int, *, seconds: float = 10.0) -> TrafficMirror:
    """What sends copies to these ports of this machine, whatever the version."""
    addresses = Addresses(f"127.0.0.1:{rest}", f"127.0.0.1:{rpc}")
    return TrafficMirror(
        Peers(addresses, MOST), parts.metrics.shadow.sent, (seconds / 2, seconds / 2)
    )


async def settled(copies: TrafficMirror | None) -> None:
    """Wait until no copy is on its way."""
    assert copies is not None
    async with asyncio.timeout(60):
        while copies.in_flight:
            await asyncio.sleep(0.001)


class Shadowed(Pair):
    """The receiver, whose users answer items 1, 2, ..., and the candidate with 21, 22, ...."""

    async def settled(self) -> None:
        """Wait until no copy is on its way."""
        await settled(self.receiver.served.service.mirror)

    def counted(self, outcome: str) -> float | None:
        """Copies that the candidate counted."""
        return self.candidate.value("recommender_shadow_requests_total", outcome=outcome)


@contextlib.asynccontextmanager
async def shadowed(
    folder: Path, model: Callable[[], FakeRanker] = lambda: giving(PLAIN)
) -> AsyncIterator[Shadowed]:
    """Both versions; `model` is that of the candidate, which has a cache of answers."""
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        cache = CacheBounds(seconds=60, entries=100, bytes=10**6)
        candidate = await enter(opened(parts_of(folder, CANDIDATE, model(), cache)))
        site = await enter(running(candidate.served, Connections()))
        _, port = await enter(calling(candidate.served.service))
        parts = parts_of(folder, RECEIVER, giving(GOOD))
        receiver = await enter(opened(parts, copies=copies_of(parts, site.port, port)))
        rpc, _ = await enter(calling(receiver.served.service))
        yield Shadowed(receiver, candidate, rpc)
