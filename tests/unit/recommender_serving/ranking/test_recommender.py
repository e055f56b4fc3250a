"""Every instance is counted exactly, and zeros are visible from the start."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from recommender_contract.events import Source
from recommender_serving.domain.types import FallReason, Outcome, RankerError
from recommender_serving.monitoring.version_metrics import BUCKETS
from recommender_serving.ranking.bounded_concurrency import CONCURRENT
from tests.unit.recommender_serving.serving_fakes import (
    GOOD,
    PLAIN,
    HangingRanker,
    Parts,
    failing,
    giving,
)
from tests.unit.recommender_serving.serving_samples import REFERENCE, bins_of, request, session


def test_every_series_exists_before_the_first_request(tmp_path: Path) -> None:
    parts = Parts(tmp_path, giving(GOOD), giving(PLAIN))
    for outcome in Outcome:
        assert parts.value("recommender_requests_total", outcome=outcome) == 0
    for source in Source:
        assert parts.value("recommender_answers_total", source=source) == 0
    for reason in FallReason:
        assert parts.value("recommender_fallbacks_total", reason=reason) == 0
    assert parts.value("recommender_sessions_total") == 0
    assert parts.value("recommender_request_duration_seconds_count") == 0
    for feature in REFERENCE["features"]:
        for place, count in bins_of(feature).items():
            labels = {"feature": feature["name"], "bin": place}
            assert parts.value("recommender_feature_values_total", **labels) == 0
            assert parts.value("recommender_reference_sessions", **labels) == count


def test_what_the_operator_reads_never_falls(tmp_path: Path) -> None:
    # It takes a series that falls for a restart of the process.
    parts = Parts(tmp_path, giving(GOOD), giving(PLAIN))
    gauges = {
        family.name
        for family in parts.registry.collect()
        if family.type == "gauge" and family.name.startswith("recommender_")
    }
    assert gauges == {
        "recommender_reference_sessions",
        "recommender_reference_design_effect",
        "recommender_reference_missing_design_effect",
    }


async def test_instances_in_flight_are_counted_while_they_are(tmp_path: Path) -> None:
    hanging = HangingRanker()
    parts = Parts(tmp_path, hanging, giving(PLAIN), timeout=60)
    task = asyncio.create_task(parts.recommender.recommend([request()]))
    await hanging.started.wait()
    assert parts.value("transformer_requests_in_flight") == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert parts.value("transformer_requests_in_flight") == 0


def test_the_buckets_are_those_of_the_contract(tmp_path: Path) -> None:
    assert BUCKETS == (
        0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 2, 5,
    )  # fmt: skip
    parts = Parts(tmp_path, giving(GOOD), giving(PLAIN))
    assert parts.value("recommender_request_duration_seconds_bucket", le="0.075") == 0


async def test_instances_sources_durations_and_falls_are_counted_exactly(tmp_path: Path) -> None:
    model = giving(GOOD)
    baseline = giving(PLAIN)
    parts = Parts(tmp_path, model, baseline)
    await parts.recommender.recommend([request()] * 3)
    model.behaviour = failing(RankerError(FallReason.EMPTY)).behaviour
    await parts.recommender.recommend([request()] * 2)
    baseline.behaviour = failing(ValueError()).behaviour
    await parts.recommender.recommend([request()])
    parts.metrics.invalid(4)
    assert parts.value("recommender_requests_total", outcome="ok") == 6
    assert parts.value("recommender_requests_total", outcome="error") == 0
    assert parts.value("recommender_requests_total", outcome="invalid") == 4
    assert parts.value("recommender_answers_total", source="model") == 3
    assert parts.value("recommender_answers_total", source="baseline") == 2
    assert parts.value("recommender_answers_total", source="popularity") == 1
    assert parts.value("recommender_fallbacks_total", reason="empty") == 3
    assert parts.value("recommender_request_duration_seconds_count") == 6


async def test_the_duration_is_that_of_the_instance(tmp_path: Path) -> None:
    parts = Parts(tmp_path, giving(GOOD), giving(PLAIN))
    await parts.recommender.recommend([request()])
    total = parts.value("recommender_request_duration_seconds_sum")
    assert total == pytest.approx(0.001)


async def test_features_count_once_a_session_and_sum_to_the_sessions(tmp_path: Path) -> None:
    parts = Parts(tmp_path, giving(GOOD), giving(PLAIN))
    first = request(session_id="a", features={"age": 30.0}, session=session(4))
    await parts.recommender.recommend([first])
    await parts.recommender.recommend([request(session_id="a", features={"age": 10.0})])
    await parts.recommender.recommend([request(session_id="b"), request(), request()])
    assert parts.value("recommender_sessions_total") == 4

    def count(feature: str, place: str) -> float | None:
        return parts.value("recommender_feature_values_total", feature=feature, bin=place)

    assert (count("age", "0"), count("age", "1"), count("age", "null")) == (0, 1, 3)
    assert (count("last_genre", "1"), count("last_genre", "null")) == (1, 3)
    assert count("top_score", "1") == 4
    for feature in REFERENCE["features"]:
        assert sum(count(feature["name"], place) or 0 for place in bins_of(feature)) == 4


async def test_a_bug_is_an_error_of_the_version_and_takes_no_other_request_along(
    tmp_path: Path,
) -> None:
    parts = Parts(tmp_path, giving(GOOD), giving(PLAIN))
    broken = request(user_id="not checked")
    first, second = await parts.recommender.recommend([broken, request()])
    assert (first.failed, first.source) == (True, Source.POPULARITY)
    assert (second.failed, second.source) == (False, Source.MODEL)
    assert parts.value("recommender_requests_total", outcome="error") == 1
    assert parts.value("recommender_requests_total", outcome="ok") == 1
    assert parts.value("recommender_answers_total", source="popularity") == 0
    assert parts.value("recommender_request_duration_seconds_count") == 2


async def test_answers_keep_the_order_of_the_requests(tmp_path: Path) -> None:
    parts = Parts(tmp_path, giving(GOOD), giving(PLAIN))
    answers = await parts.recommender.recommend([request(top_n=n) for n in (1, 3, 2)])
    assert [len(answer.items) for answer in answers] == [1, 3, 2]


async def test_a_caller_who_gave_up_counts_as_nothing(tmp_path: Path) -> None:
    stuck = HangingRanker()
    parts = Parts(tmp_path, stuck, giving(PLAIN), timeout=60)
    task = asyncio.create_task(parts.recommender.recommend([request()]))
    await stuck.started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [parts.value("recommender_requests_total", outcome=o) for o in Outcome] == [0, 0, 0]


async def test_a_large_call_does_not_take_every_place_at_the_model(tmp_path: Path) -> None:
    stuck = HangingRanker()
    parts = Parts(tmp_path, stuck, giving(PLAIN), timeout=60)
    task = asyncio.create_task(parts.recommender.recommend([request()] * 64))
    await stuck.started.wait()
    for _ in range(100):
        await asyncio.sleep(0)
    assert stuck.calls == parts.breaker.in_flight == CONCURRENT
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_large_call_is_answered_in_order(tmp_path: Path) -> None:
    parts = Parts(tmp_path, giving(GOOD), giving(PLAIN))
    sizes = [1 + i % 4 for i in range(64)]
    answers = await parts.recommender.recommend([request(top_n=n) for n in sizes])
    assert [len(answer.items) for answer in answers] == sizes
