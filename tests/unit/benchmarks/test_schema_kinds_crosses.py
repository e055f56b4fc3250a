"""The benchmark of crosses learns what is there, and no more than its prior allows."""

from __future__ import annotations

import numpy as np
import pytest
from lab.benchmarks.schema_kinds_crosses import DAYS, Asked, crossed, told_weight

LIKED = 1.5


@pytest.fixture(scope="module")
def clicks() -> tuple[Asked, np.ndarray, np.ndarray]:
    """Requests of two categories, of which the first is liked on the last two days."""
    random = np.random.default_rng(0)
    day, first = random.integers(0, DAYS, 20_000), random.random(20_000) < 0.5
    share = np.stack([first, ~first], 1).astype(np.float64)
    asked = Asked(day, share, (day >= 5) & first)
    base = np.full(len(day), -1.0)
    clicked = random.random(len(day)) < 1 / (1 + np.exp(-base - LIKED * asked.liked))
    return asked, base, clicked.astype(np.float64)


def test_a_wide_prior_finds_the_effect_and_a_narrow_one_nothing(
    clicks: tuple[Asked, np.ndarray, np.ndarray],
) -> None:
    asked, base, clicked = clicks
    true = np.zeros((DAYS, 2))
    true[5:, 0] = LIKED
    np.testing.assert_allclose(crossed(asked, base, clicked, 1.0), true, atol=0.25)
    assert np.abs(crossed(asked, base, clicked, 1e-6)).max() < 0.01
    assert told_weight(asked.liked, base, clicked) == pytest.approx(LIKED, abs=0.15)


def test_the_pull_is_that_of_the_effect(clicks: tuple[Asked, np.ndarray, np.ndarray]) -> None:
    asked, base, clicked = clicks
    share = 1 / (1 + np.exp(-base))
    beyond = clicked - share
    of_days = [beyond[asked.liked & (asked.day == day)].sum() for day in (5, 6)]
    assert asked.pull(beyond) == pytest.approx(np.hypot(*of_days), rel=0.05)
    assert asked.pull(clicked - np.where(asked.liked, clicked, share)) < asked.pull(beyond) / 3
