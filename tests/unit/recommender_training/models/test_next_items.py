"""What came next adds to the order what a Markov chain of second order knows beyond popularity."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from recommender_training.common.arrays import Ints
from recommender_training.data.dataset import Dataset
from recommender_training.evaluation.peers.markov_chain import MarkovChain
from recommender_training.features import graph
from recommender_training.models import next_items
from tests import small_data
from tests.effort import COSTLY

ITEMS = 6
#: Paths of users: the items of each, with whether they were liked.
Paths = list[list[tuple[int, bool]]]
PATHS = st.lists(
    st.lists(st.tuples(st.integers(0, ITEMS - 1), st.booleans()), max_size=7), max_size=6
)


def of(paths: Paths) -> Dataset:
    events = [
        (user, item, 5.0 if liked else 1.0, 1 + user + 60 * place)
        for user, path in enumerate(paths)
        for place, (item, liked) in enumerate(path)
    ]
    users = [{"id": user} for user in range(max(1, len(paths)))]
    return small_data.build(events, users, [{"id": item} for item in range(ITEMS)])


def liked(text: str) -> list[tuple[int, bool]]:
    return [("abcdef".index(letter), True) for letter in text]


@example(paths=[liked("abc"), liked("abd"), liked("acd"), liked("bae")], newest=1, before=0)
@given(paths=PATHS, newest=st.integers(-1, ITEMS - 1), before=st.integers(-1, ITEMS - 1))
@COSTLY
def test_with_log_popularity_it_is_the_log_of_a_markov_chain(
    paths: Paths, newest: int, before: int
) -> None:
    data = of(paths)
    found, chain = next_items.fit(data, None), MarkovChain.of(data.events.acts, ITEMS)
    state: tuple[Ints, Ints] = np.array([newest]), np.array([before if newest >= 0 else -1])
    first, second = (np.log(each[0]) for each in chain.scores(*state))
    one, two = found.after_one(state[0])[0], found.after_two(*state)[0]
    for expected, added in ((first, one), (second, one + two)):
        apart = expected - np.log(chain.share) - added
        np.testing.assert_allclose(apart, apart[0], atol=1e-5)


def test_items_that_never_followed_add_nothing() -> None:
    found = next_items.fit(of([liked("abc"), liked("abd")]), None)
    after_b = found.after_one(np.array([1]))[0]
    assert set(np.flatnonzero(after_b)) == {2, 3}
    assert set(np.flatnonzero(found.after_two(np.array([1]), np.array([0]))[0])) == {2, 3}
    assert not found.after_two(np.array([0]), np.array([1])).any(), "the other way round"
    assert not found.after_one(np.array([-1])).any()


def test_what_was_not_liked_leads_on_and_is_not_led_to() -> None:
    found = next_items.fit(of([[(0, True), (1, False), (2, True)]]), None)
    assert not found.after_one(np.array([0])).any()
    assert np.flatnonzero(found.after_one(np.array([1]))[0]).tolist() == [2]
    assert np.flatnonzero(found.after_two(np.array([1]), np.array([0]))[0]).tolist() == [2]


def test_events_from_the_time_on_are_not_known() -> None:
    data = of([liked("abc")])
    assert next_items.fit(data, 61).of_one.nnz == 0
    assert next_items.fit(data, 121).of_one.nnz == 1
    assert next_items.fit(data, None).of_one.nnz == 2


def test_a_state_keeps_the_items_that_came_most_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(next_items, "MOST_AFTER", 2)
    paths = [*[liked("ab")] * 3, *[liked("ac")] * 2, liked("ad")]
    found = next_items.fit(of(paths), None)
    assert np.flatnonzero(found.after_one(np.array([0]))[0]).tolist() == [1, 2]


def test_the_newest_events_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(next_items, "MAX_EVENTS", 2)
    found = next_items.fit(of([liked("abc")]), None)
    assert found.of_one.nnz == 1
    assert found.after_one(np.array([1])).any()


@pytest.mark.parametrize(
    ("rows", "present", "newest", "before"),
    [
        ([], [], -1, -1),
        ([4], [True], 4, -1),
        ([3, 4], [True, True], 4, 3),
        ([-1, 3, 4], [False, True, True], 4, 3),
        ([3, 4, 5], [True, True, False], 4, 3),
        ([3, 4, 5], [True, False, True], 5, 3),
        ([3, -1], [True, True], -1, 3),
        ([-1, -1], [False, False], -1, -1),
    ],
)
def test_the_newest_two_events_are_those_before_the_request(
    rows: list[int], present: list[bool], newest: int, before: int
) -> None:
    found = graph.newest_two(
        torch.tensor([rows], dtype=torch.int64), torch.tensor([present], dtype=torch.bool)
    )
    assert [each.tolist() for each in found] == [[newest], [before]]
