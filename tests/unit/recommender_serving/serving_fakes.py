"""Rankers that answer, fail or hang on request."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry

from recommender_contract.events import Source
from recommender_serving.artifact.loader import Artifact
from recommender_serving.domain.types import Ranking
from recommender_serving.monitoring.drift_features import Bins
from recommender_serving.monitoring.session_memory import SessionMemory
from recommender_serving.monitoring.version_metrics import Metrics
from recommender_serving.ranking.answer_cache import Bounds, Cache
from recommender_serving.ranking.circuit_breaker import CircuitBreaker
from recommender_serving.ranking.fallback_chain import Chain, ModelStage
from recommender_serving.ranking.holdout import HoldoutRecommender
from recommender_serving.ranking.list_composition import UNLIMITED, Composer, ListLimits
from recommender_serving.ranking.mirroring import MirroredRecommender
from recommender_serving.ranking.recommender import Recommender
from recommender_serving.ranking.trending import Trending
from recommender_serving.triton.inputs import Tensors
from tests.unit.recommender_serving.serving_samples import CATALOGUE, sample_artifact

GOOD = Ranking((1, 2, 3, 4), (0.9, 0.8, 0.7, 0.6))
PLAIN = Ranking((21, 22, 23), (0.3, 0.2, 0.1))

ALL = Ranking(tuple(range(CATALOGUE)), tuple(1 / (1 + i) for i in range(CATALOGUE)))


class FakeRanker:
    """Gives what `behaviour` gives; counts its calls."""

    def __init__(self, behaviour: Callable[[], Ranking]) -> None:
        self.behaviour = behaviour
        self.calls = 0
        self.sent: Tensors = ()

    async def rank(self, tensors: Tensors, top_n: int, timeout: float) -> Ranking:
        self.calls += 1
        self.sent = tensors
        return self.behaviour()


class Watching(FakeRanker):
    """Ranks every item, as many as it is asked for."""

    def __init__(self, ranked: Ranking = ALL) -> None:
        super().__init__(lambda: ranked)
        self.wanted = 0

    async def rank(self, tensors: Tensors, top_n: int, timeout: float) -> Ranking:
        (self.wanted,) = struct.unpack(
            "<q", next(each.data for each in tensors if each.name == "top_n")
        )
        ranked = self.behaviour()
        return Ranking(ranked.items[: self.wanted], ranked.scores[: self.wanted])


class HangingRanker(FakeRanker):
    """Answers never; `started` is set while a call hangs."""

    def __init__(self) -> None:
        super().__init__(lambda: GOOD)
        self.started = asyncio.Event()

    async def rank(self, tensors: Tensors, top_n: int, timeout: float) -> Ranking:
        self.calls += 1
        self.started.set()
        await asyncio.Event().wait()
        raise AssertionError("unreachable")


def giving(ranking: Ranking) -> FakeRanker:
    return FakeRanker(lambda: ranking)


def failing(error: Exception) -> FakeRanker:
    def fail() -> Ranking:
        raise error

    return FakeRanker(fail)


class Parts:
    """A recommender over two fake models, with its own registry."""

    def __init__(
        self,
        folder: Path,
        model: FakeRanker,
        baseline: FakeRanker,
        *,
        timeout: float = 5.0,
        breaker: CircuitBreaker | None = None,
        artifact: Artifact | None = None,
        list_limits: ListLimits = UNLIMITED,
        version: str = "movies-1",
        cache: Bounds | None = None,
        pool: int = 0,
        trending: Trending | None = None,
    ) -> None:
        self.artifact: Artifact = artifact or sample_artifact(folder)
        self.version = version
        self.registry = CollectorRegistry()
        bins = Bins(self.artifact)
        self.metrics = Metrics(
            self.registry,
            "movies",
            version,
            bins.reference(),
            bins.design_effects(),
            bins.missing_design_effects(),
        )
        self.breaker = breaker or CircuitBreaker()
        self.stages = (
            ModelStage(Source.MODEL, model, self.breaker, timeout),
            ModelStage(Source.BASELINE, baseline, CircuitBreaker(), timeout),
        )
        self.chain, of_copies, fallbacks = (
            Chain(
                stages,
                self.artifact.vocabulary,
                self.artifact.popularity,
                fell,
                self.artifact.item_texts,
                Composer(self.artifact.vocabulary.items, list_limits, self.metrics.unmet),
                trending,
                pool,
            )
            for stages, fell in (
                (self.stages, self.metrics.fell),
                (self.stages, self.metrics.shadow.fell),
                (self.stages[1:], self.metrics.fell),
            )
        )
        ticks = iter(range(1_000_000))
        self.recommender = Recommender(
            self.chain,
            bins,
            SessionMemory(lambda: 0.0),
            self.metrics,
            lambda: next(ticks) / 1000,  # each look at the clock takes a millisecond
            cache=None
            if cache is None
            else Cache(self.chain, cache, self.metrics.found, self.metrics.cached, lambda: 0.0),
            mirrored=MirroredRecommender(
                of_copies,
                self.metrics,
                lambda: next(ticks) / 1000,
                cache=None
                if cache is None
                else Cache(of_copies, cache, lambda _: None, lambda *_: None, lambda: 0.0),
            ),
            holdout=HoldoutRecommender(fallbacks, self.metrics),
        )

    def value(self, name: str, **labels: str) -> float | None:
        names = {"model": "movies", "version": self.version}
        return self.registry.get_sample_value(name, names | labels)
