import functools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.analysis import sequential

LIMITS = st.floats(0.001, 0.999)


@given(LIMITS, LIMITS, st.integers(1, 300))
def test_the_evidence_is_a_supermartingale_for_every_share_within_the_limit(
    limit: float, part: float, trials: int
) -> None:
    share = limit * part
    # One more trial never raises the expected evidence, from whatever was counted before.
    for hits in {0, trials // 3, trials}:
        now = sequential.log_evidence(hits, trials, limit)
        hit = math.exp(sequential.log_evidence(hits + 1, trials + 1, limit) - now)
        miss = math.exp(sequential.log_evidence(hits, trials + 1, limit) - now)
        assert share * hit + (1 - share) * miss <= 1 + 1e-9


@given(st.integers(1, 3000), LIMITS, st.data())
def test_more_hits_are_never_less_evidence(trials: int, limit: float, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, trials - 1))
    less = sequential.log_evidence(hits, trials, limit)
    assert sequential.log_evidence(hits + 1, trials, limit) >= less


@given(st.integers(1, 3000), LIMITS, st.data())
def test_a_share_within_the_limit_is_never_beyond_it(
    trials: int, limit: float, data: st.DataObject
) -> None:
    hits = data.draw(st.integers(0, math.floor(limit * trials)))
    assert not sequential.above(hits, trials, limit, 0.01)


@given(st.integers(1, 2000), st.data())
def test_the_upper_bound_lies_above_what_was_seen(trials: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, trials))
    bound = sequential.upper_bound(hits, trials, 0.01)
    assert hits / trials <= bound <= 1
    if bound < 1:
        assert sequential.above(trials - hits, trials, 1 - bound, 0.01)
    # And no farther above it than the data require.
    assert not sequential.above(trials - hits, trials, 1 - max(hits / trials, bound - 2e-6), 0.01)


def test_the_ends_mean_what_they_say() -> None:
    assert sequential.log_evidence(1, 10**6, 0.0) == math.inf
    assert sequential.log_evidence(0, 10**6, 0.0) == 0.0
    assert sequential.log_evidence(100, 100, 1.0) == 0.0
    assert sequential.log_evidence(0, 0, 0.3) == pytest.approx(0.0)
    assert sequential.upper_bound(0, 0, 0.01) == pytest.approx(1.0)


@pytest.mark.parametrize("counts", [(-1, 5, 0.1), (6, 5, 0.1), (1, 5, -0.1), (1, 5, math.nan)])
def test_invalid_counts_are_refused(counts: tuple[int, int, float]) -> None:
    with pytest.raises(ValueError, match="invalid share"):
        sequential.log_evidence(*counts)


@pytest.mark.parametrize("limit", [0.01, 0.05, 0.5])
def test_at_the_limit_with_a_look_after_every_ten_requests_it_errs_within_its_level(
    limit: float,
) -> None:
    alpha, runs = 0.05, 400
    rng = np.random.default_rng(20261125)
    hits = rng.binomial(10, limit, size=(runs, 300)).cumsum(axis=1)
    above = functools.cache(sequential.above)  # the runs meet at the same counts again and again
    fired = sum(
        any(above(h, 10 * (i + 1), limit, alpha) for i, h in enumerate(run))
        for run in hits.tolist()
    )
    # 3.5 standard errors above the level; a fixed-size test at the same looks fires 5 times more.
    assert fired / runs <= alpha + 3.5 * math.sqrt(alpha * (1 - alpha) / runs)
    z = (hits - limit * 10 * np.arange(1, 301)) / np.sqrt(
        limit * (1 - limit) * 10 * np.arange(1, 301)
    )
    assert (z[:, 9:] > 1.645).any(axis=1).mean() > 3 * alpha
