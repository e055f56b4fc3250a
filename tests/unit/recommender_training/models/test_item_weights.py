"""Retrieval weights are what their definitions say, and sessions weigh events as they should."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from recommender_training.data.dataset import Dataset, Events
from recommender_training.export.request import retrieve
from recommender_training.features import graph
from recommender_training.models import item_transitions, item_weights
from recommender_training.models.ease import liked_together

ITEMS = 12


def some_events(count: int = 150, seed: int = 2) -> Events:
    random = np.random.default_rng(seed)
    user, item = random.integers(0, 9, count), random.integers(0, ITEMS, count)
    value = random.integers(1, 6, count).astype(np.float32)
    time = np.sort(random.integers(0, 60, count)) * 43_200
    order = np.lexsort((item, user, time))
    return Events(user[order], item[order], value[order], time[order])


def test_ease_is_the_best_linear_model_without_a_diagonal() -> None:
    """Each column solves its ridge regression on the other items."""
    events = some_events()
    weights = liked_together(events, ITEMS, penalty=3.0)
    liked = np.zeros((9, ITEMS))
    liked[events.user[events.label], events.item[events.label]] = 1
    for item in (0, 5, 11):
        others = np.arange(ITEMS) != item
        basis = liked[:, others]
        gram = basis.T @ basis + 3.0 * np.eye(ITEMS - 1)
        expected = np.linalg.solve(gram, basis.T @ liked[:, item])
        np.testing.assert_allclose(weights[others, item], expected, atol=1e-5)
        assert weights[item, item] == 0


def test_following_is_that_of_a_plain_loop() -> None:
    events = some_events()
    total = np.zeros((ITEMS, ITEMS))
    newest = events.time[-1]
    for user in range(9):
        rows = np.flatnonzero(events.user == user)
        for place, late in enumerate(rows):
            for lag, early in enumerate(rows[:place][::-1][: item_transitions.LAGS], start=1):
                age = (newest - events.time[late]) / 86_400 / item_transitions.TRANSITION_DAYS
                weight = math.exp(-lag / item_transitions.LAG_SCALE - age)
                total[events.item[early], events.item[late]] += weight
                if events.time[early] == events.time[late]:
                    total[events.item[late], events.item[early]] += weight
    popularity = np.bincount(events.item, minlength=ITEMS) + item_transitions.ADDED_EVENTS
    expected = total / popularity[:, None] ** item_transitions.EARLIER_POWER
    expected = expected / popularity[None, :] ** item_transitions.LATER_POWER
    np.testing.assert_allclose(item_weights.transition_weights(events, ITEMS), expected, rtol=1e-4)


def test_what_comes_after_counts_and_not_what_came_before() -> None:
    """One user takes 3 after 1, a week apart."""
    events = Events(
        np.zeros(2, dtype=np.int64),
        np.array([1, 3]),
        np.array([2.0, 2.0], dtype=np.float32),
        np.array([0, 7 * 86_400]),
    )
    weights = item_weights.transition_weights(events, ITEMS)
    assert weights[1, 3] > 0
    assert np.count_nonzero(weights) == 1


def test_only_known_events_make_the_weights(data: Dataset) -> None:
    known = np.arange(len(data.events)) < 2000
    past = Dataset(data.events.take(known), data.users, data.items)
    assert np.array_equal(
        item_weights.fit(data, known), item_weights.fit(past, np.ones(2000, dtype=np.bool_))
    )


def test_no_events_are_no_weights(data: Dataset) -> None:
    assert not item_weights.fit(data, np.zeros(len(data.events), dtype=np.bool_)).any()


def test_newer_and_liked_events_weigh_more_and_padding_nothing() -> None:
    present = torch.tensor([[False, True, True, True, False]])  # the last one is not yet past
    values = torch.tensor([[5.0, 4.0, 1.0, 0.0, 5.0]])
    weights = graph.event_weights(present, values)[0].tolist()
    step = math.exp(-1 / 8)
    assert weights == pytest.approx([0.0, 2 * step**2, step, 1.0, 0.0])


def test_a_session_is_the_weighted_sum_of_its_known_items() -> None:
    weights = torch.arange(16.0).reshape(4, 4)
    rows, present = torch.tensor([[2, -1, 0]]), torch.ones(1, 3, dtype=torch.bool)
    found = retrieve(weights, rows, present, torch.tensor([[1.0, 5.0, 4.0]]))
    expected = math.exp(-2 / 8) * weights[2] + 2 * weights[0]
    torch.testing.assert_close(found[0], expected)
