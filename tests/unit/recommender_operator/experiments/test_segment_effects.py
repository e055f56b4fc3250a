"""Effects by segment of the users."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from scipy import stats

from recommender_operator.experiments import segment_effects
from recommender_operator.experiments.arm_moments import Moments
from recommender_operator.experiments.comparison_texts import differing, named
from recommender_operator.experiments.decision import Kind, decide
from recommender_operator.experiments.estimates import Pair, pair
from recommender_operator.experiments.experiment_metrics import Metric
from recommender_operator.experiments.plan import Phase, Plan, Primary
from recommender_operator.experiments.segment_effects import Report, Segment
from tests.unit.recommender_operator.experiments import users
from tests.unit.recommender_operator.experiments.users import arm

CTR = Metric.CLICK_THROUGH_RATE
USERS = 1500
TV, PHONE, OTHER, WATCH = "tv", "phone", None, "watch"
#: Champion and candidate of each device: on phones the candidate is worse, else better.
DEVICES: dict[str | None, dict[str, Moments]] = {
    value: {"old": arm(place, USERS), "new": arm(place + 50, USERS, click=click)}
    for place, (value, click) in enumerate(((TV, 0.18), (PHONE, 0.06), (OTHER, 0.17)))
}
PLAN = Plan(
    primary=(Primary(metric=CTR, smallest_effect=0.2),), segments={"device": 0.1, "age": None}
)


def phase(devices: dict[str | None, dict[str, Moments]], feature: str = "device") -> Phase:
    merged: dict[str, Moments] = {}
    for arms in devices.values():
        for name, moments in arms.items():
            merged[name] = merged[name].merged(moments) if name in merged else moments
    return Phase(
        number=1,
        weights={"old": 50.0, "new": 50.0},
        champion="old",
        candidate="new",
        arms=merged,
        segments={feature: devices},
    )


def by_value(report: Report) -> dict[str | None, Segment]:
    return {each.value: each for each in report.segments}


def pairs() -> list[Pair]:
    found = [pair(CTR, arms["old"], arms["new"]) for arms in DEVICES.values()]
    return [each for each in found if each is not None]


def test_each_segment_is_corrected_for_the_others() -> None:
    seen = by_value(segment_effects.segment_report(PLAN, phase(DEVICES), read=True))
    plain = sorted(2 * stats.norm.sf(abs(each.z())) for each in pairs())
    adjusted = [each.comparison.p_value for each in seen.values()]
    holm = np.maximum.accumulate([min(1, p * (3 - rank)) for rank, p in enumerate(plain)])
    assert sorted(adjusted) == pytest.approx(list(holm), abs=1e-12)  # type: ignore[type-var]
    tv = seen[TV].comparison
    assert (tv.low, tv.high) == pytest.approx(
        pairs()[0].interval(float(stats.norm.isf(0.05 / 3 / 2)))
    )


def test_whether_the_effect_differs_is_the_weighted_sum_of_squares_of_a_regression() -> None:
    logs = [math.log(each.candidate / each.champion) for each in pairs()]
    errors = [
        math.hypot(
            math.sqrt(each.variance_candidate / each.candidate_users) / each.candidate,
            math.sqrt(each.variance_champion / each.champion_users) / each.champion,
        )
        for each in pairs()
    ]
    # The residuals of a constant, which polyfit weights by 1 / error.
    fit = np.polyfit(range(3), logs, 0, w=1 / np.array(errors), full=True)
    (seen,) = segment_effects.segment_report(PLAN, phase(DEVICES), read=True).interactions
    assert seen.q == pytest.approx(float(fit[1][0]))
    assert seen.p_value == pytest.approx(float(stats.chi2.sf(seen.q, 2)), rel=1e-6)
    assert "differs by device beyond chance" in differing(seen, 0.05)


def test_segments_that_are_alike_do_not_differ() -> None:
    alike: dict[str | None, dict[str, Moments]] = {
        value: {"old": arm(n, USERS), "new": arm(n + 50, USERS)}
        for n, value in enumerate((TV, PHONE))
    }
    report = segment_effects.segment_report(PLAN, phase(alike), read=True)
    assert not any(each.harmed for each in report.segments)
    assert "within chance" in differing(report.interactions[0], 0.05)


def test_a_candidate_that_harms_a_segment_beyond_its_limit_is_not_promoted() -> None:
    harmful = phase(DEVICES)
    found = decide(PLAN, [harmful], 7.0)
    assert (found.kind, found.final) == (Kind.INCONCLUSIVE, True)
    assert 'device = "phone"' in found.message
    assert [each.harmed for each in found.by_segment.segments] == [False, True, False]
    wide = dataclasses.replace(PLAN, segments={"device": 0.9})
    assert decide(wide, [harmful], 7.0).kind is Kind.PROMOTE
    unlimited = dataclasses.replace(PLAN, segments={"device": None})
    assert decide(unlimited, [harmful], 7.0).kind is Kind.PROMOTE


def test_before_the_planned_users_nothing_is_tested() -> None:
    report = decide(PLAN, [phase(DEVICES)], 6.9).by_segment
    assert not report.interactions
    assert not any(each.harmed for each in report.segments)
    assert all(each.comparison.p_value is None for each in report.segments)
    end = by_value(segment_effects.segment_report(PLAN, phase(DEVICES), read=True))[TV].comparison
    now = by_value(report)[TV].comparison
    assert now.always_valid
    assert now.low is not None
    assert end.low is not None
    assert now.low < end.low


def test_a_segment_whose_users_do_not_fit_the_shares_is_not_tested() -> None:
    # Versions that know other features would divide their users in another way.
    lost = DEVICES | {WATCH: {"old": arm(9, 900), "new": arm(59, 300, click=0.01)}}
    seen = by_value(segment_effects.segment_report(PLAN, phase(lost), read=True))
    assert (seen[WATCH].mismatch, seen[WATCH].harmed) == (True, False)
    assert seen[WATCH].comparison.p_value is None
    assert not seen[TV].mismatch


def test_few_users_are_shown_and_not_tested() -> None:
    few = DEVICES | {WATCH: {"old": arm(9, 60), "new": arm(59, 60)}, "none": {}}
    seen = by_value(segment_effects.segment_report(PLAN, phase(few), read=True))
    assert seen[WATCH].comparison.champion is not None
    assert seen[WATCH].comparison.p_value is None
    assert seen["none"].comparison.champion is None


def test_without_declared_segments_there_are_none() -> None:
    assert (
        segment_effects.segment_report(dataclasses.replace(PLAN, segments={}), phase(DEVICES))
        == Report()
    )
    assert segment_effects.segment_report(PLAN, phase(DEVICES, "city"), read=True) == Report(
        untold=("device", "age")
    )


def test_a_segment_has_a_name() -> None:
    assert [
        named(each) for each in segment_effects.segment_report(PLAN, phase(DEVICES)).segments
    ] == [
        'device = "tv"',
        'device = "phone"',
        "device = all other values",
    ]


@pytest.mark.parametrize("loss", [0, -1, 11, float("nan")])
def test_a_limit_that_nothing_can_meet_is_refused(loss: float) -> None:
    with pytest.raises(ValueError, match="segment"):
        dataclasses.replace(PLAN, segments={"device": loss})


ALIKE: dict[str | None, dict[str, Moments]] = {
    value: {"old": arm(n, USERS), "new": arm(n + 50, USERS, click=0.16)}
    for n, value in enumerate((TV, PHONE))
}


def test_a_segment_whose_users_are_lost_protects_nobody_so_a_person_decides() -> None:
    # A version that fails on watches loses their users, so nothing could be tested there.
    lost = phase(ALIKE | {WATCH: {"old": arm(9, 150), "new": arm(59, 60)}})
    assert decide(PLAN, [phase(ALIKE)], 7.0).kind is Kind.PROMOTE
    found = decide(PLAN, [lost], 7.0)
    assert (found.kind, found.final) == (Kind.INCONCLUSIVE, True)
    assert found.message.count('device = "watch": its users do not fit') == 1
    reported = dataclasses.replace(PLAN, segments={"device": None})
    assert decide(reported, [lost], 7.0).kind is Kind.PROMOTE


@pytest.mark.parametrize("problem", ["", "arms[1].segments: not a list"])
def test_a_promotion_waits_for_the_segments_it_depends_on(problem: str) -> None:
    untold = dataclasses.replace(phase(ALIKE), segments={}, segments_problem=problem)
    found = decide(PLAN, [untold], 7.0)
    assert (found.kind, found.final) == (Kind.KEEP_RUNNING, False)
    assert "no promotion without the segments of device: " in found.message
    assert problem in found.message
    assert decide(PLAN, [untold], PLAN.max_days).kind is Kind.INCONCLUSIVE
    reported = dataclasses.replace(PLAN, segments={"device": None})
    assert decide(reported, [untold], 7.0).kind is Kind.PROMOTE


def test_segments_that_cannot_be_computed_stop_no_rollback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(segment_effects, "_cells", fail)
    worse: dict[str | None, dict[str, Moments]] = {
        TV: {"old": arm(1, 2 * USERS), "new": arm(2, 2 * USERS, click=0.03)}
    }
    assert decide(PLAN, [phase(worse)], 1.0).kind is Kind.ROLL_BACK
    found = decide(PLAN, [phase(ALIKE)], 7.0)
    assert found.kind is Kind.KEEP_RUNNING
    assert "no computation (ZeroDivisionError)" in found.message


def test_a_feature_that_no_request_says_is_told_at_once_and_protects_nobody() -> None:
    many = {"old": arm(3, 3 * USERS), "new": arm(4, 3 * USERS, click=0.16)}
    misspelt = phase({"unknown": many})
    soon = decide(PLAN, [misspelt], 1.0)
    assert soon.kind is Kind.KEEP_RUNNING
    assert "no request gives device" in soon.message
    found = decide(PLAN, [misspelt], 7.0)
    assert (found.kind, found.final) == (Kind.INCONCLUSIVE, True)
    assert "check the name in rollout.experiment.segments" in found.message
    few = phase({"unknown": {"old": arm(1, 40), "new": arm(2, 40)}})
    assert "no request gives" not in decide(PLAN, [few], 1.0).message
    some = phase({"unknown": ALIKE[TV], TV: ALIKE[PHONE]})
    assert "no request gives" not in decide(PLAN, [some], 1.0).message


def test_bad_events_of_which_the_champion_has_none_are_harm() -> None:
    drawn = users.drawn(1, 3 * USERS)
    none = users.moments(users.scaled(drawn, "dislikes", 0))
    some: dict[str | None, dict[str, Moments]] = {
        TV: {"old": none, "new": users.moments(drawn)},
        PHONE: {"old": none, "new": none},
    }
    metric = Primary(metric=Metric.DISLIKE_RATE, smallest_effect=0.2)
    plan = dataclasses.replace(PLAN, primary=(metric,))
    report = segment_effects.segment_report(plan, phase(some), read=True)
    assert {value: each.harmed for value, each in by_value(report).items()} == {
        TV: True,
        PHONE: False,
    }
    assert not report.interactions


def test_a_value_cannot_pretend_to_be_the_text_around_it() -> None:
    (first, *_) = segment_effects.segment_report(
        PLAN, phase({'tv": all is well; "x': ALIKE[TV]})
    ).segments
    assert named(first) == 'device = "tv\\": all is well; \\"x"'
