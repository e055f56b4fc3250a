"""Counts of late are those that the online store keeps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.online_store import HALF_LIFE, RANKED_TRENDS, decayed, worth
from recommender_training.features.graph import trend_scores
from recommender_training.models.trends import Trends

NOW = 1_700_000_000
HOUR = 3600
EVENTS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(-72 * HOUR, 2 * HOUR)), min_size=1, max_size=30
)


def trends(events: list[tuple[int, int]], items: int = 4) -> Trends:
    ordered = sorted(events, key=lambda each: each[1])
    item = np.array([item for item, _ in ordered], dtype=np.int64)
    return Trends(item, NOW + np.array([at for _, at in ordered], dtype=np.int64), items)


@given(events=EVENTS, times=st.lists(st.integers(-HOUR, 3 * HOUR), min_size=1, max_size=5))
def test_a_count_is_that_of_the_store_whatever_the_order_of_requests(
    events: list[tuple[int, int]], times: list[int]
) -> None:
    found = trends(events).counts(NOW + np.array(times))
    for row, time in enumerate(times):
        for item in range(4):
            worths = [2.0 ** (at / HALF_LIFE) for of, at in events if of == item and at < time]
            score = np.log2(sum(worths)) + worth(NOW) if worths else -np.inf
            assert found[row, item] == pytest.approx(decayed(score, NOW + time), rel=1e-4)


def test_an_event_counts_after_its_second_and_half_after_six_hours() -> None:
    found = trends([(0, 0)]).counts(NOW + np.array([0, 1, HALF_LIFE]))
    np.testing.assert_allclose(found[:, 0], [0.0, 1.0, 0.5], rtol=1e-3)


def test_only_the_items_with_most_events_count() -> None:
    items = RANKED_TRENDS + 10
    events = [(item, -1) for item in range(items) for _ in range(1 + (item >= 10))]
    found = trends(events, items).counts(np.array([NOW]))[0]
    assert np.flatnonzero(found).tolist() == list(range(10, items))


def test_without_a_request_or_an_event_there_is_nothing_to_count() -> None:
    assert trends([(0, 0)]).counts(np.zeros(0, dtype=np.int64)).shape == (0, 4)
    none = Trends(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), 4)
    assert not none.counts(np.array([NOW])).any()


@given(counts=st.lists(st.floats(0, 1e4), min_size=3, max_size=3))
def test_with_log_popularity_it_is_the_log_of_the_smoothed_share_of_late(
    counts: list[float],
) -> None:
    shares = torch.tensor([[0.5, 0.3, 0.2]])
    added = trend_scores(torch.tensor([counts]), shares)
    seen = max(1.0, sum(min(1.0, count) for count in counts))
    wanted = [c + seen * q for c, q in zip(counts, shares[0].tolist(), strict=True)]
    found = torch.softmax(torch.log(shares) + added, 1)[0].tolist()
    assert found == pytest.approx([each / sum(wanted) for each in wanted], rel=1e-3)


def test_a_trace_of_an_event_changes_next_to_nothing() -> None:
    added = trend_scores(torch.tensor([[1e-6, 0.0]]), torch.tensor([[0.01, 0.99]]))
    assert float(added.max()) < 1e-3
