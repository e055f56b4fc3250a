"""Loss and calibration against the first week: what fires, and what does not."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import numpy as np
import pytest

from recommender_operator.analysis import drift
from recommender_operator.analysis.label_drift import LabelVerdict, judge
from recommender_operator.analysis.labels import added
from recommender_operator.analysis.outcome import Verdict
from recommender_operator.analysis.reactions import Cause
from recommender_operator.analysis.window import WindowStats
from recommender_operator.api.spec import DriftSpec
from tests.unit.recommender_operator.analysis.label_worlds import Shop, read

SPEC = DriftSpec()
USUAL = Shop()
#: The same users and probabilities, but the young now want what the old wanted, and vice versa.
SWAPPED = Shop(now_young=0.05, now_old=0.2)
FEWER = Shop(now_young=0.13, now_old=0.0325)


def days(rng: np.random.Generator, *parts: tuple[Shop, int]) -> list[dict[str, Any]]:
    return [shop.day(rng)[0] for shop, count in parts for _ in range(count)]


def after(*parts: tuple[Shop, int], seed: int = 1) -> LabelVerdict:
    rng = np.random.default_rng(seed)
    return judge(SPEC, read(days(rng, (USUAL, 7), *parts)))


def inputs(shop: Shop, seed: int = 1) -> Verdict:
    """What the input monitor says about a day, beside a week of the usual users."""
    rng = np.random.default_rng(seed)
    reference = [USUAL.day(rng)[1] for _ in range(7)]
    features = {
        name: dict(sum((Counter(day[name]) for day in reference), Counter()))
        for name in ("age", "top_score")
    }
    window = WindowStats(
        sessions=shop.users, pods=1, reference=features, features=shop.day(rng)[1]
    )
    return drift.evaluate_window(SPEC, window).verdict


@pytest.mark.parametrize("seed", range(5))
def test_a_drift_of_the_concept_alone_is_seen_by_labels_and_not_by_inputs(seed: int) -> None:
    seen = after((SWAPPED, 3), seed=seed)
    assert (seen.verdict, seen.cause, seen.breaches_in_a_row) == (
        Verdict.FAIL, Cause.LOSS_RISE, 3,
    )  # fmt: skip
    assert "log loss" in seen.message
    assert inputs(SWAPPED, seed) is Verdict.PASS


@pytest.mark.parametrize("seed", range(5))
def test_a_drift_of_the_inputs_alone_is_seen_by_inputs_and_not_by_labels(seed: int) -> None:
    younger = Shop(young_share=0.8)
    seen = after((younger, 3), seed=seed)
    assert (seen.verdict, seen.breaches_in_a_row) == (Verdict.PASS, 0)
    assert inputs(younger, seed) is Verdict.FAIL


def test_fewer_positive_labels_than_expected_are_a_drift_of_the_calibration() -> None:
    seen = after((FEWER, 3))
    assert (seen.cause, seen.breaches_in_a_row) == (Cause.CALIBRATION_DRIFT, 3)
    assert "for each expected one" in seen.message


def test_windows_without_a_drift_hardly_ever_fail() -> None:
    rng = np.random.default_rng(3)
    windows = failed = 0
    for _ in range(4):
        found = read(days(rng, (USUAL, 30)))
        for end in range(8, 31):
            seen = judge(SPEC, dict(list(found.items())[:end]))
            windows, failed = windows + 1, failed + (seen.verdict is Verdict.FAIL)
            assert seen.breaches_in_a_row < SPEC.consecutive_windows
    assert windows == 92
    assert failed <= 3


def test_users_whose_labels_are_alike_make_no_false_alarm() -> None:
    """Intervals that take predictions as independent would be half as long."""
    rng = np.random.default_rng(4)
    alike = dataclasses.replace(USUAL, leaning=2.0, users=500, shown=20)
    verdicts = [judge(SPEC, read(days(rng, (alike, 8)))).verdict for _ in range(15)]
    assert verdicts.count(Verdict.FAIL) <= 1


def test_it_ends_after_as_many_clear_windows_in_a_row() -> None:
    assert after((SWAPPED, 3), (USUAL, 2)).breaches_in_a_row == 3
    ended = after((SWAPPED, 3), (USUAL, 3))
    assert (ended.verdict, ended.breaches_in_a_row, ended.cause) == (Verdict.PASS, 0, None)
    assert after((SWAPPED, 2), (USUAL, 1), (SWAPPED, 2)).breaches_in_a_row == 2


def test_without_a_first_week_and_a_window_nothing_is_said() -> None:
    rng = np.random.default_rng(1)
    found = read(days(rng, (USUAL, 7)))
    assert judge(SPEC, found).verdict is Verdict.INCONCLUSIVE
    assert judge(SPEC, {}).verdict is Verdict.INCONCLUSIVE
    few = dataclasses.replace(USUAL, users=40)
    seen = judge(SPEC, read(days(rng, (few, 20))))
    assert (seen.verdict, seen.windows) == (Verdict.INCONCLUSIVE, 0)
    assert "800 users in 20 days" in seen.message


def test_days_with_few_users_are_taken_together() -> None:
    rng = np.random.default_rng(1)
    few = dataclasses.replace(USUAL, users=100)
    seen = judge(SPEC, read(days(rng, (few, 22))))
    assert (seen.windows, seen.through) == (3, 20_021)


def test_rare_labels_wait_until_enough_are_expected() -> None:
    rng = np.random.default_rng(1)
    rare = dataclasses.replace(USUAL, young=0.002, old=0.001)
    seen = judge(SPEC, read(days(rng, (rare, 10))))
    assert seen.windows == 0


def test_sums_of_days_are_those_of_all_users_together() -> None:
    rng = np.random.default_rng(1)
    parts = list(read(days(rng, (USUAL, 2), (SWAPPED, 1))).values())
    whole = added(parts)
    assert whole.users == 1500
    counts = [part.sums["predictions"] for part in parts]
    for name in ("excess", "gap"):
        means = [getattr(part, name)().mean for part in parts]
        assert getattr(whole, name)().mean == pytest.approx(np.average(means, weights=counts))
    assert added([whole]) == whole
