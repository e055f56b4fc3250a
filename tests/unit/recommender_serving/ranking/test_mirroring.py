"""What a copy counts whose sender gives it up."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from recommender_serving.ranking.mirroring import MirroredRecommender
from tests.unit.recommender_serving.serving_fakes import PLAIN, HangingRanker, Parts, giving
from tests.unit.recommender_serving.serving_samples import request


@pytest.mark.parametrize(("waited", "errors"), [(2.5, 1), (0.5, 0)])
async def test_a_copy_given_up_after_the_time_of_the_models_is_an_error(
    tmp_path: Path, waited: float, errors: int
) -> None:
    """One that is given up before it is not: its sender has ended, for its own reasons."""
    model = HangingRanker()
    parts = Parts(tmp_path, model, giving(PLAIN))
    times = iter([10.0, 10.0 + waited])
    shadow = MirroredRecommender(parts.chain, parts.metrics, lambda: next(times), patience=2.0)
    task = asyncio.create_task(shadow.recommend([request()]))
    await model.started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert parts.value("recommender_shadow_requests_total", outcome="error") == errors
    assert parts.value("recommender_shadow_request_duration_seconds_sum") == errors * waited
    assert parts.value("transformer_requests_in_flight") == 0
