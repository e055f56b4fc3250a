"""Users with many sessions: neither drift nor a break by themselves, and they hide neither."""

import dataclasses

import numpy as np
import pytest

from recommender_operator.analysis.counter_window import WindowStats
from recommender_operator.analysis.drift import Verdict, evaluate_break, evaluate_window
from tests.unit.recommender_operator.analysis.test_drift import (
    SPEC,
    USUAL,
    counted,
    evenly,
    lower_scores,
    window,
)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def test_few_users_with_many_sessions_each_are_not_drift() -> None:
    """Each user has one age and ten sessions: a tenth as many independent ages as sessions."""
    rng = np.random.default_rng(6)
    alarms = {1.0: 0, 10.0: 0}
    for _ in range(100):
        users = counted(rng, {"age": USUAL["age"]}, 50), counted(rng, {"age": USUAL["age"]}, 200)
        seen, reference = ({b: 10 * n for b, n in u["age"].items()} for u in users)
        for design_effect in alarms:
            # Ten sessions of each user in the reference and in the window alike.
            effects = {"age": 1 + (design_effect - 1) * 1999 / 499}
            stats = WindowStats(
                sessions=500,
                features={"age": seen},
                reference={"age": reference},
                design_effects=effects,
            )
            alarms[design_effect] += evaluate_window(SPEC, stats).verdict is Verdict.FAIL
    assert alarms[1.0] > 50
    assert alarms[10.0] <= 2


def test_users_who_lack_an_attribute_are_neither_drift_nor_a_break() -> None:
    """Of each user all ten sessions lack the age, or none."""
    rng = np.random.default_rng(7)
    share = {"age": {"0": 0.9, "null": 0.1}}
    alarms = {effect: [0, 0] for effect in (1.0, 10.0)}
    for _ in range(100):
        seen, stable, known = (
            {b: 10 * n for b, n in counted(rng, share, users)["age"].items()}
            for users in (50, 50, 200)
        )
        for effect, found in alarms.items():
            candidate, other = (
                WindowStats(
                    sessions=500,
                    features={"age": bins},
                    reference={"age": known},
                    # Ten sessions of each user in the reference and in the window alike.
                    missing_design_effects={"age": 1 + (effect - 1) * 1999 / 499},
                )
                for bins in (seen, stable)
            )
            found[0] += evaluate_window(SPEC, candidate).verdict is Verdict.FAIL
            found[1] += evaluate_break(SPEC, candidate, other).verdict is Verdict.FAIL
    assert min(alarms[1.0]) > 10
    assert max(alarms[10.0]) <= 2


def test_a_lost_attribute_is_found_where_some_users_never_stated_it(
    rng: np.random.Generator,
) -> None:
    usual = {**USUAL, "age": evenly(10, null=0.05)}
    lost = {**USUAL, "age": evenly(10, null=0.3)}
    known, effects = counted(rng, usual, 5000), {"age": 6.0}
    there, here = (
        dataclasses.replace(window(rng, shares, known), missing_design_effects=effects)
        for shares in (usual, lost)
    )
    assert evaluate_window(SPEC, here).features[0].name == "age"
    assert evaluate_break(SPEC, here, there).features[0].name == "age"
    assert evaluate_break(SPEC, there, there).verdict is Verdict.PASS


def of_one_heavy_user(rng: np.random.Generator, effect: float, lost: float) -> WindowStats:
    """Users with three sessions each, of whom one has fifty and alone states no age."""
    sessions = np.r_[np.full(600, 3), 50]
    drawn = rng.permutation(np.repeat(np.arange(601), sessions))[:500]
    null = int(((drawn == 600) | (rng.random(500) < lost)).sum())
    return WindowStats(
        sessions=500,
        features={"age": {"0": 500 - null, "null": null}},
        reference={"age": {"0": 1800, "null": 50}},
        missing_design_effects={"age": effect},
    )


@pytest.mark.parametrize("effect", [334.0, 1e6])
@pytest.mark.parametrize("lost", [0.3, 1.0])
def test_one_user_with_all_nulls_of_the_training_hides_no_broken_candidate(
    effect: float, lost: float
) -> None:
    """Without a bound, the window is worth less than three sessions and nothing is found."""
    rng = np.random.default_rng(8)
    for _ in range(20):
        broken, whole = (of_one_heavy_user(rng, effect, share) for share in (lost, 0.0))
        assert evaluate_window(SPEC, broken).verdict is Verdict.FAIL
        assert evaluate_break(SPEC, broken, whole).verdict is Verdict.FAIL


def test_one_user_with_all_nulls_of_the_training_is_neither_drift_nor_a_break() -> None:
    rng, alarms = np.random.default_rng(9), [0, 0]
    for _ in range(200):
        one, other = (of_one_heavy_user(rng, 334.0, 0.0) for _ in range(2))
        alarms[0] += evaluate_window(SPEC, one).verdict is Verdict.FAIL
        alarms[1] += evaluate_break(SPEC, one, other).verdict is Verdict.FAIL
    assert max(alarms) <= 2


@pytest.mark.parametrize("lacking", [0, 1])
def test_users_who_lack_an_attribute_are_no_break_beside_a_version_of_an_earlier_release(
    lacking: int,
) -> None:
    """Only one of the two references knows how alike the sessions of a user are."""
    rng, alarms, share = np.random.default_rng(7), 0, {"age": {"0": 0.9, "null": 0.1}}
    for _ in range(100):
        arms = [
            WindowStats(
                sessions=500,
                features={"age": {b: 10 * n for b, n in counted(rng, share, 50)["age"].items()}},
                reference={"age": {"0": 1800, "null": 200}},
                missing_design_effects={} if arm == lacking else {"age": 1 + 9 * 1999 / 499},
            )
            for arm in range(2)
        ]
        alarms += evaluate_break(SPEC, *arms).verdict is Verdict.FAIL
    assert alarms <= 1


def test_arms_of_few_users_each_are_no_break() -> None:
    """A candidate with 50 of 2,000 users: all of their sessions, ten of each."""
    rng, share = np.random.default_rng(7), {"age": {"0": 0.9, "null": 0.1}}
    alarms = {1.0: 0, 0.025: 0}
    for _ in range(100):
        arms = [
            {b: 10 * n for b, n in counted(rng, share, 50)["age"].items()},
            counted(rng, share, 500)["age"],
        ]
        for of_users in alarms:
            candidate, stable = (
                WindowStats(
                    sessions=500,
                    features={"age": bins},
                    reference={"age": {"0": 18_000, "null": 2_000}},
                    missing_design_effects={"age": 10.0},
                    user_share=users,
                )
                for bins, users in zip(arms, (of_users, 1.0), strict=True)
            )
            alarms[of_users] += evaluate_break(SPEC, candidate, stable).verdict is Verdict.FAIL
    assert alarms[0.025] <= 1 < 5 < alarms[1.0]


@pytest.mark.parametrize("effect", [20.0, 1e6])
def test_a_break_is_found_at_any_design_effect_even_in_the_smallest_window(
    rng: np.random.Generator, effect: float
) -> None:
    """No sample is rounded to no sessions, which would be no test and so a pass."""
    spec = SPEC.model_copy(update={"window_sessions": 20})
    for sessions in (20, 60, 500):
        lost = {**USUAL, "gender": {"null": 1.0}}
        here, there = (
            dataclasses.replace(
                window(rng, shares, sessions=sessions),
                missing_design_effects=dict.fromkeys(USUAL, effect),
            )
            for shares in (lost, USUAL)
        )
        assert evaluate_window(spec, here).verdict is Verdict.FAIL
        assert evaluate_break(spec, here, there).verdict is Verdict.FAIL


def test_a_score_break_is_found_at_any_design_effect(rng: np.random.Generator) -> None:
    broken = {**USUAL, "top_score": lower_scores(2)}
    here, there = (
        dataclasses.replace(window(rng, shares), design_effects={"top_score": 1e6})
        for shares in (broken, USUAL)
    )
    assert evaluate_break(SPEC, here, there).features[0].name == "top_score"
