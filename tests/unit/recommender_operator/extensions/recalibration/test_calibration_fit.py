"""A new calibration: what it mends, what it refuses, and that no list changes by it."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.analysis.label_sums import Labels
from recommender_operator.context.extension import Refused
from recommender_operator.extensions.recalibration.calibration_fit import Judged, judge
from recommender_operator.extensions.recalibration.platt import Scale
from tests.unit.recommender_operator.analysis.label_worlds import Shop, read

FIRST = 20_000
USUAL = Shop()
FEWER = Shop(now_young=0.13, now_old=0.0325)
SWAPPED = Shop(now_young=0.05, now_old=0.2)


def days_of(*weeks: Shop, seed: int = 1) -> dict[int, Labels]:
    rng = np.random.default_rng(seed)
    return read([day for shop in weeks for day in shop.week(rng)])


def found(days: dict[int, Labels], weeks: int = 3) -> Judged | Refused:
    return judge(days, FIRST, FIRST + 7 * weeks - 1)


@pytest.mark.parametrize("seed", range(5))
def test_fewer_labels_than_expected_are_mended_on_a_week_that_it_was_not_fitted_to(
    seed: int,
) -> None:
    seen = found(days_of(FEWER, FEWER, FEWER, seed=seed))
    assert isinstance(seen, Judged)
    assert seen.ratio == pytest.approx(0.65, abs=0.06)
    assert seen.ratio_after == pytest.approx(1, abs=0.08)
    assert 0 < seen.low < seen.gain < seen.high
    assert seen.users == 7 * FEWER.users
    assert seen.scale.shift < -0.3


@given(
    young=st.floats(0.02, 0.6),
    old=st.floats(0.02, 0.6),
    seed=st.integers(0, 3),
    scores=st.lists(st.integers(-9_000_000, 9_000_000), min_size=2, unique=True),
)
def test_whatever_it_accepts_keeps_the_order_of_every_list(
    young: float, old: float, seed: int, scores: list[int]
) -> None:
    shop = dataclasses.replace(USUAL, users=100, now_young=young, now_old=old)
    seen = found(days_of(shop, shop, seed=seed), weeks=2)
    if isinstance(seen, Refused):
        return
    assert 0.5 <= seen.scale.slope <= 2
    assert seen.low > 0
    # Scores that are nearer than single precision can tell may become equal.
    after = [seen.scale.at(each / 1e6) for each in scores]
    assert sorted(scores) == [scores[place] for place in np.argsort(after, kind="stable")]


def test_labels_that_no_longer_follow_the_order_are_no_matter_of_calibration() -> None:
    seen = found(days_of(SWAPPED, SWAPPED, SWAPPED))
    assert isinstance(seen, Refused)
    assert "what the network tells apart has changed" in seen.why


def test_usual_labels_give_no_significant_gain() -> None:
    for seed in range(10):
        seen = found(days_of(USUAL, USUAL, USUAL, seed=seed))
        assert isinstance(seen, Refused)
        assert "no significant gain" in seen.why


def test_a_gain_of_two_errors_is_none_as_users_return_daily() -> None:
    shop = dataclasses.replace(FEWER, users=40, now_young=0.17, now_old=0.0425)
    refused = [
        seen
        for seed in range(20)
        if isinstance(seen := found(days_of(shop, shop, shop, seed=seed)), Refused)
        and "[+" in seen.why
    ]
    assert refused, "intervals above 0"
    assert all(seen.why.endswith("no significant gain (3 errors)") for seen in refused)


def test_odds_beyond_what_a_calibration_may_change_are_refused() -> None:
    seen = found(days_of(*[Shop(now_young=0.02, now_old=0.005)] * 3))
    assert isinstance(seen, Refused)
    assert "more than a factor of 4" in seen.why


@pytest.mark.parametrize("before", [Scale(1, -1.2), Scale(2.5, 1.5)], ids=str)
def test_small_steps_do_not_add_up_to_what_one_may_not_change(before: Scale) -> None:
    days = days_of(FEWER, FEWER, FEWER)
    assert isinstance(judge(days, FIRST, FIRST + 20), Judged)
    seen = judge(days, FIRST, FIRST + 20, before)
    assert isinstance(seen, Refused)
    assert "factor of 4 since the training" in seen.why or "with a slope of" in seen.why


def test_a_step_back_to_what_was_trained_is_taken() -> None:
    days = days_of(FEWER, FEWER, FEWER)
    seen = judge(days, FIRST, FIRST + 20, Scale(1, 1.2))
    assert isinstance(seen, Judged)
    assert seen.total == seen.scale.after(Scale(1, 1.2))
    assert 0.5 < seen.total.shift < 0.9


@given(
    slopes=st.tuples(st.floats(0.5, 2), st.floats(0.5, 2)),
    shifts=st.tuples(st.floats(-2, 2), st.floats(-2, 2)),
    score=st.floats(-9, 9),
)
def test_two_scales_in_a_row_are_the_composed_one(
    slopes: tuple[float, float], shifts: tuple[float, float], score: float
) -> None:
    one, two = (Scale(*each) for each in zip(slopes, shifts, strict=True))
    assert two.after(one).at(score) == pytest.approx(two.at(one.at(score)), abs=1e-9)


def test_one_window_cannot_both_fit_and_judge() -> None:
    seen = found(days_of(FEWER), weeks=1)
    assert isinstance(seen, Refused)
    assert "0 positive and 0 other labels before the last window" in seen.why


def test_too_few_labels_are_refused_and_counted() -> None:
    few = dataclasses.replace(FEWER, users=8)
    seen = found(days_of(few, few, few))
    assert isinstance(seen, Refused)
    assert "of which 100 each are needed" in seen.why


def _with(days: dict[int, Labels], **sums: float) -> dict[int, Labels]:
    """The days with other sums in the fifth bin and, of the same name, in all."""
    changed = {}
    for number, day in days.items():
        bins: list[Any] = [dict(each) for each in day.bins]
        bins[5] |= sums
        changed[number] = dataclasses.replace(day, bins=tuple(bins), sums={**day.sums, **sums})
    return changed


@pytest.mark.parametrize("positive", [0.0, math.inf])
def test_labels_of_one_class_are_refused(positive: float) -> None:
    days = days_of(FEWER, FEWER, FEWER)
    every = min(positive, 5000.0)
    assert isinstance(found(_with(days, labels=every, predictions=5000.0)), Refused)


@pytest.mark.parametrize(
    "sums",
    [
        {"labels": math.nan},
        {"predicted": math.nan},
        {"predictions": math.nan},
        {"predicted": -1.0},
        {"predicted": 1e9},
        {"labels": -1.0},
    ],
    ids=str,
)
def test_sums_that_are_none_of_predictions_are_refused(sums: dict[str, float]) -> None:
    assert isinstance(found(_with(days_of(FEWER, FEWER, FEWER), **sums)), Refused)


@pytest.mark.parametrize("labels", [1e4, -5.0, math.nan])
def test_a_bin_with_other_labels_than_it_can_have_is_refused(labels: float) -> None:
    days = days_of(FEWER, FEWER, FEWER)
    changed = {
        number: dataclasses.replace(
            day, bins=(*day.bins[:5], {**day.bins[5], "labels": labels}, *day.bins[6:])
        )
        for number, day in days.items()
    }
    seen = found(changed)
    assert isinstance(seen, Refused)
    assert seen.why == "the sums of bin 5 are not those of predictions"


def test_days_outside_of_the_row_do_not_count() -> None:
    days = days_of(USUAL, FEWER, FEWER, FEWER, USUAL)
    inside = judge(days, FIRST + 7, FIRST + 27)
    part = {day: labels for day, labels in days.items() if FIRST + 7 <= day <= FIRST + 27}
    assert inside == judge(part, FIRST + 7, FIRST + 27)
    assert isinstance(inside, Judged)
