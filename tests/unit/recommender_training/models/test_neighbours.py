"""Sparse item-to-item weights are the largest of the dense ones, whatever the blocks."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from recommender_training.data.dataset import Dataset, Events
from recommender_training.models import item_weights, neighbours
from recommender_training.models.ease import liked_together
from tests.unit.recommender_training.models.test_item_weights import ITEMS, some_events


def dense(events: Events, count: int) -> np.ndarray:
    """[I, I] float64 weights of `item_weights`, scaled by the rows that have any."""

    def scaled(weights: np.ndarray) -> np.ndarray:
        rows = max(1, int((weights != 0).any(1).sum()))
        size = np.sqrt((weights**2).sum() / rows)
        return weights / size if size > 0 else weights

    liked = scaled(liked_together(events, count).astype(np.float64))
    after = scaled(item_weights.transition_weights(events, count).astype(np.float64))
    return liked + item_weights.TRANSITION_WEIGHT * after


def test_with_room_for_all_they_are_the_dense_ones() -> None:
    events = some_events()
    found = neighbours.fit(events, ITEMS, item_weights.TRANSITION_WEIGHT)
    expected = dense(events, ITEMS)
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-4, atol=1e-6)


def test_blocks_of_items_change_nothing(monkeypatch: pytest.MonkeyPatch, data: Dataset) -> None:
    whole = neighbours.fit(data.events, data.items.count, 0.6)
    monkeypatch.setattr(neighbours, "HEAD_ITEMS", 10)
    parted = neighbours.fit(data.events, data.items.count, 0.6)
    monkeypatch.setattr(neighbours, "_BLOCK_PAIRS", 20_000)
    blocks = list(neighbours._blocks(data.events, data.items.count))
    assert len(blocks) > 3
    assert (np.sum(blocks, axis=0) == 1).all()
    again = neighbours.fit(data.events, data.items.count, 0.6)
    np.testing.assert_allclose(again.toarray(), parted.toarray(), rtol=1e-5)
    assert np.abs(whole - parted).max() > 0.01, "a smaller head changes the weights"


def test_a_pair_beyond_the_head_has_the_cosine_of_its_users() -> None:
    """Users 0 and 1 like items 0 and 1, user 2 item 1 alone, user 3 both of the head."""
    user = np.array([0, 0, 1, 1, 2, 3, 3])
    item = np.array([0, 1, 0, 1, 1, 2, 3])
    values = np.full(7, 5.0, dtype=np.float32)
    events = Events(user, item, values, np.arange(7) * 100)
    head = np.array([2, 3])
    liked = neighbours.liked_by_users(events, 4)
    near = neighbours._cosine(liked, np.ones(4, dtype=np.bool_), head).toarray()
    assert near[0, 1] == near[1, 0] == pytest.approx(2 / np.sqrt(2 * 3))
    assert np.count_nonzero(near) == 2, "the pair of the head has EASE's weight"


def test_few_of_the_newest_positive_events_of_a_user_are_paired(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(neighbours, "MAX_LIKED", 2)
    events = Events(
        np.zeros(4, dtype=np.int64),
        np.array([0, 1, 2, 3]),
        np.array([5.0, 5.0, 5.0, 1.0], dtype=np.float32),
        np.arange(4),
    )
    assert neighbours.liked_by_users(events, 4).toarray().tolist() == [[0.0, 1.0, 1.0, 0.0]]


def test_no_event_is_no_neighbour() -> None:
    none = some_events().take(np.zeros(0, dtype=np.int64))
    found = neighbours.fit(none, ITEMS, 0.6)
    assert found.nnz == 0
    places, weights = neighbours.table(found)
    assert places.shape == weights.shape == (ITEMS, 1)
    assert not places.any()


@given(seed=st.integers(0, 10_000), most=st.integers(1, 6))
def test_each_row_keeps_its_largest_weights(seed: int, most: int) -> None:
    random = np.random.default_rng(seed)
    weights = random.integers(-5, 6, (8, 9)).astype(np.float64)
    kept = neighbours.largest(sp.csr_matrix(weights), most).toarray()
    for row, left in zip(weights, kept, strict=True):
        stored = np.flatnonzero(row)
        best = stored[np.argsort(-row[stored], kind="stable")][:most]
        expected = np.zeros(9)
        expected[best] = row[best]
        assert left.tolist() == expected.tolist()


@given(seed=st.integers(0, 10_000))
def test_the_table_of_the_graph_holds_every_weight_at_its_place(seed: int) -> None:
    random = np.random.default_rng(seed)
    weights = sp.random(6, 6, density=0.3, random_state=random, format="csr", dtype=np.float32)
    places, values = neighbours.table(weights)
    back = np.zeros((6, 7), dtype=np.float32)
    np.put_along_axis(back, np.where(places == 0, 0, places), 0, axis=1)
    for row in range(6):
        np.add.at(back[row], places[row], values[row])
    assert np.array_equal(back[:, 1:], weights.toarray())
    assert not back[:, 0].any()


@given(count=st.integers(1, 5_000_000))
def test_all_neighbours_together_stay_bounded(count: int) -> None:
    most = neighbours.most_neighbours(count)
    assert neighbours.LEAST_NEIGHBOURS <= most <= neighbours.MOST_NEIGHBOURS
    least = neighbours.LEAST_NEIGHBOURS * count
    assert most * count <= max(neighbours.ALL_NEIGHBOURS, least)
