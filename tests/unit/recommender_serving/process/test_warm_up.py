"""A warm-up calls each model with each shape, and a fault in it stops nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from recommender_serving.domain.types import FallReason, RankerError
from recommender_serving.process import warm_up as module
from recommender_serving.process.warm_up import warm_up
from tests.unit.recommender_serving.serving_fakes import (
    GOOD,
    PLAIN,
    HangingRanker,
    failing,
    giving,
)
from tests.unit.recommender_serving.serving_samples import sample_artifact


async def test_the_warm_up_calls_each_model_with_each_shape(tmp_path: Path) -> None:
    model, baseline = giving(GOOD), giving(PLAIN)
    await warm_up((model, baseline), sample_artifact(tmp_path))
    assert model.calls == baseline.calls == 2 * module.WARM_UP_CALLS


async def test_a_broken_model_does_not_stop_the_warm_up(tmp_path: Path) -> None:
    broken = failing(RankerError(FallReason.ERROR))
    await warm_up((broken,), sample_artifact(tmp_path))
    assert broken.calls == 2 * module.WARM_UP_CALLS


async def test_a_stuck_model_ends_the_warm_up_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WARM_UP_SECONDS", 0.01)
    async with asyncio.timeout(60):
        await warm_up((HangingRanker(),), sample_artifact(tmp_path))
