"""A forwarder in front of a scripted candidate, and time that a test lets pass."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from recommender_serving.experiments.forwarder import ForwardedCall, Forwarder
from recommender_serving.experiments.http_peer import Response
from recommender_serving.experiments.trials import Trial, Trials
from tests.unit.recommender_serving.serving_fakes import GOOD, giving
from tests.unit.recommender_serving.serving_scripted import Scripted, answer, scripted
from tests.unit.recommender_serving.serving_versions import (
    CANDIDATE,
    HEADERS,
    RECEIVER,
    Version,
    forwarder_of,
    opened,
    parts_of,
)

GOOD_ANSWER = answer(x_recommender_version=CANDIDATE, server_timing="answer;dur=0.001")


def trial() -> Trial:
    found = Trials("movies", RECEIVER, lambda: None).trial_of(HEADERS)
    assert found is not None
    return found


class Asking:
    """A forwarder in front of a scripted candidate."""

    def __init__(self, site: Scripted, version: Version) -> None:
        self.site = site
        self.version = version
        assert version.forwarder is not None
        self.forwarder: Forwarder = version.forwarder

    async def post(
        self, body: bytes = b"{}", left: float | None = None, instances: int = 1
    ) -> Response | None:
        deadline = None if left is None else asyncio.get_running_loop().time() + left
        forwarded = ForwardedCall(CANDIDATE, trial(), deadline, instances)
        async with asyncio.timeout(60):
            return await self.forwarder.post(forwarded, "/v1", {}, body, lambda found: found)

    async def asked(self, count: int) -> None:
        """Wait until the candidate has read so many requests."""
        async with asyncio.timeout(60):
            while len(self.site.requests) < count:
                await asyncio.sleep(0.001)

    def counted(self) -> dict[str, float]:
        return self.version.forwarded()


@contextlib.asynccontextmanager
async def asking(
    folder: Path,
    seconds: float = 20.0,
    limit: int = 8,
    clock: Callable[[], float] = time.perf_counter,
) -> AsyncIterator[Asking]:
    parts = parts_of(folder, RECEIVER, giving(GOOD))
    async with scripted() as site:
        site.usual = GOOD_ANSWER
        ports = site.port, site.port
        forwarder = forwarder_of(parts, *ports, seconds=seconds, limit=limit, clock=clock)
        async with opened(parts, forwarder) as version:
            yield Asking(site, version)


@contextlib.contextmanager
def skipping() -> Iterator[Callable[[float], None]]:
    """Give what lets seconds pass at once for all timeouts of the event loop."""
    loop, skipped = asyncio.get_running_loop(), 0.0
    real = loop.time

    def skip(seconds: float) -> None:
        nonlocal skipped
        skipped += seconds

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "time", lambda: real() + skipped)
        yield skip
