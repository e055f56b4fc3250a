"""Further versions are compared with the champion and withdrawn alone."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.experiments import horizon
from recommender_operator.experiments.arm_moments import Moments
from recommender_operator.experiments.decision import Decision, Kind, decide
from recommender_operator.experiments.experiment_metrics import Metric
from recommender_operator.experiments.extra_arm_tests import Arm
from recommender_operator.experiments.horizon import Outcome
from recommender_operator.experiments.plan import Goal, Guardrail, Phase, Plan, Primary
from tests.unit.recommender_operator.experiments.users import arm

CTR, REVENUE = Metric.CLICK_THROUGH_RATE, Metric.REVENUE_PER_USER
PLAN = Plan(
    primary=(Primary(metric=CTR, smallest_effect=0.2),),
    guardrails=(Guardrail(metric=REVENUE, largest_loss=0.3),),
    weight=20,
    further=2,
)
NOT_WORSE = dataclasses.replace(PLAN, goal=Goal.NOT_WORSE)
USERS = 6000
#: Drawn once for each seed and rates, because tests share most arms.
users = functools.cache(arm)


def phase(arms: Mapping[str, Moments], further: tuple[str, ...] = ("b", "c")) -> Phase:
    weights = dict.fromkeys(("new", "b", "c"), 20.0) | {"old": 40.0}
    return Phase(
        number=1, weights=weights, champion="old", candidate="new", arms=arms, further=further
    )


def moments(
    clicks: Mapping[str, float], buys: Mapping[str, float] | None = None
) -> dict[str, Moments]:
    """Arms whose users click and buy with these rates, 0.1 if none is given."""
    sizes = {"old": 2 * USERS, "new": USERS, "b": USERS, "c": USERS}
    return {
        name: users(seed, size, click=clicks.get(name, 0.1), buy=(buys or {}).get(name, 0.1))
        for seed, (name, size) in enumerate(sizes.items(), start=1)
    }


def decided(
    clicks: Mapping[str, float],
    *,
    plan: Plan = PLAN,
    days: float = 7.0,
    buys: Mapping[str, float] | None = None,
    further: tuple[str, ...] = ("b", "c"),
) -> Decision:
    return decide(plan, [phase(moments(clicks, buys), further)], days)


def of(found: Decision, version: str) -> Arm:
    (own,) = [each for each in found.further if each.version == version]
    return own


def test_a_candidate_that_beats_the_champion_is_promoted_though_another_version_does_too() -> None:
    found = decided({"new": 0.15, "b": 0.15})
    assert found.kind is Kind.PROMOTE
    assert of(found, "b").passed
    assert not of(found, "b").ahead, "it is not better than the candidate beyond chance"
    assert of(found, "c").outcome is Outcome.UNDECIDED


def test_a_candidate_that_is_worse_than_a_better_version_is_not_promoted() -> None:
    found = decided({"new": 0.13, "b": 0.2})
    assert (found.kind, found.final) == (Kind.INCONCLUSIVE, True)
    assert "it passed its test" in found.message
    assert "but b is better than the candidate too: ClickThroughRate 0.2" in found.message
    assert of(found, "b").ahead


@pytest.mark.parametrize(
    ("rate", "kind"), [(0.1, Kind.INCONCLUSIVE), (0.085, Kind.ROLL_BACK)]
)  # fmt: skip
def test_if_only_another_version_wins_the_verdict_on_the_candidate_names_it(
    rate: float, kind: Kind
) -> None:
    # A wide limit, so that the loss is read at the end and not before.
    plan = dataclasses.replace(PLAN, guardrails=(Guardrail(metric=CTR, largest_loss=0.5),))
    found = decided({"new": rate, "b": 0.15}, plan=plan)
    assert found.kind is kind
    assert "b passed its test against the champion: ClickThroughRate" in found.message
    alone = decided({"new": rate}, plan=plan)
    assert alone.kind is kind
    assert "passed" not in alone.message


def test_a_version_that_harms_is_withdrawn_and_is_no_verdict_on_the_candidate() -> None:
    found = decided({"b": 0.05}, days=1.0)
    assert found.kind is Kind.KEEP_RUNNING
    assert "worse by more than 0.0%, beyond chance over all looks" in of(found, "b").harmed
    assert not of(found, "c").harmed
    guarded = decided({}, buys={"c": 0.02}, days=1.0)
    assert guarded.kind is Kind.KEEP_RUNNING
    assert "RevenuePerUser" in of(guarded, "c").harmed


def test_on_the_ramp_a_version_that_harms_is_withdrawn_too() -> None:
    arms = moments({"b": 0.05}) | {"old": arm(1, 7 * USERS)}
    weights = {"old": 70.0, "new": 10.0, "b": 10.0, "c": 10.0}
    ramp = dataclasses.replace(phase(arms), weights=weights)
    found = decide(PLAN, [ramp], 0.0)
    assert found.message.startswith("ramp")
    assert of(found, "b").harmed


def test_a_version_that_fails_a_guardrail_wins_nothing() -> None:
    plan = dataclasses.replace(PLAN, guardrails=(Guardrail(metric=REVENUE, largest_loss=0.01),))
    found = decided({"new": 0.1, "b": 0.15}, plan=plan, buys={"b": 0.092})
    assert of(found, "b").outcome is Outcome.BETTER
    assert not of(found, "b").passed


def test_a_version_for_which_the_champion_answered_wins_nothing() -> None:
    lost = dataclasses.replace(phase(moments({"new": 0.1, "b": 0.15})), disagreed={"b": 10**6})
    found = decide(PLAN, [lost], 7.0)
    assert not of(found, "b").passed
    assert of(found, "b").disagreed == 10**6


def test_a_withdrawn_version_is_not_compared_but_its_users_fit_the_sample_ratio() -> None:
    found = decided({"new": 0.15, "b": 0.01}, further=("c",))
    assert found.kind is Kind.PROMOTE
    assert [each.version for each in found.further] == ["c"]
    without = {name: each for name, each in moments({}).items() if name != "b"}
    assert decide(PLAN, [phase(without, ("c",))], 7.0).kind is Kind.BLOCKED


def test_a_mismatch_in_any_version_blocks_and_withdraws_nobody() -> None:
    arms = moments({"c": 0.05}) | {"b": arm(9, USERS // 2)}
    found = decide(PLAN, [phase(arms)], 7.0)
    assert found.kind is Kind.BLOCKED
    assert found.further == ()


def test_users_of_a_further_version_are_no_users_of_the_candidate() -> None:
    found = decided({"b": 0.3, "c": 0.3})
    assert set(found.users) == {"old", "new"}
    assert found.comparisons[0].candidate_users == USERS
    assert found.comparisons[0].champion_users == 2 * USERS


def test_low_traffic_is_inconclusive_for_all_versions() -> None:
    few = {name: arm(seed, 60) for seed, name in enumerate(("old", "new", "b", "c"))}
    even = dataclasses.replace(phase(few), weights=dict.fromkeys(few, 25.0))
    plan = dataclasses.replace(PLAN, weight=24.9)
    assert decide(plan, [even], 1.0).kind is Kind.KEEP_RUNNING
    found = decide(plan, [even], plan.max_days)
    assert found.kind is Kind.INCONCLUSIVE
    assert not any(each.passed or each.harmed for each in found.further)


@pytest.mark.parametrize("goal", list(Goal))
def test_more_versions_need_more_users(goal: Goal) -> None:
    alone = dataclasses.replace(PLAN, goal=goal, further=0)
    arms = moments({})
    pair = {name: arms[name] for name in ("old", "new")}
    needed = []
    for plan in (alone, dataclasses.replace(PLAN, goal=goal)):
        seen = decide(
            plan, [dataclasses.replace(phase(arms), arms=pair, weights={"old": 2, "new": 1})], 1.0
        )
        assert seen.planned_users is not None
        needed.append(seen.planned_users["new"])
    assert needed[0] * 1.2 < needed[1]


@given(
    st.lists(st.sampled_from([0.07, 0.09, 0.1, 0.12, 0.16]), min_size=3, max_size=3),
    st.sampled_from(list(Goal)),
    st.integers(0, 2),
)
def test_no_version_is_called_better_that_a_test_of_its_own_does_not_call_so(
    rates: list[float], goal: Goal, left_out: int
) -> None:
    plan = dataclasses.replace(PLAN, goal=goal)
    alone = dataclasses.replace(plan, further=0)
    arms = moments(dict(zip(("new", "b", "c"), rates, strict=True)))
    pairs = [horizon.pairs(plan, arms["old"], arms[name]) for name in ("new", "b", "c")]
    known = [each for each in pairs if each is not None][left_out:]
    least = []
    for each, (outcome, comparisons) in zip(known, horizon.read_all(plan, known), strict=True):
        own, separate = horizon.read_at_horizon(alone, each)
        assert outcome in (own, Outcome.UNDECIDED)
        for together, apart in zip(comparisons, separate, strict=True):
            assert together.p_value is not None
            assert apart.p_value is not None
            assert together.p_value >= apart.p_value
            least.append((apart.p_value, together.p_value))
    if least:
        plain, corrected = min(least)
        assert corrected == pytest.approx(min(1.0, 3 * plain)), "three versions are planned"


def test_a_plan_leaves_the_champion_users() -> None:
    with pytest.raises(ValueError, match="no users left"):
        dataclasses.replace(PLAN, weight=34)
