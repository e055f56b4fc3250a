from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.experiments import horizon, sample_size
from recommender_operator.experiments.estimates import Pair
from recommender_operator.experiments.experiment_metrics import Metric
from recommender_operator.experiments.horizon import Outcome
from recommender_operator.experiments.plan import Goal, Phase, Plan, Primary

CTR, RETURN, FALLBACKS = Metric.CLICK_THROUGH_RATE, Metric.RETURN_RATE, Metric.FALLBACK_SHARE
USERS = 1000
ONE = Plan(primary=(Primary(metric=CTR, smallest_effect=0.2),))
TWO = Plan(primary=tuple(Primary(metric=m, smallest_effect=0.2) for m in (CTR, RETURN)))
PHASE = Phase(
    number=0, weights={"old": 30.0, "new": 10.0}, champion="old", candidate="new", arms={}
)


def seen(z: float, *, against: float = 0.0, metric: Metric = CTR, variance: float = 1.0) -> Pair:
    """Both arms as they are if the gain over `against` has this statistic."""
    sign = -1 if metric is FALLBACKS else 1
    scale = 1 + sign * against
    error = math.sqrt(variance * (1 + scale * scale) / USERS)
    value = scale + sign * z * error
    return Pair(
        metric=metric,
        champion_value=1.0,
        candidate_value=value,
        champion=1.0,
        candidate=value,
        variance_champion=variance,
        variance_candidate=variance,
        champion_users=USERS,
        candidate_users=USERS,
        contributors=USERS,
        covariate=False,
    )


def outcome(plan: Plan, *pairs: Pair) -> Outcome:
    return horizon.read_at_horizon(plan, pairs)[0]


@pytest.mark.parametrize("metric", [CTR, FALLBACKS])
@pytest.mark.parametrize(
    ("z", "expected"),
    [
        (2.0, Outcome.BETTER),
        (1.9, Outcome.UNDECIDED),
        (-1.9, Outcome.UNDECIDED),
        (-2.0, Outcome.WORSE),
    ],
)
def test_one_metric_is_tested_at_both_ends(metric: Metric, z: float, expected: Outcome) -> None:
    plan = Plan(primary=(Primary(metric=metric, smallest_effect=0.2),))
    assert outcome(plan, seen(z, metric=metric)) is expected


def test_of_two_metrics_the_stronger_one_passes_holms_level() -> None:
    # p = .036: enough for one metric, not for the better one of two.
    assert outcome(ONE, seen(2.1)) is Outcome.BETTER
    assert outcome(TWO, seen(2.1), seen(0.0, metric=RETURN)) is Outcome.UNDECIDED
    assert outcome(TWO, seen(2.3), seen(0.0, metric=RETURN)) is Outcome.BETTER
    assert outcome(TWO, seen(2.3), seen(-2.0, metric=RETURN)) is Outcome.WORSE
    found = horizon.read_at_horizon(TWO, [seen(2.1), seen(0.0, metric=RETURN)])[1]
    assert found[0].p_value == pytest.approx(2 * sample_size.two_sided(2.1))
    assert found[1].p_value == pytest.approx(1.0)


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=2), st.floats(0, 2))
def test_more_evidence_never_makes_an_end_worse(z: list[float], more: float) -> None:
    order = [Outcome.WORSE, Outcome.UNDECIDED, Outcome.BETTER]
    before = outcome(TWO, seen(z[0]), seen(max(0.0, z[1]), metric=RETURN))
    after = outcome(TWO, seen(z[0] + more), seen(max(0.0, z[1]) + more, metric=RETURN))
    assert order.index(after) >= order.index(before)


def test_all_metrics_must_be_no_worse_and_each_at_its_own_level() -> None:
    plan = dataclasses.replace(TWO, goal=Goal.NOT_WORSE)

    def ends(first: float, second: float) -> Outcome:
        pair = seen(first, against=-0.2), seen(second, against=-0.2, metric=RETURN)
        return outcome(plan, *pair)

    assert ends(2.0, 2.0) is Outcome.BETTER
    assert ends(8.0, 1.9) is Outcome.UNDECIDED
    # To be worse is enough in one, so that is corrected for two.
    assert ends(2.0, -2.1) is Outcome.UNDECIDED
    assert ends(2.0, -2.3) is Outcome.WORSE


def test_the_metric_that_needs_most_users_plans() -> None:
    for first, second in ((1.0, 4.0), (4.0, 1.0)):
        pairs = [seen(0.0, variance=first), seen(0.0, metric=RETURN, variance=second)]
        found = horizon.planned(TWO, PHASE, pairs)
        # As if the mean of both values, 1, was that of a champion and of one a fifth higher.
        value = 1 / 1.1
        expected = sample_size.users_per_arm(
            (4.0 * value, 4.8 * value), 0.2 * value, alpha=0.025, power=0.8, share=0.25
        )
        assert (found.champion, found.candidate) == expected
        assert found.fraction == pytest.approx(USERS / max(expected))


@given(
    effect=st.floats(0.01, 0.9),
    champion=st.floats(0.01, 10),
    lower=st.booleans(),
    users=st.tuples(st.integers(100, 10_000), st.integers(100, 10_000)),
)
def test_the_plan_is_that_of_the_true_numbers_if_the_effect_is_the_smallest_one(
    effect: float, champion: float, lower: bool, users: tuple[int, int]
) -> None:
    candidate = champion * (1 - effect if lower else 1 + effect)
    seen_ = dataclasses.replace(
        seen(0.0),
        champion=champion,
        candidate=candidate,
        variance_champion=3 * champion,
        variance_candidate=3 * candidate,
        champion_users=users[0],
        candidate_users=users[1],
    )
    found = horizon.expectation(seen_, effect)
    assert found == pytest.approx((champion, 3 * champion, 3 * candidate))


@given(st.floats(0.2, 5), st.floats(0.2, 5))
def test_chance_in_one_arm_moves_the_plan_as_the_same_chance_in_the_other(
    first: float, second: float
) -> None:
    """Else it would stop where the difference seems small, by chance in one of them."""

    def planned(champion: float, candidate: float) -> tuple[float, float, float]:
        pair = dataclasses.replace(
            seen(0.0),
            champion=champion,
            candidate=candidate,
            variance_champion=champion,
            variance_candidate=candidate,
        )
        return horizon.expectation(pair, 0.0)

    assert planned(first, second) == pytest.approx(planned(second, first))


def test_a_fall_by_more_than_all_is_not_planned_with() -> None:
    plan = Plan(primary=(Primary(metric=FALLBACKS, smallest_effect=1.5),))
    found = horizon.planned(plan, PHASE, [seen(1.0, metric=FALLBACKS)])
    assert 0 < found.champion < sample_size.MAX_USERS


def test_a_loss_that_matters_is_planned_for_with_the_champion_scaled() -> None:
    plan = dataclasses.replace(ONE, goal=Goal.NOT_WORSE)
    found = horizon.planned(plan, PHASE, [seen(0.0)])
    expected = sample_size.users_per_arm((0.64, 1.0), 0.2, alpha=0.05, power=0.8, share=0.25)
    assert (found.champion, found.candidate) == expected


def test_a_promotion_is_futile_if_no_metric_can_still_be_better() -> None:
    hopeless, open_ = seen(-1.0), seen(2.0, metric=RETURN)
    assert horizon.futile(ONE, [hopeless], 0.9)
    assert not horizon.futile(ONE, [hopeless], 0.1)
    assert not horizon.futile(TWO, [hopeless, open_], 0.9)
    assert horizon.futile(TWO, [hopeless, seen(-1.0, metric=RETURN)], 0.9)


def test_a_promotion_is_futile_if_one_metric_cannot_be_shown_to_be_no_worse() -> None:
    plan = dataclasses.replace(TWO, goal=Goal.NOT_WORSE)
    hopeless, fine = seen(-1.0, against=-0.2), seen(3.0, against=-0.2, metric=RETURN)
    assert horizon.futile(plan, [hopeless, fine], 0.9)
    assert not horizon.futile(plan, [seen(2.0, against=-0.2), fine], 0.9)


def test_nothing_is_futile_at_the_end_or_without_any_variance() -> None:
    assert not horizon.futile(ONE, [seen(-1.0)], 1.0)
    assert not horizon.futile(ONE, [seen(0.0, variance=0.0)], 0.5)
