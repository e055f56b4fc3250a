"""Which items are new, and which of them are candidates of a request."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_training.config import lists
from recommender_training.config.lists import ItemWeights, ListPlan
from recommender_training.fitted import new_items
from recommender_training.fitted.new_items import NewItems, compared
from recommender_training.fitted.retrieval import RetrievalModels

NO_TIMES = np.zeros((0, 0))


def of(rows: int, kept: int) -> NewItems:
    return NewItems(np.arange(rows) * 2, kept, np.zeros(rows, dtype=np.float32))


@given(events=st.lists(st.integers(0, 2), max_size=40), most=st.integers(1, 40))
def test_items_without_an_event_are_new_and_no_more_than_a_request_can_compare(
    events: list[int], most: int
) -> None:
    none = [row for row, count in enumerate(events) if count == 0]
    found = compared(np.array(events, dtype=np.int64), np.zeros((len(events), 0)), most)
    assert found.tolist() == none[:most]


def test_of_too_many_the_newest_are_compared_and_an_item_of_unknown_time_comes_last() -> None:
    times = np.array([[1.0, np.nan], [5.0, 2.0], [np.nan, np.nan], [3.0, 9.0], [99.0, 99.0]])
    events = np.array([0, 0, 0, 0, 1])
    assert compared(events, times, 2).tolist() == [1, 3]
    assert compared(events, times, 3).tolist() == [0, 1, 3]
    assert compared(events, times, 4).tolist() == [0, 1, 2, 3]


@given(
    lift=st.lists(st.integers(-4, 4) | st.just(-np.inf), min_size=2, max_size=20),
    share=st.floats(0, 1),
    slack=st.sampled_from([0.0, 0.5, 1.5]),
)
def test_what_is_surely_kept_is_kept_and_what_is_kept_may_be(
    lift: list[float], share: float, slack: float
) -> None:
    found = of(len(lift), max(1, int(share * len(lift))))
    values = np.array(lift, dtype=np.float32)
    surely, perhaps = found.best_within(values, slack)
    best = np.isin(found.rows, found.best(values[None])[0])
    allowed = np.isfinite(values)
    assert not (surely & ~best).any()
    assert not (best & allowed & ~perhaps).any()
    assert not (perhaps & ~allowed).any()
    moved = values + np.where(best, -slack, slack) * 0.49
    again = np.isin(found.rows, found.best(moved.astype(np.float32)[None])[0])
    assert not (surely & ~again).any()
    assert not (again & allowed & ~perhaps).any()


@pytest.mark.parametrize("plan", [ListPlan(), ListPlan(None, 100, for_new=4)])
def test_none_are_kept_where_every_item_is_scored_or_nothing_tells_them_apart(
    plan: ListPlan,
) -> None:
    found = new_items.of(RetrievalModels(plan), np.zeros(5, dtype=np.int64), NO_TIMES)
    assert (len(found.rows), found.kept, found.facts) == (0, 0, {})


@given(candidates=st.integers(lists.LEAST_CANDIDATES, lists.MOST_CANDIDATES))
def test_a_fifth_of_the_candidates_of_a_large_catalogue_are_kept(candidates: int) -> None:
    assert lists.plan(1_000_000, ItemWeights.AUTO, candidates).for_new == candidates // 5
    assert lists.plan(candidates, ItemWeights.AUTO, candidates).for_new == 0
    assert lists.plan(lists.ALL_ITEMS, ItemWeights.AUTO, None).for_new == 0
