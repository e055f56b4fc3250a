"""The peers are what their papers say, on cases small enough to compute by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tests.worlds.peers import ease, item_knn, markov, own, popularity
from tests.worlds.peers.known import Known, matrix, weighted
from tests.worlds.world import DAY, HOUR, Ints, Log


def log(*events: tuple[int, int, int], viewed: tuple[int, ...] = ()) -> Log:
    """Events (user, item, time), of which those at `viewed` are not positive."""
    user, item, time = (np.array(each, np.int64) for each in zip(*events, strict=True))
    positive = np.ones(len(events), np.bool_)
    positive[list(viewed)] = False
    return Log(user, item, time, np.ones(len(events), np.bool_), positive)


def known(past: Log, *items: int, time: int = 10 * DAY) -> Known:
    found: Ints = np.array(items, np.int64)
    return Known(time, found, past)


@pytest.mark.parametrize(
    ("window", "counts"),
    [("hour", [0, 0, 1]), ("day", [0, 1, 1]), ("week", [1, 1, 1]), ("all", [3, 1, 1])],
)
def test_popularity_counts_the_events_of_its_window(window: str, counts: list[int]) -> None:
    now = 10 * DAY
    past = log(
        (0, 0, 0), (1, 0, DAY), (0, 0, now - 3 * DAY), (0, 1, now - 5 * HOUR), (0, 2, now - 60)
    )
    scores = popularity.PEERS[f"popular-{window}"].fit(past, 3, (False,))
    assert scores(known(past)).tolist() == counts


def test_popularity_counts_purchases_alone_if_its_setting_says_so() -> None:
    past = log((0, 0, 0), (0, 0, 1), (0, 1, 2), viewed=(0, 1))
    fit = popularity.PEERS["popular-all"].fit
    assert fit(past, 2, (False,))(known(past)).tolist() == [2, 1]
    assert fit(past, 2, (True,))(known(past)).tolist() == [0, 1]


def test_a_chain_of_the_first_order_mixes_transitions_with_shares() -> None:
    # Item 0 was followed by 1 twice and by 2 once; of 5 events, the shares are 2, 2, 1 fifths.
    past = log((0, 0, 0), (0, 1, 1), (0, 0, 2), (0, 2, 3), (1, 1, 0))
    scores = markov.PEERS["markov-1"].fit(past, 3, (1.0, False))
    expected = (2 * np.array([0, 0.5, 0.5]) + np.array([0.4, 0.4, 0.2])) / 3
    np.testing.assert_allclose(scores(known(past, 2, 0)), expected)
    # Item 2 was followed by none: the shares alone.
    np.testing.assert_allclose(scores(known(past, 0, 2)), [0.4, 0.4, 0.2])


def test_a_chain_of_the_second_order_reads_two_items_and_backs_off() -> None:
    past = log((0, 0, 0), (0, 1, 1), (0, 2, 2), (1, 3, 0), (1, 1, 1), (1, 0, 2))
    first = markov.PEERS["markov-1"].fit(past, 4, (1.0, False))
    second = markov.PEERS["markov-2"].fit(past, 4, (1.0, False))
    after = second(known(past, 0, 1))
    assert after.argmax() == 2
    assert second(known(past, 3, 1)).argmax() == 0
    np.testing.assert_allclose(after, (np.eye(4)[2] + first(known(past, 0, 1))) / 2)
    # A pair that never occurred: the last item alone.
    np.testing.assert_allclose(second(known(past, 2, 1)), first(known(past, 2, 1)))
    assert second(known(past)).sum() == pytest.approx(1)


def test_item_knn_sums_shrunk_cosines() -> None:
    # Users 0 and 1 have items 0 and 1, user 2 has 1 and 2.
    past = log((0, 0, 0), (0, 1, 1), (1, 0, 0), (1, 1, 1), (2, 1, 0), (2, 2, 1))
    near = item_knn.cosines(matrix(past, 3, False), 3, 0.5)
    assert near[0, 1] == pytest.approx(2 / (6**0.5 + 0.5))
    assert near[1, 2] == pytest.approx(1 / (3**0.5 + 0.5))
    assert not np.diag(near).any()
    assert np.count_nonzero(item_knn.cosines(matrix(past, 3, False), 1, 0.5)[1]) == 1
    scores = item_knn.PEERS["item-knn"].fit(past, 3, (3, 0.5, 1e9, False))
    np.testing.assert_allclose(scores(known(past, 1)), near[1])


def test_ease_solves_the_regression_of_each_item_on_the_others() -> None:
    past = log((0, 0, 0), (0, 1, 1), (1, 0, 0), (1, 1, 1), (2, 1, 0), (2, 2, 1), (3, 2, 0))
    liked, penalty = matrix(past, 3, False), 0.7
    solved, dense = ease.weights(liked, penalty), liked.toarray()
    for item in range(3):
        others = np.arange(3) != item
        gram = dense[:, others].T @ dense[:, others] + penalty * np.eye(2)
        expected = np.linalg.solve(gram, dense[:, others].T @ dense[:, item])
        np.testing.assert_allclose(solved[others, item], expected)
    assert not np.diag(solved).any()
    scores = ease.PEERS["ease"].fit(past, 3, (penalty, 1e9, False))
    np.testing.assert_allclose(scores(known(past, 0)), solved[0])


def test_recent_items_of_a_user_count_more() -> None:
    past = log((0, 0, 0))
    assert weighted(known(past, 0, 1, 0, 2), 4, 1.0).tolist() == [0.5, 0.25, 1, 0]
    scores = own.PEERS["own"].fit(past, 3, (1.0,))
    assert scores(known(past, 0, 1, 0)).tolist() == [1.25, 0.5, 0]


def test_an_item_taken_twice_is_one_in_the_matrix() -> None:
    past = log((0, 0, 0), (0, 0, 1), (1, 1, 2), viewed=(2,))
    assert matrix(past, 2, False).toarray().tolist() == [[1, 0], [0, 1]]
    assert matrix(past, 2, True).toarray().tolist() == [[1, 0], [0, 0]]
