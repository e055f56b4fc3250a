"""A break of the schema freezes retraining, for a time; and what ends with the monitor."""

from __future__ import annotations

import datetime

import pytest

from recommender_operator.analysis import schema_break
from recommender_operator.analysis.counter_window import WindowStats
from recommender_operator.analysis.step_verdict import Verdict
from tests.unit.recommender_operator.drift_worlds import DRIFT, canary, look, serving
from tests.unit.recommender_operator.test_decide_properties import Oracle
from tests.unit.recommender_operator.world import World


class Pipeline:
    """What the sessions lack, once the champion's first window is over."""

    lacks: tuple[str, ...] = ()

    def broken(self, _: WindowStats, rise: float = schema_break.RISE) -> tuple[str, ...]:
        return self.lacks if rise == schema_break.RISE else ()


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    fake = Pipeline()
    monkeypatch.setattr(schema_break, "broken", fake.broken)
    return fake


def _broken(pipeline: Pipeline) -> tuple[World, Oracle]:
    world, oracle = serving()
    pipeline.lacks = ("age",)
    oracle.window = Verdict.FAIL
    look(world, oracle, 5)
    assert world.condition("Drifted") == ("True", "SchemaBroken")
    return world, oracle


def test_a_break_of_the_schema_on_both_arms_trains_nothing(pipeline: Pipeline) -> None:
    world, _ = _broken(pipeline)
    assert "most sessions lack age" in world.message("Drifted")
    assert "repair what sends them" in world.message("Drifted")
    assert world.status.retrain is None
    assert world.status.drift.began > 0


def test_the_window_that_contains_the_repair_starts_no_retraining(pipeline: Pipeline) -> None:
    world, oracle = _broken(pipeline)
    pipeline.lacks = ()
    look(world, oracle, 2)
    assert world.condition("Drifted") == ("True", "SchemaBroken")
    assert world.status.retrain is None
    look(world, oracle, 1)
    assert world.condition("Drifted") == ("True", "Shifted")
    assert world.status.retrain is not None


def test_a_freeze_ends_with_time_and_then_a_break_alone_retrains_once_per_cooldown(
    pipeline: Pipeline,
) -> None:
    """A field that is null for good hides every shift of the others."""
    world, oracle = _broken(pipeline)
    for _ in range(24):
        world.tick(3500)
        look(world, oracle, 1)
    assert world.condition("Drifted") == ("True", "SchemaBroken")
    assert world.status.retrain is None
    world.tick(3500)
    look(world, oracle, 1)
    assert world.condition("Drifted") == ("True", "SchemaBroken")
    assert "repair what sends them" not in world.message("Drifted")
    assert world.status.retrain is not None
    first = world.status.drift.reacted_at
    look(world, oracle, 5)
    assert world.status.drift.reacted_at == first


def test_a_candidate_is_held_by_a_break_no_longer_than_it_freezes(pipeline: Pipeline) -> None:
    world, oracle = serving()
    candidate = canary(world, oracle)
    pipeline.lacks = ("age",)
    oracle.window = Verdict.FAIL
    look(world, oracle, 60)
    assert world.condition("AnalysisPassed") == ("True", "PromotionBlockedByDrift")
    oracle.window = Verdict.INCONCLUSIVE
    drift = world.status.drift
    assert drift.broken_since is not None
    since = drift.broken_since - datetime.timedelta(days=1)
    drift = drift.model_copy(update={"broken_since": since})
    world.status = world.status.model_copy(update={"drift": drift})
    look(world, oracle, 3)
    assert world.champion() == candidate


@pytest.mark.parametrize("ended_by", ["rollback", "promotion"])
def test_a_break_outlasts_its_champion(pipeline: Pipeline, ended_by: str) -> None:
    world, oracle = serving(17, 2)
    former = world.champion()
    pipeline.lacks = ("age",)
    oracle.window = Verdict.FAIL
    look(world, oracle, 5)
    assert world.condition("Drifted") == ("True", "SchemaBroken")
    began, since = world.status.drift.began, world.status.drift.broken_since
    oracle.window = Verdict.INCONCLUSIVE
    if ended_by == "rollback":
        world.annotations["rollback-to"] = next(n for n in world.versions if n != former)
    else:
        canary(world, oracle, 3)
        world.annotations["promote"] = "1"
    for _ in range(80):
        look(world, oracle, 1)
        if world.champion() != former:
            break
    assert world.champion() != former
    look(world, oracle, 2)
    assert world.condition("Drifted") == ("True", "SchemaBroken")
    drift = world.status.drift
    assert (drift.began, drift.broken_since, drift.windows) == (began, since, 0)
    assert "most sessions lack age" in world.message("Drifted")
    oracle.window = Verdict.PASS
    look(world, oracle, 3)
    assert world.condition("Drifted")[0] == "False"


def test_without_the_monitor_nothing_is_frozen_and_no_count_is_left(pipeline: Pipeline) -> None:
    world, oracle = _broken(pipeline)
    reacted_at = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    drift = world.status.drift.model_copy(update={"reacted_at": reacted_at})
    world.status = world.status.model_copy(update={"drift": drift})
    world.edit(retrain={"afterSnapshots": 1, "drift": DRIFT | {"enabled": False}})
    look(world, oracle, 1)
    drift = world.status.drift
    assert (drift.breaches_in_a_row, drift.cause, drift.began) == (0, "", 0)
    assert drift.reacted_at == reacted_at
    assert world.condition("Drifted") == ("Unknown", "Disabled")
