from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.experiments.arm_moments import COMPONENTS, NONE, Moments
from recommender_operator.experiments.decision import Decision, Kind, decide
from recommender_operator.experiments.experiment_metrics import Metric
from recommender_operator.experiments.plan import Goal, Guardrail, Phase, Plan, Primary
from tests.unit.recommender_operator.experiments.users import arm, drawn, moments, scaled

CTR, REVENUE = Metric.CLICK_THROUGH_RATE, Metric.REVENUE_PER_USER
PLAN = Plan(
    primary=(Primary(metric=CTR, smallest_effect=0.2),),
    guardrails=(Guardrail(metric=REVENUE, largest_loss=0.3),),
)
NOT_WORSE = dataclasses.replace(PLAN, goal=Goal.NOT_WORSE)
#: 5,000 users whose first and later days are alike.
BY_DAY = {
    f"{part}.{name}": values
    for place, part in enumerate(("first", "later"))
    for name, values in drawn(5 + place, 5000).items()
    if name not in ("before", "returned")
}
ZERO = {name: np.zeros(5000) for name in COMPONENTS}
FINAL = {Kind.PROMOTE, Kind.ROLL_BACK, Kind.FUTILE, Kind.INCONCLUSIVE}


def phase(champion: Moments, candidate: Moments, **changes: Any) -> Phase:
    return dataclasses.replace(
        Phase(
            number=1,
            weights={"old": 50.0, "new": 50.0},
            champion="old",
            candidate="new",
            arms={"old": champion, "new": candidate},
        ),
        **changes,
    )


def decided(
    champion: Moments, candidate: Moments, *, plan: Plan = PLAN, days: float = 7.0, **changes: Any
) -> Decision:
    return decide(plan, [phase(champion, candidate, **changes)], days)


def test_days_without_sessions_stop_no_rollback() -> None:
    # Revenue of the later days, but no session began on them.
    days = moments({name: values * (name != "later.sessions") for name, values in BY_DAY.items()})
    plan = dataclasses.replace(
        PLAN, primary=(Primary(metric=Metric.REVENUE_PER_SESSION, smallest_effect=0.2),)
    )
    here = phase(arm(1, 5000), arm(2, 5000, buy=0.02), days=dict.fromkeys(("old", "new"), days))
    found = decide(plan, [here], 7.0)
    assert found.kind is Kind.ROLL_BACK
    assert [each.change for each in found.novelty] == [None]


def test_a_better_candidate_is_promoted_at_the_planned_users_and_days() -> None:
    found = decided(arm(1, 5000), arm(2, 5000, click=0.15))
    assert (found.kind, found.final) == (Kind.PROMOTE, True)
    (clicks,) = found.comparisons
    assert clicks.p_value is not None
    assert clicks.p_value < 0.001
    assert clicks.low is not None
    assert clicks.low > 0
    assert not clicks.always_valid
    assert found.guardrails[0].always_valid
    assert found.users == {"old": 5000, "new": 5000}
    assert found.planned_users is not None
    assert max(found.planned_users.values()) < 5000
    assert found.days_left == 0.0
    assert found.message.startswith("ClickThroughRate 0.1")


def test_before_the_least_days_nobody_is_promoted_and_no_p_value_is_shown() -> None:
    found = decided(arm(1, 5000), arm(2, 5000, click=0.15), days=6.9)
    assert (found.kind, found.final) == (Kind.KEEP_RUNNING, False)
    assert found.comparisons[0].p_value is None
    assert found.comparisons[0].always_valid
    assert found.days_left == pytest.approx(0.1)


def test_before_the_planned_users_nobody_is_promoted() -> None:
    small = dataclasses.replace(PLAN, primary=(Primary(metric=CTR, smallest_effect=0.05),))
    found = decided(arm(1, 5000), arm(2, 5000, click=0.15), plan=small)
    assert found.kind is Kind.KEEP_RUNNING
    assert found.planned_users is not None
    assert min(found.planned_users.values()) > 5000


def test_the_given_baseline_plans_the_users() -> None:
    def users(baseline: float | None) -> int:
        primary = Primary(metric=CTR, smallest_effect=0.2, baseline=baseline)
        plan = dataclasses.replace(PLAN, primary=(primary,))
        planned = decided(arm(1, 5000), arm(2, 5000), plan=plan, days=1.0).planned_users
        assert planned is not None
        return planned["new"]

    # A quarter of the rate is a quarter of the difference to be found.
    assert users(0.025) == pytest.approx(users(0.1) * 16, rel=0.01)
    # The rate of the data is that of both arms, as if one of them had the smallest effect.
    assert users(0.1) == pytest.approx(users(None), rel=0.35)


def test_no_difference_at_the_planned_users_is_inconclusive() -> None:
    found = decided(arm(1, 5000), arm(3, 5000))
    assert (found.kind, found.final) == (Kind.INCONCLUSIVE, True)
    assert "no decisive difference" in found.message


@pytest.mark.parametrize("days", [0.5, 7.0])
def test_a_much_worse_candidate_is_rolled_back_at_any_look(days: float) -> None:
    found = decided(arm(1, 3000), arm(2, 3000, click=0.05), days=days)
    assert (found.kind, found.final) == (Kind.ROLL_BACK, True)
    assert "over all looks" in found.message


def test_a_ramp_is_ended_by_harm_alone() -> None:
    ramp: dict[str, Any] = {"weights": {"old": 80.0, "new": 20.0}}
    better = decided(arm(1, 20_000), arm(2, 5000, click=0.15), **ramp)
    assert (better.kind, better.final) == (Kind.KEEP_RUNNING, False)
    assert decided(arm(1, 20_000), arm(2, 5000, click=0.05), **ramp).kind is Kind.ROLL_BACK
    assert decided(arm(1, 20_000), arm(2, 5000), days=28, **ramp).kind is Kind.INCONCLUSIVE


def test_a_broken_guardrail_rolls_a_better_candidate_back() -> None:
    candidate = moments(scaled(drawn(2, 20_000, click=0.15), "revenue", 0.3))
    found = decided(arm(1, 20_000), candidate)
    assert found.kind is Kind.ROLL_BACK
    assert "RevenuePerUser" in found.message
    assert "ClickThroughRate" not in found.message


def test_a_guardrail_beyond_its_limit_by_chance_keeps_a_better_candidate_from_promotion() -> None:
    plan = dataclasses.replace(PLAN, guardrails=(Guardrail(metric=REVENUE, largest_loss=0.01),))
    candidate = moments(scaled(drawn(2, 5000, click=0.15), "revenue", 0.85))
    found = decided(arm(1, 5000), candidate, plan=plan)
    assert (found.kind, found.final) == (Kind.INCONCLUSIVE, True)
    assert "not within the largestLoss of 1.0%" in found.message


def test_a_guardrail_without_values_keeps_a_better_candidate_from_promotion() -> None:
    arms = [
        moments({**drawn(1, 5000), "revenue": np.zeros(5000)}),
        moments({**drawn(2, 5000, click=0.15), "revenue": np.zeros(5000)}),
    ]
    assert decided(*arms).kind is Kind.INCONCLUSIVE


def test_a_mismatch_of_the_sample_ratio_blocks_any_verdict() -> None:
    better, worse = arm(2, 5000, click=0.15), arm(2, 5000, click=0.05)
    for candidate in (better, worse):
        found = decided(arm(1, 5500), candidate)
        assert (found.kind, found.final) == (Kind.BLOCKED, False)
        assert found.sample_ratio_p is not None
        assert found.sample_ratio_p < 0.0005
    assert decided(arm(1, 5500), better, days=28).final


def test_a_mismatch_in_an_earlier_phase_blocks_too() -> None:
    ramp = phase(arm(3, 5000), arm(4, 3700), number=0, weights={"old": 60.0, "new": 40.0})
    good = phase(arm(1, 5000), arm(2, 5000, click=0.15))
    assert decide(PLAN, [ramp, good], 7).kind is Kind.BLOCKED
    fits = phase(arm(3, 5000), arm(4, 3333), number=0, weights={"old": 60.0, "new": 40.0})
    # A ramp that fits its weights is no mismatch, though the sums of both phases would be.
    assert decide(PLAN, [fits, good], 7).kind is Kind.PROMOTE


def test_too_many_users_in_both_arms_block() -> None:
    found = decided(arm(1, 5000), arm(2, 5000, click=0.15), mixed=500)
    assert found.kind is Kind.BLOCKED
    assert "two arms" in found.message


@pytest.mark.parametrize("candidate", [NONE, arm(2, 20)])
def test_an_arm_without_traffic_is_never_promoted(candidate: Moments) -> None:
    for champion, days in itertools.product((NONE, arm(1, 50), arm(1, 5000)), (1.0, 28.0)):
        found = decided(champion, candidate, days=days)
        assert found.kind in {Kind.KEEP_RUNNING, Kind.INCONCLUSIVE, Kind.BLOCKED}
        assert found.final == (days == 28.0)


def test_low_traffic_waits_and_then_is_inconclusive() -> None:
    found = decided(arm(1, 90), arm(2, 90))
    assert (found.kind, found.final) == (Kind.KEEP_RUNNING, False)
    assert "at least 100 of each arm" in found.message
    assert decided(arm(1, 90), arm(2, 90), days=28).kind is Kind.INCONCLUSIVE
    assert decide(PLAN, [], 1).kind is Kind.KEEP_RUNNING
    assert decide(PLAN, [], 28).kind is Kind.INCONCLUSIVE


def test_a_power_out_of_reach_is_said_early_with_its_figures() -> None:
    small = dataclasses.replace(PLAN, primary=(Primary(metric=CTR, smallest_effect=0.02),))
    found = decided(arm(1, 500), arm(2, 500), plan=small, days=2.0)
    assert (found.kind, found.final) == (Kind.KEEP_RUNNING, False)
    assert found.planned_users is not None
    days = 2.0 * found.planned_users["old"] / 500
    assert f"take {days:.0f} days and maxDays is 28: there will be no decision" in found.message
    assert found.days_left == pytest.approx(days - 2, rel=0.01)
    # The first hours tell nothing of the days.
    assert decided(arm(1, 500), arm(2, 500), plan=small, days=0.5).days_left is None


@pytest.mark.parametrize("plan", [PLAN, NOT_WORSE])
@pytest.mark.parametrize("days", [7.0, 28.0])
def test_metrics_of_zeros_are_never_promoted(plan: Plan, days: float) -> None:
    answered = {**ZERO, "answers": np.ones(5000)}
    for users in (ZERO, answered):
        found = decided(moments(users), moments(users), plan=plan, days=days)
        assert found.kind is (Kind.INCONCLUSIVE if days == 28 else Kind.KEEP_RUNNING)


def test_a_champion_without_clicks_is_no_reason_to_promote() -> None:
    nothing = moments({**drawn(1, 5000), "clicks": np.zeros(5000)})
    assert decided(nothing, arm(2, 5000), days=27).kind is Kind.KEEP_RUNNING


def test_a_candidate_that_only_has_to_be_no_worse_is_promoted_if_it_is_alike() -> None:
    found = decided(arm(1, 5000), arm(3, 5000), plan=NOT_WORSE)
    assert found.kind is Kind.PROMOTE
    assert found.comparisons[0].low is not None
    assert found.comparisons[0].low > -0.2
    worse = decided(arm(1, 5000), arm(2, 5000, click=0.082), plan=NOT_WORSE)
    assert worse.kind in {Kind.INCONCLUSIVE, Kind.FUTILE}


@pytest.mark.parametrize("plan", [PLAN, NOT_WORSE])
def test_a_candidate_for_which_the_champion_answers_is_not_promoted(plan: Plan) -> None:
    answers = int(arm(3, 5000).sums["answers"])
    found = decided(arm(1, 5000), arm(2, 5000, click=0.15), plan=plan, disagreed={"new": answers})
    assert (found.kind, found.final) == (Kind.INCONCLUSIVE, True)
    assert "compares the champion with itself" in found.message
    few = decided(
        arm(1, 5000), arm(2, 5000, click=0.15), plan=plan, disagreed={"new": answers // 50}
    )
    assert few.kind is Kind.PROMOTE


def test_of_several_primary_metrics_one_has_to_be_better_and_none_worse() -> None:
    both = dataclasses.replace(
        PLAN,
        primary=(
            Primary(metric=CTR, smallest_effect=0.2),
            Primary(metric=Metric.RETURN_RATE, smallest_effect=0.2),
        ),
        guardrails=(),
    )
    assert decided(arm(1, 9000), arm(2, 9000, click=0.15), plan=both).kind is Kind.PROMOTE
    users = drawn(2, 9000, click=0.15)
    rarely = np.random.default_rng(1).random(9000) < 0.9
    worse = moments({**users, "returned": users["returned"] * rarely})
    assert decided(arm(1, 9000), worse, plan=both).kind is Kind.ROLL_BACK


def test_an_experiment_that_can_hardly_succeed_ends_for_futility() -> None:
    plan = dataclasses.replace(PLAN, primary=(Primary(metric=CTR, smallest_effect=0.07),))
    champion, candidate = arm(1, 5000, click=0.101), arm(3, 5000, click=0.099)
    found = decided(champion, candidate, plan=plan)
    assert (found.kind, found.final) == (Kind.FUTILE, True)
    assert decided(champion, candidate, plan=plan, days=6).kind is Kind.KEEP_RUNNING


def test_weights_that_name_no_candidate_lead_to_no_verdict() -> None:
    for weights in ({}, {"old": 100.0}, {"old": 0.0, "new": 0.0}, {"new": 100.0}):
        found = decided(arm(1, 5000), arm(2, 5000, click=0.15), weights=weights)
        assert found.kind in {Kind.KEEP_RUNNING, Kind.BLOCKED}


@given(
    st.lists(
        st.tuples(st.integers(0, 2**31), st.integers(0, 3000), st.floats(0.01, 0.4)),
        min_size=2,
        max_size=2,
    ),
    st.sampled_from(list(Metric)),
    st.sampled_from(list(Goal)),
    st.floats(0, 30),
)
def test_a_promotion_always_has_the_planned_users_and_an_interval_on_the_good_side(
    arms: list[tuple[int, int, float]], metric: Metric, goal: Goal, days: float
) -> None:
    plan = dataclasses.replace(
        PLAN, primary=(Primary(metric=metric, smallest_effect=0.25),), goal=goal
    )
    champion, candidate = (arm(seed, count, click=click) for seed, count, click in arms)
    weights = {"old": champion.users + 1.0, "new": candidate.users + 1.0}
    found = decided(
        champion, candidate, plan=dataclasses.replace(plan, weight=1.0), days=days, weights=weights
    )
    assert found.message
    assert found.final == (found.kind in FINAL or (found.kind is Kind.BLOCKED and days >= 28))
    if found.kind is Kind.PROMOTE:
        assert days >= 7
        assert found.planned_users is not None
        assert all(found.users[name] >= n for name, n in found.planned_users.items())
        (compared,) = found.comparisons
        better = metric not in {Metric.DISLIKE_RATE, Metric.FALLBACK_SHARE}
        end = compared.low if better else compared.high
        limit = 0.25 if goal is Goal.NOT_WORSE else 0.0
        assert end is not None
        assert end > -limit if better else end < limit


def test_novelty_is_reported_with_every_decision_and_decides_nothing() -> None:
    champion, candidate = arm(1, 5000), arm(2, 5000, click=0.15)
    days = {"old": moments(BY_DAY), "new": moments(scaled(BY_DAY, "later.clicks", 0.5))}
    told = decided(champion, candidate, days=6.9), decided(champion, candidate, days=7.0)
    seen = [
        decide(PLAN, [phase(champion, candidate, days=days)], measured) for measured in (6.9, 7.0)
    ]
    assert [each.kind for each in seen] == [each.kind for each in told]
    assert [each.comparisons for each in seen] == [each.comparisons for each in told]
    running, ended = (each.novelty[0] for each in seen)
    assert (running.p_value, running.changes, ended.changes) == (None, True, True)
    assert ended.p_value is not None
    assert ended.change == pytest.approx(-0.5)
    assert not any(each.novelty for each in told)
