from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from recommender_operator.experiments import confidence_sequences, harm
from recommender_operator.experiments.arm_moments import NONE, Moments
from recommender_operator.experiments.estimates import pair
from recommender_operator.experiments.experiment_metrics import Metric
from recommender_operator.experiments.plan import Goal, Guardrail, Plan, Primary
from tests.unit.recommender_operator.experiments.users import arm, drawn, moments, scaled

CTR, REVENUE, FALLBACKS = (
    Metric.CLICK_THROUGH_RATE,
    Metric.REVENUE_PER_USER,
    Metric.FALLBACK_SHARE,
)
ALONE = Plan(primary=(Primary(metric=CTR, smallest_effect=0.2),))
GUARDED = dataclasses.replace(ALONE, guardrails=(Guardrail(metric=REVENUE, largest_loss=0.3),))


def test_a_primary_metric_may_lose_nothing_unless_the_plan_says_so() -> None:
    assert harm.limits(ALONE) == {CTR: 0.0}
    assert harm.limits(GUARDED) == {REVENUE: 0.3, CTR: 0.0}
    assert harm.limits(dataclasses.replace(ALONE, goal=Goal.NOT_WORSE)) == {CTR: 0.2}
    own = dataclasses.replace(ALONE, guardrails=(Guardrail(metric=CTR, largest_loss=0.1),))
    assert harm.limits(own) == {CTR: 0.1}


def test_the_level_is_split_over_all_metrics() -> None:
    champion, candidate = arm(1, 2000), arm(2, 2000)
    found = pair(CTR, champion, candidate)
    assert found is not None
    for plan, alpha in ((ALONE, 0.05), (GUARDED, 0.025)):
        most = confidence_sequences.multiplier(4000, alpha)
        compared = harm.watch(plan, champion, candidate)[CTR].comparison
        assert (compared.low, compared.high) == found.interval(most)
        assert compared.always_valid
        assert compared.p_value is None


@pytest.mark.parametrize(("click", "harmful"), [(0.1, False), (0.06, True), (0.2, False)])
def test_what_is_worse_beyond_chance_is_harmful(click: float, harmful: bool) -> None:
    found = harm.watch(ALONE, arm(1, 3000), arm(2, 3000, click=click))[CTR]
    assert found.harmful is harmful
    assert found.comparison.high is not None
    assert (found.comparison.high < 0) is harmful


def test_more_fallbacks_are_harmful_and_fewer_are_not() -> None:
    plan = dataclasses.replace(ALONE, guardrails=(Guardrail(metric=FALLBACKS, largest_loss=0.5),))
    for by, harmful in ((3.0, True), (1.1, False), (0.2, False)):
        candidate = moments(scaled(drawn(2, 5000), "fallbacks", by))
        found = harm.watch(plan, arm(1, 5000), candidate)[FALLBACKS]
        assert found.harmful is harmful
        assert found.within is not harmful


@pytest.mark.parametrize(
    ("users", "by", "within"), [(5000, 0, True), (99, 0, False), (5000, 1, False)]
)
def test_a_candidate_without_fallbacks_is_within_the_limit_beside_a_champion_without_any(
    users: int, by: int, within: bool
) -> None:
    plan = dataclasses.replace(ALONE, guardrails=(Guardrail(metric=FALLBACKS, largest_loss=0.5),))
    champion = moments(scaled(drawn(1, 5000), "fallbacks", 0))
    candidate = moments(scaled(drawn(2, users), "fallbacks", by))
    found = harm.watch(plan, champion, candidate)[FALLBACKS]
    assert found.within is within
    assert not found.harmful or by


def few(users: int, events: int, *, of_one: int = 1) -> Moments:
    """Moments of users with three answers each and so many fallbacks, `of_one` of a user."""
    square = float(events * of_one)
    return Moments(
        users=users,
        sums={"answers": 3.0 * users, "fallbacks": float(events)},
        products={
            "answers*answers": 9.0 * users,
            "answers*fallbacks": 3.0 * events,
            "fallbacks*fallbacks": square,
        },
    )


@pytest.mark.parametrize(
    ("champion", "candidate", "of_one", "within"),
    [
        (0, 0, 1, True),
        (0, 1, 1, True),
        (3, 5, 1, True),
        (0, 5, 1, True),
        (0, 8, 1, False),
        (3, 16, 1, False),
        (0, 8, 4, True),
        (0, 100, 1, False),
    ],
)
def test_a_rare_bad_event_vetoes_only_beyond_chance(
    champion: int, candidate: int, of_one: int, within: bool
) -> None:
    plan = dataclasses.replace(ALONE, guardrails=(Guardrail(metric=FALLBACKS, largest_loss=0.5),))
    arms = few(5000, champion), few(5000, candidate, of_one=of_one)
    assert harm.watch(plan, *arms)[FALLBACKS].within is within


@pytest.mark.parametrize(("spread", "heavy"), [(300, 200), (1000, 900)])
def test_one_user_with_many_bad_events_does_not_hide_those_of_many_others(
    spread: int, heavy: int
) -> None:
    plan = dataclasses.replace(ALONE, guardrails=(Guardrail(metric=FALLBACKS, largest_loss=0.1),))
    candidate = few(20_000, spread + heavy)
    square = float(spread + heavy**2)
    products = {**candidate.products, "fallbacks*fallbacks": square}
    skewed = dataclasses.replace(candidate, products=products)
    assert not harm.watch(plan, few(20_000, 20), skewed)[FALLBACKS].within


def vetoed(by: float, events: float, seed: int) -> float:
    """Share of experiments in which fallbacks veto; the champion is expected to have `events`."""
    plan = dataclasses.replace(ALONE, guardrails=(Guardrail(metric=FALLBACKS, largest_loss=0.5),))
    rng = np.random.default_rng(seed)
    drawn_ = rng.poisson((events, events * by), (2000, 2))
    looks = (harm.watch(plan, few(5000, int(a)), few(5000, int(b))) for a, b in drawn_)
    return float(np.mean([not look[FALLBACKS].within for look in looks]))


@pytest.mark.parametrize(("events", "caught"), [(5, 0.75), (10, 0.95)])
def test_rare_events_catch_a_harmful_candidate_and_spare_one_at_the_limit(
    events: float, caught: float
) -> None:
    assert vetoed(5.0, events, seed=1) > caught
    assert vetoed(1.5, events, seed=2) < 0.065, "at the limit: the level and three errors"
    assert vetoed(1.0, events, seed=3) < 0.02


def test_a_loss_within_the_limit_is_not_harmful_however_sure_it_is() -> None:
    candidate = moments(scaled(drawn(2, 50_000), "revenue", 0.8))
    found = harm.watch(GUARDED, arm(1, 50_000), candidate)[REVENUE]
    assert found.comparison.high is not None
    assert found.comparison.high < 0
    assert not found.harmful
    assert found.within


def test_few_users_show_no_harm_and_no_interval() -> None:
    for count in (2, 99):
        found = harm.watch(ALONE, arm(1, 5000), arm(2, count, click=0.001))[CTR]
        assert not found.harmful
        assert (found.comparison.low, found.comparison.high) == (None, None)
    nobody = harm.watch(ALONE, arm(1, 5000), NONE)[CTR]
    assert (nobody.harmful, nobody.within, nobody.comparison.candidate) == (False, False, None)
