"""Loss and calibration against the first week: what fires, and what does not."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import numpy as np
import pytest

from recommender_operator.analysis import drift
from recommender_operator.analysis.counter_window import WindowStats
from recommender_operator.analysis.drift_reactions import Cause
from recommender_operator.analysis.label_drift import LabelVerdict, judge, needed
from recommender_operator.analysis.label_sums import added
from recommender_operator.analysis.verdict_outcome import Verdict
from recommender_operator.api.spec import DriftSpec
from tests.unit.recommender_operator.analysis.label_worlds import Shop, read

SPEC = DriftSpec()
USUAL = Shop()
#: The same users and probabilities, but the young now want what the old wanted, and vice versa.
SWAPPED = Shop(now_young=0.05, now_old=0.2)
FEWER = Shop(now_young=0.13, now_old=0.0325)


def weeks(rng: np.random.Generator, *parts: tuple[Shop, int]) -> list[dict[str, Any]]:
    return [day for shop, count in parts for _ in range(count) for day in shop.week(rng)]


def after(*parts: tuple[Shop, int], seed: int = 1) -> LabelVerdict:
    rng = np.random.default_rng(seed)
    return judge(SPEC, read(weeks(rng, (USUAL, 1), *parts)))


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
    verdicts = []
    for _ in range(3):
        found = list(read(weeks(rng, (USUAL, 9))).items())
        for end in range(14, 64, 7):
            seen = judge(SPEC, dict(found[:end]))
            verdicts.append(seen.verdict)
            assert seen.breaches_in_a_row < SPEC.consecutive_windows
    assert len(verdicts) == 24
    assert verdicts.count(Verdict.FAIL) <= 1


@pytest.mark.parametrize("weekend", [1.3, 0.7, 1.6])
def test_other_wishes_on_weekends_are_no_drift(weekend: float) -> None:
    rng = np.random.default_rng(3)
    found = read([day for _ in range(6) for day in USUAL.week(rng, weekend)])
    for end in range(8, 43):
        seen = judge(SPEC, dict(list(found.items())[:end]))
        assert seen.verdict is not Verdict.FAIL
        assert seen.breaches_in_a_row == 0


def test_users_whose_labels_are_alike_make_no_false_alarm() -> None:
    """Intervals that take predictions as independent would be half as long."""
    rng = np.random.default_rng(4)
    alike = dataclasses.replace(USUAL, leaning=2.0, users=75, shown=20)
    verdicts = [judge(SPEC, read(weeks(rng, (alike, 2)))).verdict for _ in range(15)]
    assert verdicts.count(Verdict.FAIL) <= 1


def test_it_ends_after_as_many_clear_windows_in_a_row() -> None:
    assert after((SWAPPED, 3), (USUAL, 2)).breaches_in_a_row == 3
    ended = after((SWAPPED, 3), (USUAL, 3))
    assert (ended.verdict, ended.breaches_in_a_row, ended.cause) == (Verdict.PASS, 0, None)
    assert after((SWAPPED, 2), (USUAL, 1), (SWAPPED, 2)).breaches_in_a_row == 2


def test_without_a_first_week_and_a_window_nothing_is_said() -> None:
    rng = np.random.default_rng(1)
    found = read(weeks(rng, (USUAL, 2)))
    for end in range(14):
        seen = judge(SPEC, dict(list(found.items())[:end]))
        assert (seen.verdict, seen.windows) == (Verdict.INCONCLUSIVE, 0)
    few = dataclasses.replace(USUAL, users=40)
    seen = judge(SPEC, read(weeks(rng, (few, 3))))
    assert (seen.verdict, seen.windows) == (Verdict.INCONCLUSIVE, 0)
    assert "840 users in 21 days" in seen.message
    assert "needs all its days, 500 users" in seen.message


def test_the_second_week_is_the_reference_if_the_first_has_too_few_users() -> None:
    rng = np.random.default_rng(1)
    few = dataclasses.replace(USUAL, users=40)
    seen = judge(SPEC, read(weeks(rng, (few, 1), (USUAL, 3))))
    assert (seen.verdict, seen.windows) == (Verdict.PASS, 2)
    # Later days are not kept, so another look would compare with other ones.
    later = judge(SPEC, read(weeks(rng, (few, 2), (USUAL, 3))))
    assert later.verdict is Verdict.INCONCLUSIVE


def test_weeks_are_the_same_whatever_the_collector_has_dropped() -> None:
    rng = np.random.default_rng(1)
    found = list(read(weeks(rng, (USUAL, 4), (SWAPPED, 8))).items())
    whole = judge(SPEC, dict(found))
    assert whole.breaches_in_a_row == 8
    for ended in range(60, 85):
        kept = dict(found[:14] + found[max(14, ended - 46) : ended])
        seen = judge(SPEC, kept)
        assert seen.through == 20_000 + ended // 7 * 7 - 1
        assert seen.breaches_in_a_row >= SPEC.consecutive_windows
        assert seen.since is not None
        assert (seen.since - 20_000) % 7 == 0


def test_a_week_that_lacks_a_day_is_no_window_and_begins_a_new_row() -> None:
    rng = np.random.default_rng(1)
    found = read(weeks(rng, (USUAL, 1), (SWAPPED, 4)))
    assert judge(SPEC, found).since == 20_007
    del found[20_016]
    seen = judge(SPEC, found)
    assert (seen.windows, seen.breaches_in_a_row, seen.since) == (3, 2, 20_021)


def test_weeks_before_a_start_are_no_windows_but_the_first_is_the_reference() -> None:
    rng = np.random.default_rng(1)
    found = read(weeks(rng, (USUAL, 1), (SWAPPED, 3)))
    assert judge(SPEC, found, start=20_007).breaches_in_a_row == 3
    assert judge(SPEC, found, start=20_008).breaches_in_a_row == 2
    assert judge(SPEC, found, start=20_022).verdict is Verdict.INCONCLUSIVE


def test_rows_that_no_kept_days_could_have_are_not_asked_for() -> None:
    assert [needed(DriftSpec(consecutive_windows=n)) for n in (1, 5, 20)] == [1, 5, 5]


def test_rare_labels_wait_until_enough_are_expected() -> None:
    rng = np.random.default_rng(1)
    rare = dataclasses.replace(USUAL, young=0.0008, old=0.0004)
    seen = judge(SPEC, read(weeks(rng, (rare, 3))))
    assert seen.windows == 0


def test_sums_of_days_are_those_of_all_users_together() -> None:
    rng = np.random.default_rng(1)
    parts = list(read([shop.day(rng)[0] for shop in (USUAL, USUAL, SWAPPED)]).values())
    whole = added(parts)
    assert whole.users == 1500
    counts = [part.sums["predictions"] for part in parts]
    for name in ("excess", "gap"):
        means = [getattr(part, name)().mean for part in parts]
        assert getattr(whole, name)().mean == pytest.approx(np.average(means, weights=counts))
    assert added([whole]) == whole
