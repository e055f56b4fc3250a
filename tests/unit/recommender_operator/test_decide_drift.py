"""Reactions by cause: drift of both arms retrains, a break of one arm rolls that one back.

The statistics have tests of their own; in most of these an oracle says what they would, and in the
last ones they speak themselves.
"""

from __future__ import annotations

import contextlib
import datetime
from unittest import mock

from recommender_operator import actions as do
from recommender_operator.analysis.verdict import Verdict
from recommender_operator.analysis.window import WindowStats
from recommender_operator.api.status import Stage
from recommender_operator.observed import Baseline
from recommender_operator.phases.stages import windows
from tests.unit.recommender_operator.test_decide_properties import Oracle
from tests.unit.recommender_operator.world import USUAL, Mix, World, spec

DRIFT = {"windowSessions": 20, "consecutiveWindows": 3, "cooldownSeconds": 3600}


def serving(*seeds: int, **sections: object) -> tuple[World, Oracle]:
    """A world that has promoted the seeds, one after the other, and an oracle that is quiet."""
    oracle = Oracle(window=Verdict.INCONCLUSIVE, broken=Verdict.INCONCLUSIVE)
    world = World(spec=spec(drift=DRIFT, **sections))
    with oracle.speaks():
        for seed in seeds or (17,):
            if world.spec.training.seed != seed:
                world.seed(seed)
            world.settle()
    return world, oracle


def look(world: World, oracle: Oracle, times: int) -> None:
    with oracle.speaks():
        for _ in range(times):
            world.tick()
            world.reconcile()
            world.finish_jobs()


def settle(world: World, oracle: Oracle) -> None:
    with oracle.speaks():
        world.settle()


def test_three_shifted_windows_in_a_row_name_the_feature_and_retrain() -> None:
    world, oracle = serving()
    first = world.champion()
    oracle.window = Verdict.FAIL
    look(world, oracle, 2)
    assert world.condition("Drifted") == ("False", "NoShift")
    look(world, oracle, 1)
    assert world.condition("Drifted") == ("True", "Shifted")
    assert "age shifted" in world.message("Drifted")
    assert world.status.retrain is not None
    oracle.window = Verdict.INCONCLUSIVE
    settle(world, oracle)
    assert world.champion() != first
    retrained = world.versions[world.stable()]
    assert retrained.spec.trigger.startswith("Retrain: drift of age")
    assert retrained.spec.training.seed == 17
    assert world.condition("Drifted") == ("False", "Watching")
    assert world.condition("Ready") == ("True", "Settled")


def test_a_champion_alone_waits_for_its_window_and_for_nothing_else() -> None:
    world, oracle = serving()
    with oracle.speaks():
        world.reconcile()
        waiting = world.reconcile()
        assert waiting.actions == ()
        assert waiting.filling is not None
        assert (waiting.filling.version, waiting.filling.needed) == (world.champion(), 20)
        assert waiting.requeue_after == datetime.timedelta(seconds=waiting.filling.pause)
        oracle.window = Verdict.PASS
        started = world.reconcile()
        assert started.filling is not None
        assert (started.filling.counted, started.filling.needed) == (0, 20)
        (saved,) = (a for a in started.actions if isinstance(a, do.SaveBaseline))
        assert saved.samples[world.stable()].keys() == started.filling.start.keys()
    world.seed(3)
    oracle.window = Verdict.INCONCLUSIVE
    look(world, oracle, 2)
    with oracle.speaks():
        # A candidate, and later the probation of the new champion, want whole looks.
        assert world.status.candidate is not None
        assert world.reconcile().filling is None
        world.settle()
        assert world.reconcile().filling is None


def test_one_clean_window_starts_the_count_again() -> None:
    world, oracle = serving()
    for verdict in (Verdict.FAIL, Verdict.FAIL, Verdict.PASS, Verdict.FAIL, Verdict.FAIL):
        oracle.window = verdict
        look(world, oracle, 1)
    assert world.status.retrain is None


def test_drift_clears_only_after_the_same_number_of_clear_windows() -> None:
    world, oracle = serving(retrain={"onDrift": False})
    oracle.window = Verdict.FAIL
    look(world, oracle, 3)
    oracle.window = Verdict.PASS
    look(world, oracle, 2)
    assert world.condition("Drifted")[0] == "True"
    look(world, oracle, 1)
    assert world.condition("Drifted") == ("False", "NoShift")


def test_a_second_reaction_waits_for_the_cooldown() -> None:
    world, oracle = serving()
    oracle.window = Verdict.FAIL
    look(world, oracle, 3)
    token = world.status.retrain
    look(world, oracle, 30)
    assert world.status.retrain == token
    assert "cooldown" in world.message("Drifted")
    for _ in range(31):
        world.tick(120)
        look(world, oracle, 1)
    assert world.status.retrain != token


def test_a_retraining_keeps_the_model_ready() -> None:
    world, oracle = serving()
    oracle.window = Verdict.FAIL
    look(world, oracle, 5)
    assert world.status.candidate is not None
    assert world.condition("Ready") == ("True", "Settled")
    assert world.condition("Progressing")[0] == "True"


def test_without_on_drift_the_condition_has_the_remedy() -> None:
    world, oracle = serving(retrain={"onDrift": False})
    oracle.window = Verdict.FAIL
    look(world, oracle, 5)
    assert world.status.retrain is None
    assert "retrain.onDrift is false" in world.message("Drifted")


def test_a_retraining_ends_when_the_spec_changes_and_is_not_forgotten_when_it_returns() -> None:
    world, oracle = serving()
    oracle.window = Verdict.FAIL
    look(world, oracle, 3)
    oracle.window = Verdict.INCONCLUSIVE
    settle(world, oracle)
    retrained = world.champion()
    world.seed(2)
    settle(world, oracle)
    second = world.versions[world.stable()]
    assert (second.spec.training.seed, second.spec.trigger) == (2, "Spec")
    world.seed(17)
    settle(world, oracle)
    assert world.champion() == retrained


def test_nothing_is_retrained_from_an_outdated_spec() -> None:
    world, oracle = serving(17, 2)
    world.annotations["rollback-to"] = f"{world.status.previous}"
    settle(world, oracle)
    oracle.window = Verdict.FAIL
    look(world, oracle, 5)
    assert world.status.retrain is None
    assert "was not trained from the current spec" in world.message("Drifted")


def canary(world: World, oracle: Oracle, seed: int = 2) -> str:
    world.seed(seed)
    for _ in range(50):
        look(world, oracle, 1)
        candidate = world.status.candidate or ""
        if candidate and world.versions[candidate].status.steps:
            return candidate
    raise AssertionError(world.summary())


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
    assert world.condition("Ready") == ("True", "CandidateRolledBack")
    assert world.condition("UpToDate") == ("False", "CandidateBroken")
    assert world.status.retrain is None, "a broken candidate is no reason to retrain"
    assert world.status.drift.candidate_breaks_in_a_row == 0


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


def test_drift_blocks_the_promotion_of_what_was_trained_before_it() -> None:
    world, oracle = serving(retrain={"onDrift": False})
    oracle.window = Verdict.FAIL
    candidate = canary(world, oracle)
    assert world.condition("Drifted")[0] == "True"
    assert world.status.drift.began > world.versions[candidate].status.data_read
    look(world, oracle, 40)
    assert world.route == {candidate: 100}
    assert world.condition("AnalysisPassed") == ("True", "PromotionBlockedByDrift")
    world.annotations["promote"] = "I know"
    oracle.window = Verdict.INCONCLUSIVE
    settle(world, oracle)
    assert world.champion() == candidate


def test_a_version_trained_after_the_drift_may_be_promoted() -> None:
    world, oracle = serving(retrain={"onDrift": False})
    oracle.window = Verdict.FAIL
    look(world, oracle, 4)
    assert world.condition("Drifted")[0] == "True"
    oracle.window = Verdict.INCONCLUSIVE
    world.seed(2)
    settle(world, oracle)
    assert world.stages()[2] == "Promoted"
    assert world.condition("Drifted") == ("False", "Watching")


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
    assert world.condition("Ready") == ("True", "CandidateRolledBack")
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


OLDER: Mix = dict(USUAL) | {"age": {"0": 0.05, "1": 0.1, "2": 0.35, "3": 0.5}}
NO_GENDER: Mix = {"gender": {"0": 0.2, "1": 0.4, "null": 0.4}}
#: A loss below what fails a step at once, and above what a full window lets pass.
LESS_GENDER: Mix = {"gender": {"0": 0.27, "1": 0.65, "null": 0.08}}


def live(window: int) -> World:
    world = World(spec=spec(drift={"windowSessions": window, "consecutiveWindows": 3}))
    world.settle_served()
    return world


def test_new_users_are_reported_as_drift_which_ends_after_a_retraining() -> None:
    world = live(500)
    first = world.champion()
    world.mix = OLDER
    world.settle_served(80)
    assert world.champion() != first
    retrained = world.versions[world.stable()]
    assert retrained.spec.trigger == "Retrain: drift of age"
    world.settle_served(40)
    assert world.condition("Drifted") == ("False", "NoShift")
    assert world.status.drift.windows > 3


def test_the_same_users_are_no_drift() -> None:
    world = live(500)
    world.settle_served(60)
    assert world.status.drift.windows > 10
    assert world.condition("Drifted") == ("False", "NoShift")
    assert world.status.retrain is None


def test_a_candidate_that_loses_a_feature_is_rolled_back_and_nothing_is_retrained() -> None:
    world = live(5000)
    world.broken_mix[2] = NO_GENDER
    world.seed(2)
    world.settle_served(60)
    assert world.stages() == {17: "Promoted", 2: "RolledBack"}
    assert world.condition("Ready") == ("True", "CandidateRolledBack")
    assert world.condition("UpToDate") == ("False", "AnalysisFailed")
    assert "gender" in world.message("Ready")
    (step,) = next(v for v in world.versions.values() if v.spec.training.seed == 2).status.steps
    assert step.weight == 10
    assert world.status.retrain is None


def test_a_candidate_that_loses_a_little_is_rolled_back_after_three_windows() -> None:
    world = live(500)
    world.edit(
        rollout={"steps": [{"weight": 50}, {"weight": 100}]},
        analysis={"stepSeconds": 600, "deadlineSeconds": 6000, "intervalSeconds": 5},
    )
    world.broken_mix[2] = LESS_GENDER
    world.seed(2)
    world.settle_served(150)
    assert world.stages() == {17: "Promoted", 2: "RolledBack"}
    assert world.condition("Ready") == ("True", "CandidateRolledBack")
    assert world.condition("UpToDate") == ("False", "CandidateBroken")
    assert "gender" in world.message("Ready")
    assert world.status.retrain is None


def test_a_break_that_short_steps_missed_is_detected_after_the_promotion() -> None:
    world = live(500)
    world.edit(rollout={"steps": [{"weight": 10}, {"weight": 100}]})
    first = world.champion()
    world.broken_mix[2] = LESS_GENDER
    world.seed(2)
    world.settle_served(80)
    assert world.champion() == first
    assert world.condition("Ready") == ("True", "CandidateRolledBack")
    assert world.condition("UpToDate") == ("False", "BrokenAfterPromotion")
    assert world.stages()[2] == "RolledBack"
    assert world.status.retrain is None


def test_a_candidate_that_fits_the_new_users_is_the_cure_and_starts_no_retraining() -> None:
    world = live(500)
    world.edit(
        rollout={"steps": [{"weight": 50}, {"weight": 100}]},
        analysis={"stepSeconds": 300, "deadlineSeconds": 6000, "intervalSeconds": 5},
    )
    world.mix = OLDER
    world.seed(2)
    world.settle_served(50)
    assert world.status.retrain is None
    assert world.condition("Drifted")[0] == "False"
    assert world.stages()[2] == "Canary"
    world.settle_served(90)
    assert world.versions[world.stable()].spec.training.seed == 2


def test_a_window_whose_start_could_not_be_kept_says_so_and_is_tried_again_after_a_while() -> None:
    world, oracle = serving()
    key = windows.drift_key(world.stable())
    failed = Baseline(key=key, taken_at=world.now, samples={}, error="too large")
    world.baselines[key] = failed
    oracle.window = Verdict.PASS
    look(world, oracle, 1)
    assert world.condition("Drifted") == ("Unknown", "Error")
    assert "could not be stored: too large" in world.message("Drifted")
    assert world.baselines[key] == failed
    world.now += datetime.timedelta(minutes=5)
    look(world, oracle, 2)
    assert world.baselines[key].samples
    assert world.condition("Drifted")[0] == "False"


def test_counters_that_are_only_remembered_are_not_judged_for_drift() -> None:
    """They are without those of the features."""
    world, oracle = serving()
    name = world.stable()
    key = windows.drift_key(name)
    samples = {name: world.observe().samples[name]}
    world.baselines[key] = Baseline(key=key, taken_at=world.now, samples=samples, error="refused")
    oracle.window = Verdict.FAIL
    look(world, oracle, 4)
    assert world.condition("Drifted") == ("Unknown", "Error")
    assert "could not be stored: refused" in world.message("Drifted")


def test_a_break_window_whose_start_could_not_be_kept_is_tried_again_after_a_while() -> None:
    world, oracle = serving()
    name = canary(world, oracle)
    key = windows.break_key(world.versions[name])
    world.baselines[key] = Baseline(key=key, taken_at=world.now, samples={}, error="too large")
    look(world, oracle, 1)
    assert world.baselines[key].error
    # Looks come at their pace: in the model's time a gap between two counts for little.
    for _ in range(40):
        world.now += datetime.timedelta(seconds=10)
        look(world, oracle, 1)
    assert not world.baselines[key].error


def losing(count: int = 1) -> contextlib.AbstractContextManager[object]:
    """Let every window have lost the counters of so many pods."""
    return mock.patch.object(WindowStats, "lost", property(lambda _: count))


def test_a_window_that_lost_counters_shows_a_shift_but_never_its_absence() -> None:
    world, oracle = serving()
    oracle.window = Verdict.FAIL
    look(world, oracle, 2)
    with losing():
        oracle.window = Verdict.PASS
        look(world, oracle, 3)
        assert world.condition("Drifted")[0] == "False"
        oracle.window = Verdict.FAIL
        look(world, oracle, 1)
    assert world.condition("Drifted")[0] == "True"


def test_a_break_is_not_judged_against_a_version_that_lost_counters() -> None:
    world, oracle = serving()
    candidate = canary(world, oracle)
    oracle.broken = Verdict.FAIL
    with losing():
        look(world, oracle, 6)
    assert world.versions[candidate].status.stage == "Canary"
    assert world.status.drift.candidate_breaks_in_a_row == 0
