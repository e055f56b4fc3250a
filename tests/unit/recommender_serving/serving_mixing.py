"""A receiver that mixes its lists with those of a candidate, for tests."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from recommender_runtime.connections import Connections
from recommender_serving.experiments.assignment import bucket
from recommender_serving.experiments.forwarder import Forwarder
from recommender_serving.experiments.holdout import Holdout
from recommender_serving.experiments.peers import Addresses, Peers
from recommender_serving.ranking.answer_cache import Bounds as CacheBounds
from tests.unit.recommender_serving.serving_fakes import (
    GOOD,
    PLAIN,
    FakeRanker,
    Parts,
    giving,
)
from tests.unit.recommender_serving.serving_rpc import calling
from tests.unit.recommender_serving.serving_sockets import running
from tests.unit.recommender_serving.serving_versions import (
    CANDIDATE,
    RECEIVER,
    Pair,
    opened,
    parts_of,
)

ID = "0a1b2c3d"
HALF = {"x-recommender-interleaving": f"id={ID};candidate={CANDIDATE};users=5000"}
THEIRS = [user for user in range(100) if bucket(ID, str(user)) < 5000]
OTHERS = [user for user in range(100) if bucket(ID, str(user)) >= 5000]
#: Of two items, one of each version.
MIXES = ([1, 21], [21, 1])
ALONE = [1, 2]
OF_NOBODY = {"id": ID, "candidate": CANDIDATE, "teams": "--"}


class Mixing(Pair):
    """The receiver, whose model gives items 1, 2, ..., and the candidate with 21, 22, ...."""

    def counted(self, name: str, outcome: str) -> float | None:
        return self.receiver.value(f"transformer_{name}_total", outcome=outcome)

    @property
    def answers(self) -> tuple[float | None, float | None]:
        """Mixed ones, and those of one version alone."""
        name = "interleaved_answers"
        return self.counted(name, "mixed"), self.counted(name, "alone")

    @property
    def waits(self) -> float | None:
        """How often a user waited for the candidate's list, or would have."""
        name = "transformer_stage_duration_seconds_count"
        return self.receiver.value(name, stage="interleave")


@contextlib.asynccontextmanager
async def mixing(
    folder: Path,
    theirs: Callable[[], FakeRanker] = lambda: giving(PLAIN),
    ours: Callable[[], FakeRanker] = lambda: giving(GOOD),
    seconds: float = 30.0,
    cache: CacheBounds | None = None,
    holdout: Holdout | None = None,
) -> AsyncIterator[Mixing]:
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        candidate = await enter(opened(parts_of(folder, CANDIDATE, theirs())))
        site = await enter(running(candidate.served, Connections()))
        _, port = await enter(calling(candidate.served.service))
        parts: Parts = parts_of(folder, RECEIVER, ours(), cache)
        peers = Peers(Addresses(f"127.0.0.1:{site.port}", f"127.0.0.1:{port}"), 8)
        counts = parts.metrics.interleaving
        candidate_forwarder = Forwarder(peers, parts.metrics, (seconds, 0.0), counts=counts)
        receiver = await enter(
            opened(parts, holdout=holdout, candidate_forwarder=candidate_forwarder)
        )
        rpc, _ = await enter(calling(receiver.served.service))
        yield Mixing(receiver, candidate, rpc)
