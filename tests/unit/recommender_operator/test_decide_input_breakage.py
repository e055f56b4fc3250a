"""A break of one version rolls that version back, and nothing is retrained."""

from __future__ import annotations

import datetime
from unittest import mock

from recommender_operator.analysis.step_verdict import Verdict
from recommender_operator.api.status import Stage
from recommender_operator.observed import Baseline
from recommender_operator.rollout import counter_windows
from tests.unit.recommender_operator.drift_worlds import (
    canary,
    live,
    look,
    losing,
    serving,
    settle,
)
from tests.unit.recommender_operator.experiment_worlds import PLAN
from tests.unit.recommender_operator.simulation.counters import Mix

#: An experiment splits the users.
SPLIT = {"serving": {"impressions": 1}, "rollout": {"experiment": PLAN}}


def test_a_break_of_only_the_candidate_rolls_it_back_after_three_windows() -> None:
    world, oracle = serving()
    candidate = canary(world, oracle)
    oracle.broken = Verdict.FAIL
    look(world, oracle, 1)
    for _ in range(2):
        assert world.versions[candidate].status.stage == "Canary"
        look(world, oracle, 1)
    look(world, oracle, 1)
    assert world.versions[candidate].status.stage == "RolledBack"
    settle(world, oracle)
    assert world.condition("Ready") == ("True", "Serving")
    assert world.condition("UpToDate") == ("False", "CandidateBroken")
    assert world.status.retrain is None, "a broken candidate is no reason to retrain"
    assert world.status.drift.candidate_breaks_in_a_row == 0


def test_the_share_of_the_users_of_each_version_decides_how_alike_its_sessions_are() -> None:
    for sections, shares in ({}, (1.0, 1.0)), (SPLIT, (0.1, 0.9)):
        world, oracle = serving(**sections)
        canary(world, oracle)
        with mock.patch.object(oracle, "_evaluate_break", wraps=oracle._evaluate_break) as asked:
            look(world, oracle, 2)
        _, ours, theirs = asked.call_args.args
        assert (ours.user_share, theirs.user_share) == shares


def test_a_step_does_not_pass_while_a_break_is_suspected() -> None:
    world, oracle = serving()
    candidate = canary(world, oracle)
    oracle.broken = Verdict.FAIL
    look(world, oracle, 2)
    assert world.status.drift.candidate_breaks_in_a_row > 0
    oracle.broken = Verdict.INCONCLUSIVE
    look(world, oracle, 20)
    assert world.route[candidate] == 10
    assert "break of the candidate only" in world.message("AnalysisPassed")
    oracle.broken = Verdict.PASS
    look(world, oracle, 2)
    oracle.broken = Verdict.INCONCLUSIVE
    settle(world, oracle)
    assert world.champion() == candidate


def test_a_break_after_the_promotion_returns_to_the_kept_version() -> None:
    world, oracle = serving(17, 2)
    first, second = world.status.previous, world.status.champion
    oracle.broken = Verdict.FAIL
    look(world, oracle, 3)
    assert world.route == {first: 100}
    assert world.champion() == first
    assert world.versions[second or ""].status.stage == "RolledBack"
    settle(world, oracle)
    assert world.status.consecutive_rollbacks == 1
    assert world.condition("Ready") == ("True", "Serving")
    assert world.condition("UpToDate") == ("False", "BrokenAfterPromotion")
    assert world.status.stage is Stage.SERVING


def test_a_break_long_after_the_promotion_does_not_roll_back() -> None:
    world, oracle = serving(17, 2)
    oracle.window = Verdict.PASS
    look(world, oracle, 2 * 3)
    oracle.broken = Verdict.FAIL
    look(world, oracle, 10)
    assert world.versions[world.stable()].spec.training.seed == 2


def test_a_break_after_the_promotion_needs_a_warm_version_to_return_to() -> None:
    world, oracle = serving(17, 2)
    world.services[world.status.previous or ""].ready = False
    oracle.broken = Verdict.FAIL
    look(world, oracle, 6)
    assert world.versions[world.stable()].spec.training.seed == 2


NO_GENDER: Mix = {"gender": {"0": 0.2, "1": 0.4, "null": 0.4}}


#: A loss too small to fail a step at once, and too large for a full window to pass.
LESS_GENDER: Mix = {"gender": {"0": 0.27, "1": 0.65, "null": 0.08}}


def test_a_candidate_that_loses_a_feature_is_rolled_back_and_nothing_is_retrained() -> None:
    world = live(5000)
    world.broken_mix[2] = NO_GENDER
    world.seed(2)
    world.settle_served(60)
    assert world.stages() == {17: "Promoted", 2: "RolledBack"}
    assert world.condition("Ready") == ("True", "Serving")
    assert world.condition("UpToDate") == ("False", "AnalysisFailed")
    assert "gender" in world.message("UpToDate")
    (step,) = next(v for v in world.versions.values() if v.spec.training.seed == 2).status.steps
    assert step.weight == 10
    assert world.status.retrain is None


def test_a_candidate_that_loses_a_little_is_rolled_back_after_three_windows() -> None:
    world = live(500)
    world.edit(
        rollout={
            "steps": [{"weight": 50}, {"weight": 100}],
            "analysis": {"stepSeconds": 600, "deadlineSeconds": 6000, "intervalSeconds": 5},
        },
    )
    world.broken_mix[2] = LESS_GENDER
    world.seed(2)
    world.settle_served(150)
    assert world.stages() == {17: "Promoted", 2: "RolledBack"}
    assert world.condition("Ready") == ("True", "Serving")
    assert world.condition("UpToDate") == ("False", "CandidateBroken")
    assert "gender" in world.message("UpToDate")
    assert world.status.retrain is None


def test_a_break_that_short_steps_missed_is_detected_after_the_promotion() -> None:
    world = live(500)
    world.edit(rollout={"steps": [{"weight": 10}, {"weight": 100}]})
    first = world.champion()
    world.broken_mix[2] = LESS_GENDER
    world.seed(2)
    world.settle_served(80)
    assert world.champion() == first
    assert world.condition("Ready") == ("True", "Serving")
    assert world.condition("UpToDate") == ("False", "BrokenAfterPromotion")
    assert world.second_stage == "RolledBack"
    assert world.status.retrain is None


def test_a_break_window_whose_start_cannot_be_stored_is_retried_later() -> None:
    world, oracle = serving()
    name = canary(world, oracle)
    key = counter_windows.break_key(world.versions[name])
    world.baselines[key] = Baseline(key=key, taken_at=world.now, samples={}, error="too large")
    look(world, oracle, 1)
    assert world.baselines[key].error
    # Looks at their usual interval: model time hardly counts a longer gap.
    for _ in range(40):
        world.now += datetime.timedelta(seconds=10)
        look(world, oracle, 1)
    assert not world.baselines[key].error


def test_a_break_is_not_judged_against_a_version_that_lost_counters() -> None:
    world, oracle = serving()
    candidate = canary(world, oracle)
    oracle.broken = Verdict.FAIL
    with losing():
        look(world, oracle, 6)
    assert world.versions[candidate].status.stage == "Canary"
    assert world.status.drift.candidate_breaks_in_a_row == 0
