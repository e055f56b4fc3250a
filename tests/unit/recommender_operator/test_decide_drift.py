"""Drift of both versions retrains the model."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from recommender_operator import actions as do
from recommender_operator.analysis.step_verdict import Verdict
from recommender_operator.observed import Baseline
from recommender_operator.rollout import counter_windows
from tests.unit.recommender_operator.drift_worlds import (
    DRIFT,
    canary,
    live,
    look,
    losing,
    serving,
    settle,
)
from tests.unit.recommender_operator.simulation.counters import USUAL, Mix


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
        # A candidate, and later the probation of the new champion, require whole looks.
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


@pytest.mark.parametrize(
    "edit", [{"paused": True}, {"retrain": {"drift": {**DRIFT, "enabled": False}}}, {"pin": True}]
)
def test_a_cooldown_keeps_its_time_while_paused_pinned_or_disabled(edit: dict[str, Any]) -> None:
    world, oracle = serving()
    oracle.window = Verdict.FAIL
    look(world, oracle, 3)
    oracle.window = Verdict.INCONCLUSIVE
    settle(world, oracle)
    assert world.status.clock is not None
    world.edit(**({"rollbackTo": world.champion()} if "pin" in edit else edit))
    look(world, oracle, 3)
    before = world.status.clock
    assert before is not None
    # The wall clock jumps over the rest of the cooldown.
    world.now += datetime.timedelta(hours=2)
    look(world, oracle, 1)
    assert world.status.clock is not None
    assert world.status.clock.time - before.time < datetime.timedelta(minutes=30)


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


def test_drift_blocks_the_promotion_of_versions_trained_before_it() -> None:
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
    assert world.second_stage == "Promoted"
    assert world.condition("Drifted") == ("False", "Watching")


OLDER: Mix = dict(USUAL) | {"age": {"0": 0.05, "1": 0.1, "2": 0.35, "3": 0.5}}


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


def test_unchanged_users_are_not_drift() -> None:
    world = live(500)
    world.settle_served(60)
    assert world.status.drift.windows > 10
    assert world.condition("Drifted") == ("False", "NoShift")
    assert world.status.retrain is None


def test_a_candidate_that_fits_the_new_users_is_the_cure_and_starts_no_retraining() -> None:
    world = live(500)
    world.edit(
        rollout={
            "steps": [{"weight": 50}, {"weight": 100}],
            "analysis": {"stepSeconds": 300, "deadlineSeconds": 6000, "intervalSeconds": 5},
        },
    )
    world.mix = OLDER
    world.seed(2)
    world.settle_served(50)
    assert world.status.retrain is None
    assert world.condition("Drifted")[0] == "False"
    assert world.second_stage == "Canary"
    world.settle_served(90)
    assert world.versions[world.stable()].spec.training.seed == 2


def test_a_window_whose_start_cannot_be_stored_is_reported_and_retried_later() -> None:
    world, oracle = serving()
    key = counter_windows.drift_key(world.stable())
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
    """These counters lack those of the features."""
    world, oracle = serving()
    name = world.stable()
    key = counter_windows.drift_key(name)
    samples = {name: world.observe().samples[name]}
    world.baselines[key] = Baseline(key=key, taken_at=world.now, samples=samples, error="refused")
    oracle.window = Verdict.FAIL
    look(world, oracle, 4)
    assert world.condition("Drifted") == ("Unknown", "Error")
    assert "could not be stored: refused" in world.message("Drifted")


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
