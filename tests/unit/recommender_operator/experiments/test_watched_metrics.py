"""Failed and slow requests and the items of a group, of simulated users who differ.

Users who are active, whose requests often fail, or who like the group make most of the sums, so
requests and items are not independent. Seeds are fixed, and limits are three standard errors.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

from recommender_operator.experiments import harm, sample_size
from recommender_operator.experiments.arm_moments import Moments
from recommender_operator.experiments.decision import Kind, decide
from recommender_operator.experiments.estimates import Pair, pair
from recommender_operator.experiments.experiment_metrics import Metric
from recommender_operator.experiments.plan import Guardrail, Phase, Plan, Primary
from tests.unit.recommender_operator.experiments.users import Floats, Users, drawn, moments

RUNS, USERS, LOOKS = 300, 1000, 8
ERRORS, SLOW = Metric.ERROR_RATE, Metric.SLOW_SHARE
SHOWN, EXCESS = Metric.GROUP_EXPOSURE, Metric.GROUP_EXCESS
WATCHED = (ERRORS, SLOW, SHOWN, EXCESS)
PRIMARY = (Primary(metric=Metric.CLICK_THROUGH_RATE, smallest_effect=0.2),)


def users_of(rng: np.random.Generator, count: int, gain: float = 1.0) -> dict[str, Floats]:
    """Users whose requests fail, are slow and show the group `gain` times as often."""
    requests = rng.poisson(rng.gamma(1.0, 8.0, count))
    errors = rng.binomial(requests, np.minimum(1, gain * rng.beta(0.5, 9.5, count)))
    slow = errors + rng.binomial(requests - errors, np.minimum(1, gain * rng.beta(1, 9, count)))
    shown = 10 * requests
    grouped = rng.binomial(shown, np.minimum(1, gain * rng.beta(2, 18, count)))
    found = {
        "errors": errors, "grouped": grouped, "requests": requests, "shown": shown, "slow": slow,
    }  # fmt: skip
    return {name: values.astype(float) for name, values in found.items()}


def known(metric: Metric, champion: Users, candidate: Users) -> Pair:
    found = pair(metric, moments(champion), moments(candidate))
    assert found is not None
    return found


def runs(gain: float = 1.0) -> Iterator[tuple[Users, Users]]:
    rng = np.random.default_rng(20261201)
    for _ in range(RUNS):
        yield users_of(rng, USERS), users_of(rng, USERS, gain)


def test_without_a_difference_the_test_has_its_level_and_the_interval_covers() -> None:
    counts = dict.fromkeys(WATCHED, 0)
    naive = 0
    for champion, candidate in runs():
        for metric in WATCHED:
            found = known(metric, champion, candidate)
            rejects = sample_size.two_sided(found.z()) <= 0.05
            counts[metric] += rejects
            low, high = found.interval(sample_size.critical(0.05))
            assert low is not None
            assert high is not None
            assert rejects is not (low <= 0 <= high)
        naive += abs(independent(champion, candidate)) > sample_size.critical(0.05)
    error = 3 * math.sqrt(0.05 * 0.95 / RUNS)
    assert {m: abs(n / RUNS - 0.05) <= error for m, n in counts.items()} == dict.fromkeys(
        WATCHED, True
    )
    assert naive / RUNS > 0.12, "requests of a user are alike, so they must not count one by one"


def independent(champion: Users, candidate: Users) -> float:
    """The statistic of errors for a test that takes requests for independent."""
    (a, n), (b, m) = (
        (each["errors"].sum(), each["requests"].sum()) for each in (champion, candidate)
    )
    both = (a + b) / (n + m)
    return float((b / m - a / n) / math.sqrt(both * (1 - both) * (1 / n + 1 / m)))


@pytest.mark.parametrize("gain", [1.6, 0.55])
def test_an_injected_difference_is_found_with_its_sign(gain: float) -> None:
    found = dict.fromkeys(WATCHED, 0)
    for champion, candidate in runs(gain):
        for metric in WATCHED:
            tested = known(metric, champion, candidate)
            better = (gain > 1) is (metric is SHOWN)
            significant = sample_size.two_sided(tested.z()) <= 0.05
            found[metric] += significant and (tested.z() > 0) is better
    assert {metric: count / RUNS > 0.9 for metric, count in found.items()} == dict.fromkeys(
        WATCHED, True
    )


@pytest.mark.parametrize("metric", WATCHED)
def test_a_loss_of_the_limit_is_rarely_called_harm_at_any_look(metric: Metric) -> None:
    loss = 0.25
    primary = (Primary(metric=metric, smallest_effect=0.2),)
    plan = Plan(primary=primary, guardrails=(Guardrail(metric=metric, largest_loss=loss),))
    gain = 1 - loss if metric is SHOWN else 1 + loss
    rng = np.random.default_rng(7)
    count, times = 0, 100
    for _ in range(times):
        arms = [users_of(rng, 2000), users_of(rng, 2000, gain)]
        count += any(
            watched(plan, metric, *(until(arm, look) for arm in arms)).harmful
            for look in range(1, LOOKS + 1)
        )
    assert count / times <= 0.05


def until(users: Users, look: int) -> Moments:
    """The users who came before a look."""
    first = len(users["requests"]) * look // LOOKS
    return moments({name: values[:first] for name, values in users.items()})


def watched(plan: Plan, metric: Metric, champion: Moments, candidate: Moments) -> harm.Watched:
    return harm.watch(plan, champion, candidate)[metric]


@pytest.mark.parametrize("metric", WATCHED)
def test_a_loss_far_beyond_the_limit_rolls_back(metric: Metric) -> None:
    plan = Plan(
        primary=PRIMARY, guardrails=(Guardrail(metric=metric, largest_loss=0.1),), min_days=0
    )
    rng = np.random.default_rng(3)
    gain = 0.4 if metric is SHOWN else 2.5
    arms = [
        moments(drawn(seed, USERS) | users_of(rng, USERS, by))
        for seed, by in ((1, 1.0), (2, gain))
    ]
    found = decide(plan, [phase_of(*arms)], days=1)
    assert found.kind is Kind.ROLL_BACK
    assert str(metric) in found.message


@pytest.mark.parametrize("metric", WATCHED)
def test_users_of_whom_nothing_is_known_do_not_look_fast_or_without_errors(
    metric: Metric,
) -> None:
    rng = np.random.default_rng(5)
    told = users_of(rng, USERS)
    silent = {name: np.concatenate([values, np.zeros(USERS)]) for name, values in told.items()}
    found = known(metric, told, silent)
    assert found.candidate_value == pytest.approx(found.champion_value)
    nothing = {name: np.zeros(USERS) for name in told}
    assert pair(metric, moments(told), moments(nothing)) is None


@pytest.mark.parametrize("metric", WATCHED)
def test_a_version_of_which_nothing_is_reported_is_never_promoted(metric: Metric) -> None:
    plan = Plan(
        primary=PRIMARY, guardrails=(Guardrail(metric=metric, largest_loss=0.5),), min_days=0
    )
    rng = np.random.default_rng(11)
    champion = moments(drawn(1, 9000) | users_of(rng, 9000))
    silent = {name: np.zeros(9000) for name in users_of(rng, 1)}
    clicks = drawn(2, 9000, click=0.2)
    promoted = decide(plan, [phase_of(champion, moments(clicks | users_of(rng, 9000)))], days=8)
    assert promoted.kind is Kind.PROMOTE
    assert decide(plan, [phase_of(champion, moments(clicks | silent))], days=8).kind is (
        Kind.INCONCLUSIVE
    )


def phase_of(champion: Moments, candidate: Moments) -> Phase:
    return Phase(
        number=0, weights={"champion": 50, "candidate": 50}, champion="champion",
        candidate="candidate", arms={"champion": champion, "candidate": candidate},
    )  # fmt: skip
