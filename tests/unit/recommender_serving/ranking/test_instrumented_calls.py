"""The times of the stages: each call once, whatever its outcome."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from recommender_contract.events import Source
from recommender_serving.domain.types import FallReason, RankerError, SessionEvent, Waited
from recommender_serving.monitoring.version_metrics import Metrics
from recommender_serving.ranking.instrumented_calls import TimedRanker, TimedUsers
from recommender_serving.store.user_reader import StoreError, User
from tests.unit.recommender_serving.serving_fakes import (
    GOOD,
    PLAIN,
    HangingRanker,
    Parts,
    failing,
    giving,
)
from tests.unit.recommender_serving.serving_samples import request


class Clock:
    """Each look at it costs a second."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


class Users:
    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    @property
    def hides(self) -> bool:
        return True

    async def read(self, user: int) -> User:
        if self._error is not None:
            raise self._error
        return User(recent=(SessionEvent(user, 1),))


async def test_a_ranking_passes_through_and_is_timed() -> None:
    times: list[float] = []
    assert await TimedRanker(giving(GOOD), times.append, Clock()).rank((), 1, 1.0) == GOOD
    assert times == [1.0]


async def test_a_failed_call_is_timed_too() -> None:
    times: list[float] = []
    failed = failing(RankerError(FallReason.ERROR))
    with pytest.raises(RankerError):
        await TimedRanker(failed, times.append, Clock()).rank((), 1, 1.0)
    with pytest.raises(StoreError):
        await TimedUsers(Users(StoreError()), times.append, Clock()).read(7)
    assert times == [1.0, 1.0]


async def test_a_call_that_is_cut_short_is_timed_until_then() -> None:
    times: list[float] = []
    hanging = HangingRanker()
    call = asyncio.create_task(TimedRanker(hanging, times.append, Clock()).rank((), 1, 1.0))
    await hanging.started.wait()
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    assert times == [1.0]


async def test_a_read_of_the_store_passes_through_and_is_timed() -> None:
    times: list[float] = []
    assert await TimedUsers(Users(), times.append, Clock()).read(7) == User(
        recent=(SessionEvent(7, 1),)
    )
    assert times == [1.0]


def test_each_stage_has_its_series_from_the_start() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry, "movies", "v", [], {}, {})
    metrics.waited(Waited.STORE, 0.004)
    found = {
        stage.value: registry.get_sample_value(
            "transformer_stage_duration_seconds_count",
            {"model": "movies", "version": "v", "stage": stage.value},
        )
        for stage in Waited
    }
    assert found == {"store": 1, "model": 0, "baseline": 0, "forward": 0, "interleave": 0}


async def test_answers_are_timed_by_what_answered_and_falls_counted_by_model(
    tmp_path: Path,
) -> None:
    parts = Parts(tmp_path, failing(RankerError(FallReason.EMPTY)), giving(PLAIN))
    await parts.recommender.recommend([request()])
    parts = Parts(tmp_path, failing(RankerError(FallReason.EMPTY)), failing(ValueError()))
    await parts.recommender.recommend([request()])
    name = "transformer_answer_duration_seconds_count"
    counts = {source: parts.value(name, source=source) for source in Source}
    assert counts == {Source.MODEL: 0, Source.BASELINE: 0, Source.POPULARITY: 1}
    falls = "transformer_fallbacks_total"
    assert parts.value(falls, source="model", reason="empty") == 1
    assert parts.value(falls, source="baseline", reason="error") == 1
    assert parts.value("recommender_fallbacks_total", reason="error") == 0
