"""The bonus of item groups: it meets its constraint where that can be, within its limit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.resource.mitigation import Exposure
from recommender_training.common.arrays import Doubles, Ints
from recommender_training.mitigation import exposure
from recommender_training.mitigation.exposure import Bonus, Wanted
from recommender_training.statistics import model_metrics

K = 5


def every(scores: Doubles) -> Ints:
    """[R, I] all items, as candidates of each request."""
    return np.tile(np.arange(scores.shape[1], dtype=np.int64), (len(scores), 1))


def asked(seed: int, *, groups: int = 3, gap: float = 0.0, mixed: bool = False) -> Wanted:
    """Requests for a third of each group; the ranks of the last group are lower by `gap`."""
    random = np.random.default_rng(seed)
    requests, items = 12, 24
    group = np.arange(items) % groups
    membership = np.eye(groups)[group]
    if mixed:  # some items belong to two groups in equal parts
        membership[::5] = (membership[::5] + np.roll(membership[::5], 1, axis=1)) / 2
    scores = random.normal(0, 1, (requests, items)) - gap * (group == groups - 1)
    scores[random.random(scores.shape) < 0.2] = -np.inf
    relevance = np.full(groups, 1 / groups)
    return Wanted(every(scores), scores, membership, relevance, relevance > 0)


def lists(scores: Doubles, k: int = K) -> Ints:
    return np.argsort(-scores, axis=1, kind="stable")[:, :k].astype(np.int64)


def share(wanted: Wanted, bonus: Bonus) -> Doubles:
    """[G] of the lists that the whole catalogue gives, not of the candidates alone."""
    top = lists(wanted.scores + bonus.of_items(wanted.membership))
    weight = model_metrics.discounts(K) / model_metrics.discounts(K).sum()
    shown = np.einsum("k,rkg->rg", weight, wanted.membership[top])
    return np.asarray(shown.mean(0))


@given(st.integers(0, 10_000), st.floats(0, 3), st.booleans())
def test_what_is_told_is_what_the_lists_show_and_met_means_met(
    seed: int, gap: float, mixed: bool
) -> None:
    wanted = asked(seed, gap=gap, mixed=mixed)
    settings = Exposure(min_exposure_ratio=0.6, max_bonus=3)
    bonus = exposure.fit(wanted, settings, K)
    shown = share(wanted, bonus)
    assert shown == pytest.approx(bonus.after, abs=1e-9)
    assert bonus.met == bool((shown >= 0.6 * wanted.relevance - 1e-12).all())
    least = [float((side / wanted.relevance).min()) for side in (bonus.before, bonus.after)]
    assert least[1] >= min(least[0], 0.6), "never further from it than before"
    assert (bonus.value >= 0).all()
    assert bonus.value.max() <= 3


@given(st.integers(0, 10_000), st.floats(0, 2))
def test_the_constraint_is_met_where_the_limit_leaves_room(seed: int, gap: float) -> None:
    """Ranks of a spread of 1, a group behind by 2 at most, and a limit of 6: half is feasible."""
    wanted = asked(seed, gap=gap)
    bonus = exposure.fit(wanted, Exposure(min_exposure_ratio=0.5, max_bonus=6), K)
    assert bonus.met
    assert (share(wanted, bonus) >= 0.5 * wanted.relevance - 1e-12).all()


@given(st.integers(0, 10_000), st.floats(0, 6), st.floats(0.1, 4), st.booleans())
def test_a_list_keeps_the_order_inside_a_group_and_no_item_is_dropped_or_doubled(
    seed: int, gap: float, limit: float, mixed: bool
) -> None:
    wanted = asked(seed, gap=gap, mixed=mixed)
    bonus = exposure.fit(wanted, Exposure(min_exposure_ratio=1, max_bonus=limit), K)
    raised = wanted.scores + bonus.of_items(wanted.membership)
    count = wanted.scores.shape[1]
    old, new = lists(wanted.scores, count), lists(raised, count)
    assert (np.sort(new, axis=1) == np.arange(count)).all()
    kinds = np.unique(wanted.membership, axis=0, return_inverse=True)[1].ravel()
    for before, after in zip(old, new, strict=True):
        for kind in range(kinds.max() + 1):
            assert before[kinds[before] == kind].tolist() == after[kinds[after] == kind].tolist()
    # the loss is bounded: what is shown is behind what is left out by the limit at most
    for row in range(len(old)):
        own = wanted.scores[row]
        left_out = np.setdiff1d(old[row, :K], new[row, :K])
        brought = np.setdiff1d(new[row, :K], old[row, :K])
        if len(brought):
            assert own[left_out].max() - own[brought].min() <= limit + 1e-5


def test_a_constraint_that_holds_already_changes_nothing() -> None:
    wanted = asked(1)
    bonus = exposure.fit(wanted, Exposure(min_exposure_ratio=0.1), K)
    assert bonus.met
    assert (bonus.value == 0).all()
    assert bonus.before.tolist() == bonus.after.tolist()


def test_what_cannot_be_met_within_the_limit_is_told_and_the_nearest_is_taken() -> None:
    wanted = asked(2, gap=50)
    bonus = exposure.fit(wanted, Exposure(min_exposure_ratio=0.5, max_bonus=1), K)
    assert not bonus.met
    assert bonus.report(("a", "b", "c"))[2]["ratioAfter"] == 0


def test_a_group_without_items_or_that_nobody_asks_for_needs_no_bonus() -> None:
    wanted = asked(3, gap=3)
    membership = np.pad(wanted.membership, ((0, 0), (0, 1)))
    relevance = np.r_[wanted.relevance, 0.0]
    padded = Wanted(wanted.items, wanted.scores, membership, relevance, relevance > 0)
    settings = Exposure(min_exposure_ratio=1, max_bonus=6)
    bonus, plain = exposure.fit(padded, settings, K), exposure.fit(wanted, settings, K)
    assert bonus.value.tolist() == [*plain.value.tolist(), 0.0]
    assert bonus.report(("a", "b", "c", "empty"))[3] == {
        "name": "empty", "bonus": 0.0, "relevanceShare": 0.0, "ratioBefore": None,
        "ratioAfter": None, "bound": False,
    }  # fmt: skip


def test_no_request_and_no_item_left_are_no_failure() -> None:
    wanted = asked(4)
    for scores in (wanted.scores[:0], np.full_like(wanted.scores, -np.inf)):
        none = Wanted(every(scores), scores, wanted.membership, wanted.relevance, wanted.bound)
        assert (exposure.fit(none, Exposure(), K).value == 0).all()


def test_the_same_requests_give_the_same_bonus() -> None:
    settings = Exposure(min_exposure_ratio=0.6, max_bonus=3)
    one, two = (exposure.fit(asked(5, gap=2), settings, K) for _ in range(2))
    assert one.value.tobytes() == two.value.tobytes()
