"""Which items are new, and which of them are candidates of a request."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.resource.hyperparameters import (
    LEAST_CANDIDATES,
    MOST_CANDIDATES,
    ItemWeights,
)
from recommender_training.common.arrays import Bools, Doubles, Floats, Ints
from recommender_training.config import lists
from recommender_training.config.lists import ListPlan
from recommender_training.fitted import new_items
from recommender_training.fitted.new_items import NewItems, compared
from recommender_training.fitted.retrieval import RetrievalModels
from recommender_training.models.two_tower import TwoTower
from tests import small_data

SINCE, UNTIL = 10.0, 100.0
ITEMS, KEPT = 9, 4
PLAN = ListPlan(None, 8, for_new=KEPT)
DATA = small_data.build(
    [(1, 10 + item, 5.0, 100 + item) for item in range(ITEMS)],
    [{"id": 1}],
    [{"id": 10 + item} for item in range(ITEMS)],
)


class Towers(torch.nn.Module):
    """The towers of items with these vectors [I + 1, D], which are as popular as one another."""

    def __init__(self, vectors: torch.Tensor) -> None:
        super().__init__()
        self.vectors, self.bias, self.log_share = vectors, torch.zeros(ITEMS), torch.zeros(ITEMS)

    def item_vectors(self, _time: int) -> torch.Tensor:
        return self.vectors


def sources(vectors: torch.Tensor | None = None) -> RetrievalModels:
    vectors = torch.eye(ITEMS + 1) if vectors is None else vectors
    return RetrievalModels(PLAN, cast(TwoTower, Towers(vectors)))


def events(new: int) -> Ints:
    """[I] events of each item, so many of which have none."""
    return np.repeat([0, 7], [new, ITEMS - new])


def largest(lift: Floats | Doubles, count: int) -> Bools:
    """[N] which are the `count` largest; any of equal ones."""
    return np.isin(np.arange(len(lift)), np.argsort(-lift)[:count])


def of(rows: int, kept: int) -> NewItems:
    return NewItems(np.arange(rows) * 2, kept, np.zeros(rows, dtype=np.float32))


@given(counts=st.lists(st.integers(0, 2), max_size=40), most=st.integers(1, 40))
def test_items_without_an_event_are_new_and_no_more_than_a_request_can_compare(
    counts: list[int], most: int
) -> None:
    none = [row for row, count in enumerate(counts) if count == 0]
    times = np.zeros((len(counts), 0))
    found = compared(np.array(counts, dtype=np.int64), times, SINCE, UNTIL, most)
    assert found.tolist() == none[:most]


def test_of_too_many_the_newest_are_compared_and_an_item_of_unknown_time_comes_last() -> None:
    times = np.array([[11.0, np.nan], [15.0, 12.0], [np.nan, np.nan], [13.0, 19.0], [99.0, 99.0]])
    counts = np.array([0, 0, 0, 0, 1])
    assert compared(counts, times, SINCE, UNTIL, 2).tolist() == [1, 3]
    assert compared(counts, times, SINCE, UNTIL, 3).tolist() == [0, 1, 3]
    assert compared(counts, times, SINCE, UNTIL, 4).tolist() == [0, 1, 2, 3]


def test_an_item_that_is_older_than_the_data_is_not_new() -> None:
    created = np.array([[9.0], [10.0], [np.nan]])
    assert compared(np.zeros(3, dtype=np.int64), created, SINCE, UNTIL).tolist() == [1, 2]


def test_a_time_after_the_data_tells_nothing_of_an_age() -> None:
    created_and_offered_until = np.array([[50.0, 900.0], [60.0, 101.0], [np.nan, 999.0], [9, 999]])
    counts = np.zeros(4, dtype=np.int64)
    assert compared(counts, created_and_offered_until, SINCE, UNTIL, 1).tolist() == [1]
    assert compared(counts, created_and_offered_until, SINCE, UNTIL).tolist() == [0, 1, 2]


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
    best = largest(values, found.kept)
    allowed = np.isfinite(values)
    assert not (surely & ~best).any()
    assert not (best & allowed & ~perhaps).any()
    assert not (perhaps & ~allowed).any()
    moved = values + np.where(best, -slack, slack) * 0.49
    again = largest(moved, found.kept)
    assert not (surely & ~again).any()
    assert not (again & allowed & ~perhaps).any()


def test_new_items_have_the_places_that_are_kept_for_them_or_as_many_as_there_are() -> None:
    assert new_items.new_items_of(sources(), events(6), DATA).facts == {
        "newItems": 6,
        "newItemCandidates": KEPT,
    }
    assert new_items.new_items_of(sources(), events(3), DATA).facts == {
        "newItems": 3,
        "newItemCandidates": 3,
    }
    assert new_items.new_items_of(sources(), events(0), DATA).facts == {}


def test_none_are_kept_where_every_item_is_scored_or_nothing_tells_them_apart() -> None:
    every = replace(sources(), plan=ListPlan())
    without_towers = replace(sources(), towers=None)
    assert new_items.new_items_of(every, events(6), DATA).facts == {}
    assert new_items.new_items_of(without_towers, events(6), DATA).facts == {}


def test_of_items_that_are_alike_to_the_towers_none_is_chosen_by_its_place() -> None:
    same = torch.ones(ITEMS + 1, 2)
    assert new_items.new_items_of(sources(same), events(6), DATA).facts == {}
    assert new_items.new_items_of(sources(same), events(KEPT), DATA).kept == KEPT, (
        "all are candidates"
    )
    same[3] += 0.01
    assert new_items.new_items_of(sources(same), events(6), DATA).kept == KEPT


@given(candidates=st.integers(LEAST_CANDIDATES, MOST_CANDIDATES))
def test_a_fifth_of_the_candidates_of_a_large_catalogue_are_kept(candidates: int) -> None:
    assert lists.plan(1_000_000, ItemWeights.AUTO, candidates).for_new == candidates // 5
    assert lists.plan(candidates, ItemWeights.AUTO, candidates).for_new == 0
    assert lists.plan(lists.ALL_ITEMS, ItemWeights.AUTO, None).for_new == 0
