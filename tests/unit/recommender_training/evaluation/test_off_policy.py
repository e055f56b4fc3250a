from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from recommender_training.common.arrays import Doubles
from recommender_training.evaluation.off_policy import Estimate, Log, Method, estimate_value

SEEDS = st.integers(0, 2**31)
#: Two contexts, three actions: what each version draws, and the mean reward.
LOGGING = np.array([[0.6, 0.3, 0.1], [0.2, 0.2, 0.6]])
TARGET = np.array([[0.1, 0.2, 0.7], [0.5, 0.5, 0.0]])
REWARD = np.array([[0.1, 0.3, 0.5], [0.4, 0.2, 0.1]])
TRUTH = float((TARGET * REWARD).sum(axis=1).mean())


def logged(
    seed: int, users: int, *, rows: int = 3, model: Doubles | None = None, taste: float = 0.3
) -> Log:
    """Draw decisions of users who differ in how easily they click."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(users), rows)
    context = rng.integers(2, size=len(user))
    action = (rng.random(len(user))[:, None] > LOGGING[context].cumsum(axis=1)).sum(axis=1)
    ease = (1 + rng.uniform(-taste, taste, users))[user]
    reward = (rng.random(len(user)) < REWARD[context, action] * ease).astype(float)
    return Log(
        user=user,
        propensity=LOGGING[context, action],
        target=TARGET[context, action],
        reward=reward,
        predicted=None if model is None else model[context, action],
        expected=None if model is None else (TARGET * model).sum(axis=1)[context],
    )


def exact(model: Doubles) -> Log:
    """Every context and action as often as the logging version draws it, in 100 rows."""
    cells = [
        (c, a)
        for c, a in itertools.product(range(2), range(3))
        for _ in range(round(50 * LOGGING[c, a]))
    ]
    context, action = np.array(cells).T
    return Log(
        user=np.arange(len(cells)),
        propensity=LOGGING[context, action],
        target=TARGET[context, action],
        reward=REWARD[context, action],
        predicted=model[context, action],
        expected=(TARGET * model).sum(axis=1)[context],
    )


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize("model", [REWARD, np.zeros((2, 3)), 1 - REWARD])
def test_over_all_that_can_be_drawn_every_estimate_is_the_truth(
    method: Method, model: Doubles
) -> None:
    found = estimate_value(exact(model), method)
    assert found.value == pytest.approx(TRUTH)
    assert found.mean_weight == pytest.approx(1.0)
    assert found.supported


@pytest.mark.parametrize("method", list(Method))
def test_intervals_cover_the_truth_as_often_as_they_say(method: Method) -> None:
    model = REWARD + np.array([[0.1, -0.1, 0.0], [0.0, 0.1, 0.2]])
    found = [estimate_value(logged(seed, 400, model=model), method) for seed in range(500)]
    covered = [(e.low or 0) <= TRUTH <= (e.high or 0) for e in found]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.03)
    assert all(e.supported for e in found)
    # And the errors are as large as they say.
    errors = np.array([e.standard_error for e in found])
    assert np.std([e.value for e in found]) == pytest.approx(errors.mean(), rel=0.1)


def test_rows_of_users_who_are_alike_count_less() -> None:
    log = logged(1, 300, rows=20, taste=0.9)
    alone = dataclasses.replace(log, user=np.arange(len(log.user)))
    clustered = estimate_value(log, Method.IPS)
    assert clustered.value == pytest.approx(estimate_value(alone, Method.IPS).value)
    assert clustered.standard_error > 1.1 * estimate_value(alone, Method.IPS).standard_error


def test_the_standard_error_is_that_of_the_bootstrap_over_users() -> None:
    log = logged(2, 800)
    weight = log.weight
    above, below = (np.bincount(log.user, weights=v) for v in (weight * log.reward, weight))
    drawn = stats.bootstrap(
        (above, below),
        lambda a, b, axis: a.sum(axis=axis) / b.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=2000,
        rng=np.random.default_rng(1),
    )
    found = estimate_value(log, Method.SNIPS)
    assert found.standard_error == pytest.approx(drawn.standard_error, rel=0.08)
    assert found.low == pytest.approx(drawn.confidence_interval.low, abs=0.01)


@given(SEEDS, st.floats(-5, 5), st.floats(0.1, 10))
def test_the_self_normalised_estimate_follows_any_unit_and_zero_of_the_reward(
    seed: int, zero: float, unit: float
) -> None:
    log = logged(seed, 100)
    other = dataclasses.replace(log, reward=zero + unit * log.reward)
    found, expected = estimate_value(other, Method.SNIPS), estimate_value(log, Method.SNIPS)
    assert found.value == pytest.approx(zero + unit * expected.value, abs=1e-9)
    assert found.standard_error == pytest.approx(unit * expected.standard_error, abs=1e-9)


@given(SEEDS)
def test_without_a_model_the_doubly_robust_estimate_is_the_inverse_propensity_one(
    seed: int,
) -> None:
    log = logged(seed, 60, model=np.zeros((2, 3)))
    assert estimate_value(log, Method.DOUBLY_ROBUST) == estimate_value(log, Method.IPS)


@given(SEEDS)
def test_a_version_that_chooses_as_the_logging_one_earns_what_was_earned(seed: int) -> None:
    log = logged(seed, 60)
    same = dataclasses.replace(log, target=log.propensity)
    for method in (Method.IPS, Method.SNIPS):
        assert estimate_value(same, method).value == pytest.approx(log.reward.mean())
    assert estimate_value(same, Method.IPS).effective_rows == pytest.approx(len(log.user))


@given(SEEDS)
def test_the_order_of_the_rows_and_the_names_of_the_users_do_not_matter(seed: int) -> None:
    log = logged(seed, 60, model=REWARD)
    order = np.random.default_rng(seed).permutation(len(log.user))
    moved = Log(**{name: values[order] for name, values in vars(log).items()})
    moved = dataclasses.replace(moved, user=10**12 - moved.user)
    for method in Method:
        before, after = estimate_value(log, method), estimate_value(moved, method)
        for field in dataclasses.fields(Estimate):
            assert getattr(after, field.name) == pytest.approx(getattr(before, field.name))


def test_a_model_of_the_reward_narrows_the_interval() -> None:
    log = logged(3, 2000, model=REWARD)
    errors = {method: estimate_value(log, method).standard_error for method in Method}
    assert errors[Method.DOUBLY_ROBUST] < errors[Method.SNIPS] < errors[Method.IPS]


def test_actions_that_were_never_drawn_are_noticed() -> None:
    log = logged(4, 2000)
    # The logging version never drew the third action of the first context, which 35 % of the new
    # version's decisions are.
    kept = log.propensity != 0.1
    some = Log(**{n: v[kept] for n, v in vars(log).items() if v is not None})
    assert estimate_value(log, Method.SNIPS).supported
    assert not estimate_value(some, Method.SNIPS).supported


def test_few_rows_or_users_have_no_interval() -> None:
    few_users = estimate_value(logged(5, 40, rows=50), Method.IPS)
    few_rows = estimate_value(logged(5, 60, rows=1), Method.IPS)
    one_user = estimate_value(logged(5, 1, rows=500), Method.IPS)
    for found in (few_users, few_rows, one_user):
        assert (found.low, found.high) == (None, None)
    assert one_user.standard_error == math.inf


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("propensity", 0.0),
        ("propensity", 1.5),
        ("propensity", math.nan),
        ("target", -0.1),
        ("target", 1.1),
        ("reward", math.inf),
        ("predicted", math.nan),
    ],
)
def test_a_number_that_cannot_be_is_refused_by_its_name(field: str, value: float) -> None:
    log = logged(6, 10, model=REWARD)
    bad = np.array(getattr(log, field))
    bad[3] = value
    with pytest.raises(ValueError, match=field):
        dataclasses.replace(log, **{field: bad})


def test_arrays_that_do_not_fit_are_refused() -> None:
    log = logged(6, 10, model=REWARD)
    with pytest.raises(ValueError, match="reward"):
        dataclasses.replace(log, reward=log.reward[1:])
    with pytest.raises(ValueError, match="go together"):
        dataclasses.replace(log, predicted=None)
    nobody = np.zeros(0)
    with pytest.raises(ValueError, match="not one value"):
        Log(user=nobody.astype(int), propensity=nobody, target=nobody, reward=nobody)
    with pytest.raises(ValueError, match="needs predicted"):
        estimate_value(logged(6, 10), Method.DOUBLY_ROBUST)
    with pytest.raises(ValueError, match="none of the logged"):
        estimate_value(dataclasses.replace(log, target=np.zeros(30)), Method.IPS)
