"""A version that receives requests and a candidate, both over fake models on real ports."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson

from recommender_runtime.connections import Connections
from recommender_serving.domain.types import Forwarded
from recommender_serving.experiments.assignment import bucket
from recommender_serving.experiments.forwarder import Forwarder
from recommender_serving.experiments.holdout import Holdout
from recommender_serving.experiments.peers import Addresses, Peers
from recommender_serving.experiments.traffic_mirror import TrafficMirror
from recommender_serving.impressions.collector_client import Receipt
from recommender_serving.impressions.impression_events import Origin
from recommender_serving.impressions.reporter import Bounds, Impressions
from recommender_serving.ranking.answer_cache import Bounds as CacheBounds
from recommender_serving.ranking.exploration import Chance, Explorer
from tests.unit.recommender_serving.serving_fakes import GOOD, PLAIN, FakeRanker, Parts, giving
from tests.unit.recommender_serving.serving_rpc import Stub, calling
from tests.unit.recommender_serving.serving_served import Served
from tests.unit.recommender_serving.serving_sockets import running

PREDICT = "/v1/models/recommender:predict"
INFER = "/v2/models/recommender/infer"
RECEIVER, CANDIDATE = "movies-00000000", "movies-11111111"
ID = "0a1b2c3d"
EXPERIMENT = f"id={ID};phase=3;cap=250;arms={CANDIDATE}:0-5000"
HEADERS = {"x-recommender-experiment": EXPERIMENT}
#: What every answer of the experiment says of it to the collector.
STAMP = {"experiment": ID, "phase": 3, "cap": 250.0}
#: Users of each version, in order.
THEIRS = [user for user in range(100) if bucket(ID, str(user)) < 5000]
OURS = [user for user in range(100) if bucket(ID, str(user)) >= 5000]


class Desk:
    """What a version reports to the collector."""

    def __init__(self, parts: Parts) -> None:
        self.events: list[dict[str, Any]] = []
        self.impressions = Impressions(
            self._post,
            Origin("movies", parts.version, f"{parts.version}/0f"),
            1.0,
            parts.artifact.vocabulary.features,
            parts.metrics.reported,
            Bounds(gather_seconds=0),
        )

    def _post(self, body: bytes) -> Receipt:
        self.events += orjson.loads(body)
        return Receipt(len(orjson.loads(body)), 0)

    async def reported(self) -> list[dict[str, Any]]:
        self.impressions.close()
        await self.impressions.run()
        return [each["data"] for each in self.events]


class Version:
    """One version with its reports."""

    def __init__(self, served: Served, desk: Desk, forwarder: Forwarder | None) -> None:
        self.served = served
        self.desk = desk
        self.forwarder = forwarder
        self.value = served.parts.value

    def forwarded(self) -> dict[str, float]:
        """Instances by what became of them, without those that are 0."""
        return self._outcomes("transformer_forwarded_total")

    def copied(self) -> dict[str, float]:
        """The same of copies."""
        return self._outcomes("transformer_copies_total")

    def _outcomes(self, name: str) -> dict[str, float]:
        counts = {each.value: self.value(name, outcome=each.value) or 0 for each in Forwarded}
        return {outcome: count for outcome, count in counts.items() if count}

    @property
    def disagreed(self) -> float | None:
        return self.value("transformer_experiment_disagreements_total")


def parts_of(
    folder: Path,
    version: str,
    model: FakeRanker,
    cache: CacheBounds | None = None,
    pool: int = 0,
) -> Parts:
    own = folder / version
    return Parts(own, model, giving(PLAIN), version=version, cache=cache, pool=pool)


def forwarder_of(
    parts: Parts,
    rest: int,
    rpc: int,
    *,
    seconds: float = 30.0,
    limit: int = 8,
    clock: Callable[[], float] = time.perf_counter,
) -> Forwarder:
    """What leads to these ports of this machine, whatever the version."""
    addresses = Addresses(f"127.0.0.1:{rest}", f"127.0.0.1:{rpc}")
    timeouts = (seconds / 2, seconds / 2)
    return Forwarder(Peers(addresses, limit), parts.metrics, timeouts, clock=clock)


@contextlib.asynccontextmanager
async def opened(
    parts: Parts,
    forwarder: Forwarder | None = None,
    explorer: Explorer | None = None,
    copies: TrafficMirror | None = None,
    holdout: Holdout | None = None,
    candidate_forwarder: Forwarder | None = None,
) -> AsyncIterator[Version]:
    """A version that is ready."""
    desk = Desk(parts)
    served = await Served.opened(
        Path(), parts, desk.impressions, forwarder=forwarder, explorer=explorer, copies=copies,
        holdout=holdout, candidate_forwarder=candidate_forwarder,
    )  # fmt: skip
    async with served.http:
        yield Version(served, desk, forwarder)
    if forwarder is not None:
        await forwarder.close()
    if copies is not None:
        await copies.close()
    if candidate_forwarder is not None:
        await candidate_forwarder.close()


class Pair:
    """The receiver, whose users answer items 1, 2, ..., and the candidate with 21, 22, ...."""

    def __init__(self, receiver: Version, candidate: Version, rpc: Stub) -> None:
        self.receiver = receiver
        self.candidate = candidate
        self.rpc = rpc  # of the receiver


@contextlib.asynccontextmanager
async def pair(
    folder: Path,
    model: Callable[[], FakeRanker] = lambda: giving(PLAIN),
    seconds: float = 30.0,
    cache: CacheBounds | None = None,
    chance: Chance | None = None,
    holdout: Holdout | None = None,
) -> AsyncIterator[Pair]:
    """Both versions; `model` is that of the candidate, `cache` of the receiver.

    With a chance, the last item of half of the answers of either is one of two.
    """
    pool = 0 if chance is None else 2

    def explorer_of(parts: Parts) -> Explorer | None:
        return None if chance is None else Explorer(0.5, chance, parts.metrics.explored)

    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        theirs = parts_of(folder, CANDIDATE, model(), pool=pool)
        candidate = await enter(opened(theirs, None, explorer_of(theirs), holdout=holdout))
        site = await enter(running(candidate.served, Connections()))
        _, port = await enter(calling(candidate.served.service))
        parts = parts_of(folder, RECEIVER, giving(GOOD), cache, pool)
        forwarder = forwarder_of(parts, site.port, port, seconds=seconds)
        receiver = await enter(opened(parts, forwarder, explorer_of(parts), holdout=holdout))
        rpc, _ = await enter(calling(receiver.served.service))
        yield Pair(receiver, candidate, rpc)
