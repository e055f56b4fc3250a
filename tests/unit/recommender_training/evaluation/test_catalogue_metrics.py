"""Coverage, novelty, popularity bias and exposure are what their definitions say."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.resource.mitigation import POPULARITY
from recommender_training.evaluation import catalogue_metrics, predictions, ranking_metrics
from recommender_training.features import item_groups
from recommender_training.features.event_history import ItemCounts
from recommender_training.features.prepared_data import PreparedData
from recommender_training.statistics import model_metrics

Lists = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


@st.composite
def lists(draw: st.DrawFn) -> Lists:
    """Lists of items [R, K] without repeats, and the events of each item [I]."""
    count = draw(st.integers(1, 30))
    depth = draw(st.integers(1, min(10, count)))
    order = st.permutations(range(count))
    rows = draw(st.lists(order, min_size=1, max_size=8))
    events = draw(st.lists(st.integers(0, 50), min_size=count, max_size=count))
    return np.array(rows)[:, :depth], np.array(events)


def counts_of(events: npt.NDArray[np.int64]) -> ItemCounts:
    return ItemCounts(events, events // 2, np.full(len(events), events.sum()))


@given(drawn=lists())
def test_beyond_accuracy_is_that_of_the_definitions_written_out(drawn: Lists) -> None:
    top, events = drawn
    seen = catalogue_metrics.beyond_accuracy(top, counts_of(events), 10)
    shown = top.ravel().tolist()
    assert seen["coverageAt10"] == pytest.approx(len(set(shown)) / len(events))
    total = sum(events) + len(events)
    information = [-math.log2((events[item] + 1) / total) for item in shown]
    assert seen["noveltyAt10"] == pytest.approx(sum(information) / len(information))
    others = max(1, len(events) - 1)
    below = [
        (sum(events < events[item]) + 0.5 * (sum(events == events[item]) - 1)) / others
        for item in shown
    ]
    assert seen["popularityRankAt10"] == pytest.approx(sum(below) / len(below))
    exposure: dict[int, float] = defaultdict(float)
    for row in top:
        for rank, item in enumerate(row, start=1):
            exposure[int(item)] += 1 / math.log2(rank + 1)
    spread = np.array([exposure[item] for item in range(len(events))], dtype=np.float64)
    assert seen["exposureGiniAt10"] == pytest.approx(model_metrics.gini(spread))


def test_the_same_list_for_all_is_popular_and_unequal_and_a_spread_one_is_not() -> None:
    events = np.arange(100, 0, -1)
    same = np.tile(np.arange(10), (10, 1))
    spread = np.arange(100).reshape(10, 10)
    narrow, wide = (
        catalogue_metrics.beyond_accuracy(t, counts_of(events), 10) for t in (same, spread)
    )
    assert narrow["coverageAt10"] == pytest.approx(0.1)
    assert wide["coverageAt10"] == 1
    assert narrow["popularityRankAt10"] > 0.9 > 0.6 > wide["popularityRankAt10"]
    assert narrow["noveltyAt10"] < wide["noveltyAt10"]
    assert narrow["exposureGiniAt10"] > 0.9 > wide["exposureGiniAt10"]


def test_without_a_request_there_is_nothing_to_measure() -> None:
    empty = np.zeros((0, 10), dtype=np.int64)
    seen = catalogue_metrics.beyond_accuracy(empty, counts_of(np.arange(20)), 10)
    assert seen == {}


@given(drawn=lists(), seed=st.integers(0, 2**32 - 1))
def test_exposure_and_relevance_of_groups_share_out_every_request(drawn: Lists, seed: int) -> None:
    top, events = drawn
    random = np.random.default_rng(seed)
    membership = random.dirichlet(np.ones(4), size=len(events))
    relevant = random.random((len(top), len(events))) < 0.4
    relevant[:, 0] = True
    exposed = catalogue_metrics.group_exposure(top, membership)
    marks = sp.csr_matrix(relevant.astype(np.float64))
    task = ranking_metrics.RankingTask([], sp.csr_matrix(marks.shape), marks)
    wanted = catalogue_metrics.group_relevance(task, membership)
    assert exposed.sum(1) == pytest.approx(np.ones(len(top)))
    assert wanted.sum(1) == pytest.approx(np.ones(len(top)))
    row, weight = top[0], model_metrics.discounts(top.shape[1])
    by_hand = sum(w * membership[i] for w, i in zip(weight, row, strict=True)) / weight.sum()
    assert exposed[0] == pytest.approx(by_hand)
    assert wanted[0] == pytest.approx(membership[relevant[0]].mean(0))


@given(events=st.lists(st.integers(0, 30), min_size=1, max_size=200))
def test_bands_follow_popularity_and_none_holds_much_more_than_its_part(events: list[int]) -> None:
    counts = counts_of(np.array(events))
    band = item_groups.band_of_items(counts)
    assert ((band >= 0) & (band < item_groups.POPULARITY_BANDS)).all()
    order = np.argsort(-counts.events, kind="stable")
    assert (np.diff(band[order]) >= 0).all()
    part = sum(events) / item_groups.POPULARITY_BANDS
    for index in range(item_groups.POPULARITY_BANDS):
        held = counts.events[band == index].sum()
        assert held <= part + max(events), "an item is never divided between bands"


@pytest.mark.parametrize("by", [POPULARITY, "genre"])
def test_a_window_computes_the_groups_of_its_items_once(prepared: PreparedData, by: str) -> None:
    window = predictions.window(prepared, prepared.split.test)
    assert window.membership(by) is window.membership(by)
    np.testing.assert_allclose(window.membership(by).sum(1), 1)
