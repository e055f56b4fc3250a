"""Each peer scores as its definition says, by hand and against slow counts."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from recommender_training.data.dataset import Events
from recommender_training.evaluation.peers import liked_together
from recommender_training.evaluation.peers.liked_together import Ease, item_knn
from recommender_training.evaluation.peers.markov_chain import MarkovChain
from recommender_training.evaluation.peers.recent_popularity import AGES, RecentPopularity

ITEMS = 5
LIKED, DISLIKED = 5.0, 1.0
#: (user, item, positive, seconds to the event before)
ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, ITEMS - 1), st.booleans(), st.integers(0, 50_000)),
    max_size=30,
)


def events_of(rows: list[tuple[int, int, bool, int]]) -> Events:
    user, item, positive, step = (np.array(column) for column in zip(*rows, strict=True))
    value = np.where(positive, LIKED, DISLIKED).astype(np.float32)
    return Events(user.astype(np.int64), item.astype(np.int64), value, np.cumsum(step))


def acts(*chains: str) -> Events:
    """One user for each text, whose letters are items, all liked."""
    rows = [(user, ord(letter) - ord("a"), True, 1)
            for user, chain in enumerate(chains) for letter in chain]  # fmt: skip
    return events_of(rows)


def test_a_chain_counts_what_came_next_and_shares_the_rest_by_the_lower_order() -> None:
    """After a: b twice, c once, so N = 3 and T = 2; after (c, a): b once, N = T = 1."""
    chain = MarkovChain.of(acts("cab", "ab", "ac"), ITEMS)
    share = np.array([4, 3, 3, 1, 1]) / 12
    np.testing.assert_allclose(chain.share, share)
    first, second = chain.scores(np.array([0]), np.array([2]))
    after_a = (np.array([0, 2, 1, 0, 0]) + 2 * share) / 5
    np.testing.assert_allclose(first[0], after_a)
    np.testing.assert_allclose(second[0], (np.array([0, 1, 0, 0, 0]) + after_a) / 2)


def test_an_unknown_state_falls_back_to_the_order_below() -> None:
    chain = MarkovChain.of(acts("ab", "abc"), ITEMS)
    never, alone = chain.scores(np.array([4, 1]), np.array([-1, 3]))[1]
    np.testing.assert_allclose(never, chain.share)
    np.testing.assert_allclose(alone, chain.scores(np.array([1]), np.array([-1]))[0][0])
    no_session = chain.scores(np.array([-1]), np.array([-1]))
    np.testing.assert_allclose(no_session[1][0], chain.share)


@given(rows=ROWS.filter(bool), newest=st.integers(-1, ITEMS - 1), before=st.integers(-1, 4))
def test_a_chain_gives_probabilities_and_never_counts_a_transition_to_a_disliked_item(
    rows: list[tuple[int, int, bool, int]], newest: int, before: int
) -> None:
    events = events_of(rows)
    chain = MarkovChain.of(events, ITEMS)
    before = before if newest >= 0 else -1
    for scores in chain.scores(np.array([newest]), np.array([before])):
        assert scores.min() > 0
        assert scores.sum() == pytest.approx(1)
    slow = np.zeros((ITEMS, ITEMS))
    for user in range(4):
        own = [row for row in rows if row[0] == user]
        for one, other in itertools.pairwise(own):
            slow[one[1], other[1]] += other[2]
    np.testing.assert_array_equal(chain.first.toarray(), slow)


@given(rows=ROWS.filter(bool), steps=st.lists(st.integers(0, 200_000), min_size=1, max_size=8))
def test_recent_popularity_counts_the_positives_strictly_before_each_request(
    rows: list[tuple[int, int, bool, int]], steps: list[int]
) -> None:
    events = events_of(rows)
    standing = np.arange(ITEMS) / ITEMS
    recent = RecentPopularity(events, standing)
    for now in np.cumsum(steps):
        found = recent.scores(int(now))
        assert found.keys() == AGES.keys()
        order: list[tuple[float, ...]] = []
        for item in range(ITEMS):
            inside = [
                (events.item == item) & events.positive & (events.time < now)
                & (events.time >= now - seconds)
                for seconds in AGES.values()
            ]  # fmt: skip
            order.append((*(int(each.sum()) for each in inside), standing[item]))
        expected = sorted(range(ITEMS), key=lambda item: order[item])
        assert np.argsort(found["popularityHour"]).tolist() == expected


def test_neighbours_have_the_shrunk_cosine_of_the_users_who_like_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    events = acts("ab", "ab", "b", "bc")
    wanted = np.array([0, 1])
    knn = item_knn(events, ITEMS, wanted)
    norm = np.sqrt([2, 4, 1])
    assert knn.weights[0, 1] == pytest.approx(2 / (norm[0] * norm[1] + liked_together.SHRINK))
    assert knn.weights[1, 2] == pytest.approx(1 / (norm[1] * norm[2] + liked_together.SHRINK))
    assert knn.weights[2].nnz == 0, "it was not asked for"
    assert knn.weights.diagonal().sum() == 0
    session = sp.csr_matrix(np.array([[1.0, 1.0, 0, 0, 0]]))
    expected = (knn.weights[0] + knn.weights[1]).toarray()
    np.testing.assert_allclose(knn.scores(session), expected)
    monkeypatch.setattr(liked_together, "NEIGHBOURS", 1)
    monkeypatch.setattr(liked_together, "_BLOCK", 1)
    nearest = item_knn(events, ITEMS, wanted).weights
    assert np.diff(nearest.indptr).tolist() == [1, 1, 0, 0, 0]
    assert nearest[1, 0] == knn.weights[1, 0]


def test_ease_solves_the_ridge_regression_of_each_item_on_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(liked_together, "PENALTY", 2.0)
    events = acts("ab", "ab", "b", "bc")
    ease = Ease.of(events, ITEMS)
    assert ease.head.tolist() == [0, 1, 2]
    liked = np.array([[1, 1, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1]], dtype=float)
    for item in range(3):
        others = [other for other in range(3) if other != item]
        x = liked[:, others]
        weights = np.linalg.solve(x.T @ x + 2 * np.eye(2), x.T @ liked[:, item])
        np.testing.assert_allclose(ease.weights[others, item], weights, rtol=1e-5)
    scores = ease.scores(sp.csr_matrix(np.array([[0, 1.0, 0, 0, 0]])))[0]
    np.testing.assert_allclose(scores, [*ease.weights[1], 0, 0], rtol=1e-6)


def test_ease_knows_the_items_of_its_head_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liked_together, "HEAD_ITEMS", 2)
    ease = Ease.of(acts("ab", "ab", "b", "bc"), ITEMS)
    assert ease.head.tolist() == [0, 1]
    assert ease.scores(sp.csr_matrix(np.eye(ITEMS)))[:, 2:].sum() == 0
    nobody = acts("ab").take(np.zeros(0, dtype=np.int64))
    assert Ease.of(nobody, ITEMS).scores(sp.csr_matrix(np.eye(ITEMS))).sum() == 0
