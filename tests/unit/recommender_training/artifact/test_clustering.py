"""The design effect of sessions that share users."""

from __future__ import annotations

import numpy as np
import pytest

from recommender_training.statistics.design_effect import design_effect


def test_independent_sessions_have_no_design_effect() -> None:
    random = np.random.default_rng(3)
    effect = design_effect(np.arange(4000), random.integers(0, 5, 4000))
    assert effect == pytest.approx(1.0, abs=0.1)


def test_identical_sessions_of_a_user_count_once() -> None:
    random = np.random.default_rng(3)
    values = random.integers(0, 5, 800)
    effect = design_effect(np.repeat(np.arange(800), 6), np.repeat(values, 6))
    assert effect == pytest.approx(6.0, rel=0.1)


def test_a_feature_of_one_bin_has_no_design_effect() -> None:
    assert design_effect(np.array([1, 1, 2]), np.array([4, 4, 4])) == 1.0
    assert design_effect(np.array([], dtype=np.int64), np.array([], dtype=np.int64)) == 1.0
