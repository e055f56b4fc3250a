"""Weights of a list's sources gain on users that the fit has not seen, or stay as they were."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import approx_fprime
from sklearn.metrics import ndcg_score

from recommender_training.common.arrays import Doubles
from recommender_training.statistics import list_order
from recommender_training.statistics.list_order import ListSources
from tests.effort import COSTLY

REQUESTS, CANDIDATES = 120, 30


def lists_by(weights: Doubles, seed: int, requests: int = REQUESTS) -> ListSources:
    """Sources of noise; the relevant candidate of each request is drawn by their weighted sum."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(len(weights), requests, CANDIDATES)).astype(np.float32)
    chance = np.exp(np.tensordot(weights, values, 1))
    drawn = (random.gumbel(size=chance.shape) + np.log(chance)).argmax(1)
    relevant = np.arange(CANDIDATES) == drawn[:, None]
    names = tuple(f"source{place}" for place in range(len(weights)))
    allowed = np.ones_like(relevant)
    return ListSources(names, values, allowed, relevant, np.ones(requests, dtype=np.int64))


@given(
    seed=st.integers(0, 1_000),
    logs=st.lists(st.floats(-2, 2), min_size=3, max_size=3),
)
@COSTLY
def test_the_gradient_is_that_of_the_loss(seed: int, logs: list[float]) -> None:
    lists, factors = lists_by(np.array([1.0, 2.0, 0.5]), seed, 10), np.exp(logs)
    _, gradient = lists.loss(factors)
    found = approx_fprime(factors, lambda at: lists.loss(at)[0], 1e-5)
    np.testing.assert_allclose(gradient, found, atol=2e-3)


@given(seed=st.integers(0, 1_000))
def test_ndcg_is_that_of_scikit_learn_for_one_relevant_candidate(seed: int) -> None:
    lists, factors = lists_by(np.array([1.0, 2.0]), seed, 5), np.array([1.0, 0.7])
    order = np.tensordot(factors, lists.values, 1)
    expected = [
        ndcg_score(lists.relevant[[row]], order[[row]], k=list_order.TOP) for row in range(5)
    ]
    np.testing.assert_allclose(lists.ndcg(factors), expected)


@given(seed=st.integers(0, 1_000))
def test_what_is_not_allowed_is_never_listed(seed: int) -> None:
    lists = lists_by(np.array([1.0, 2.0]), seed, 5)
    assert not replace(lists, allowed=~lists.relevant).ndcg(np.ones(2)).any()


def test_sources_that_decide_are_found_and_gain_beyond_chance() -> None:
    found = list_order.fit_order(lists_by(np.array([0.5, 2.0, 2.0, 0.0]), 5, 400), 1)
    assert found.chosen_by == "Validation"
    assert found.gain is not None
    assert list_order.beyond_chance(found.gain)
    assert min(found.factors["source1"], found.factors["source2"]) > 3 * found.factors["source3"]
    assert "source0" not in found.factors, "the response counts 1"


def test_starting_weights_that_are_right_stay() -> None:
    found = list_order.fit_order(lists_by(np.array([2.0, 2.0]), 6), 1)
    assert found.chosen_by == "Start"
    assert set(found.factors.values()) == {1.0}


def test_a_blend_worse_than_its_best_source_gives_way_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lists = lists_by(np.array([0.0, 6.0]), 7)
    monkeypatch.setattr(list_order, "least_loss", lambda each: np.ones(len(each.names)))
    found = list_order.fit_order(lists, 1)
    assert found.chosen_by == "BestSource"
    assert found.factors == {"source1": list_order.MOST_FACTOR}
    assert found.alone is not None
    assert found.alone["source1"] == pytest.approx(found.held.ndcg.mean())


@pytest.mark.parametrize("requests", [0, list_order.LEAST_REQUESTS - 1])
def test_few_requests_choose_nothing(requests: int) -> None:
    found = list_order.fit_order(lists_by(np.array([0.0, 6.0]), 8, requests), 1)
    assert (found.chosen_by, found.requests) == ("TooFewRequests", requests)
    assert found.factors == {"source1": 1.0}
    assert found.gain is None


def test_users_of_a_fold_have_no_part_in_its_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    lists, sizes = lists_by(np.array([1.0, 1.0]), 9), list[int]()

    def counted(part: ListSources) -> Doubles:
        if len(part.names) > 1:
            sizes.append(len(part.wanted))
        return np.ones(len(part.names))

    monkeypatch.setattr(list_order, "least_loss", counted)
    list_order.fit_order(lists, 1)
    assert sizes == [REQUESTS * 4 // 5] * 5


def test_two_fits_are_equal() -> None:
    lists = lists_by(np.array([0.3, 3.0]), 10)
    one, other = (list_order.fit_order(lists, 4) for _ in range(2))
    assert one.factors == other.factors


def test_factors_stay_within_their_bounds_whatever_is_relevant() -> None:
    lists = lists_by(np.array([0.0, 50.0, -50.0]), 11)
    found = list_order.relative(list_order.least_loss(lists))
    assert found[0] == 1
    assert (found >= list_order.LEAST_FACTOR).all()
    assert (found <= list_order.MOST_FACTOR).all()


def test_sources_without_one_lack_it_and_its_candidates() -> None:
    lists = lists_by(np.array([1.0, 2.0, 3.0]), 12)
    less = lists.without("source1", lists.relevant)
    assert less.names == ("source0", "source2")
    np.testing.assert_array_equal(less.values, lists.values[[0, 2]])
    assert not (less.allowed & lists.relevant).any()
    assert not less.usable.any()


def test_a_difference_of_nothing_is_no_gain() -> None:
    assert list_order.paired(np.zeros(0), np.zeros(0)) == (0.0, 0.0)
    assert not list_order.beyond_chance((0.0, 0.0))


def test_a_gain_is_seen_with_fewer_requests_than_ndcg_needs() -> None:
    lists = lists_by(np.array([1.0, 1.0, 0.6]), 3, 80)
    found = list_order.fit_order(lists, 1, [["source2"]])
    without = list_order.fit_order(lists.of(["source0", "source1"]), 1)
    assert found.factors["source2"] > 0
    assert not list_order.beyond_chance(list_order.paired(found.held.ndcg, without.held.ndcg))


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_the_sharpness_makes_the_order_a_log_of_chances(scale: float) -> None:
    lists = lists_by(scale * np.array([1.0, 1.0, 2.0]), 14, 400)
    found = list_order.fit_order(lists, 1)
    factors = np.array([1.0, *found.factors.values()])
    assert found.sharpness * factors == pytest.approx(scale * np.array([1, 1, 2]), rel=0.3)
    assert (
        lists.loss(found.sharpness * factors)[0]
        < 1.01 * lists.loss(scale * np.array([1.0, 1.0, 2.0]))[0]
    )


def test_a_lower_loss_with_worse_lists_is_not_better() -> None:
    losses = np.linspace(1.0, 2.0, 60)
    sharper = list_order.HeldOut(np.full(60, 0.4), losses - 0.5)
    assert sharper.better_than(list_order.HeldOut(np.full(60, 0.4), losses))
    assert not sharper.better_than(list_order.HeldOut(np.full(60, 0.5), losses))


@pytest.mark.parametrize(("weight", "kept"), [(3.0, True), (0.0, False)])
def test_an_optional_source_counts_only_where_lists_gain_by_it(weight: float, kept: bool) -> None:
    lists = lists_by(np.array([1.0, 1.0, weight]), 13, 300)
    found = list_order.fit_order(lists, 1, [["source2"]])
    without = list_order.fit_order(lists.of(["source0", "source1"]), 1)
    assert (found.factors["source2"] > 1) == kept
    if kept:
        gain = list_order.paired(found.held.ndcg, without.held.ndcg)
        assert list_order.beyond_chance(gain)
        assert found.gain is not None
        assert found.gain[0] > 0, "over a start without it"
    else:
        assert found.factors == without.factors | {"source2": 0.0}
        np.testing.assert_array_equal(found.held.ndcg, without.held.ndcg)


def test_groups_of_optional_sources_are_tried_one_after_the_other() -> None:
    lists = lists_by(np.array([1.0, 2.0, 0.0, 2.0]), 15, 300)
    found = list_order.fit_order(lists, 1, [["source2"], ["source3"]])
    assert found.factors["source2"] == 0
    assert found.factors["source3"] > 0
    both = list_order.fit_order(lists, 1, [["source3"], ["source1"]])
    assert min(both.factors["source1"], both.factors["source3"]) > 0


def test_an_optional_source_of_noise_is_left_out_of_fitted_weights() -> None:
    found = list_order.fit_order(
        lists_by(np.array([0.5, 2.0, 2.0, 0.0]), 5, 400), 1, [["source3"]]
    )
    assert found.chosen_by == "Validation"
    assert found.factors["source3"] == 0


def test_few_requests_choose_no_optional_source() -> None:
    lists = lists_by(np.array([0.0, 1.0, 6.0]), 8, list_order.LEAST_REQUESTS - 1)
    found = list_order.fit_order(lists, 1, [["source2"]])
    assert found.factors == {"source1": 1.0, "source2": 0.0}


def test_a_source_that_is_optional_and_absent_changes_nothing() -> None:
    lists = lists_by(np.array([0.3, 3.0]), 10)
    one, other = (list_order.fit_order(lists, 4, names) for names in ((), [["absent"]]))
    assert one.factors == other.factors
