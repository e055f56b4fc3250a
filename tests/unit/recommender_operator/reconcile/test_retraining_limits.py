"""Limits of the retrainings of all models, which one model's decision does not see."""

from __future__ import annotations

import dataclasses
import datetime

import pytest

from recommender_operator.actions import Decision
from recommender_operator.analysis.step_verdict import Verdict
from recommender_operator.api.status import RecommenderModelStatus, RetrainStatus, Stage
from recommender_operator.observed import JobKind, JobState, Observed
from recommender_operator.reconcile.retraining_limits import GONE, STARTING, Retrainings
from recommender_operator.resources import names
from tests.unit.recommender_operator.drift_worlds import look, serving
from tests.unit.recommender_operator.resources import builder_inputs

NOW = datetime.datetime(2026, 11, 27, tzinfo=datetime.UTC)
SETTLING = 300.0
HOUR = datetime.timedelta(hours=1)


def _job(name: str) -> JobState:
    return JobState(kind=JobKind.TRAIN, version=f"{name}-new", attempt=0, phase="Running")


class Fleet:
    """Models that all want to retrain, whose decisions go through the limits."""

    def __init__(self, at_once: int = 0, per_day: int = 0) -> None:
        self.now = NOW
        self.statuses: dict[str, RecommenderModelStatus] = {}
        self.full: dict[str, str] = {}
        self.finished = False
        #: Models whose Jobs cannot start, and whether no status can be written.
        self.waiting: set[str] = set()
        self.refuses = False
        self.decide = Retrainings(self._decide, at_once, per_day, SETTLING)

    def _decide(self, observed: Observed, now: datetime.datetime) -> Decision:
        name, status = observed.model.name, observed.model.status
        # Where there is no room, it is asked once more what it would do with room.
        self.full[name] = observed.retrainings_full or self.full.get(name, "")
        if not observed.retrainings_full and status.stage is Stage.SERVING:
            spec = observed.model.spec
            retrain = RetrainStatus(
                token=f"{now}",
                reason="drift",
                requested_at=now,
                spec_hash=names.spec_hash(spec.data, spec.training),
            )
            update = {"retrain": retrain, "stage": Stage.TRAINING, "candidate": f"{name}-new"}
            status = status.model_copy(update=update)
        return Decision(actions=(), status=status, finished=self.finished)

    def look(self, name: str) -> bool:
        """Look at a model; return whether it trains after it."""
        status = self.statuses.get(name) or RecommenderModelStatus(stage=Stage.SERVING)
        model = dataclasses.replace(builder_inputs.model(), name=name, status=status)
        jobs = () if name in self.waiting else (_job(name),)
        status = self.decide(Observed(model=model, jobs=jobs), self.now).status
        if not self.refuses:
            self.statuses[name] = status
        return status.stage is Stage.TRAINING

    def settle(self) -> None:
        """Let the time pass in which nothing retrains by itself."""
        self.statuses["first"] = RecommenderModelStatus(stage=Stage.CANARY)
        assert not self.look("first")
        assert "knows what other models train" in self.full["first"]
        self.now += datetime.timedelta(seconds=SETTLING)


def test_so_many_models_train_at_once_and_no_more() -> None:
    fleet = Fleet(at_once=2)
    fleet.settle()
    assert [fleet.look(name) for name in ("a", "b", "c")] == [True, True, False]
    assert "2 other models train" in fleet.full["c"]


def test_an_ended_training_makes_room() -> None:
    fleet = Fleet(at_once=1)
    fleet.settle()
    assert fleet.look("a")
    assert not fleet.look("b")
    fleet.now += STARTING
    status = fleet.statuses["a"].model_copy(update={"stage": Stage.CANARY})
    fleet.statuses["a"] = status
    fleet.look("a")
    assert fleet.look("b")


def test_the_model_that_waits_longest_is_next() -> None:
    fleet = Fleet(at_once=1)
    fleet.settle()
    assert fleet.look("a")
    assert not fleet.look("z")
    fleet.now += STARTING
    assert not fleet.look("b")
    fleet.statuses["a"] = fleet.statuses["a"].model_copy(update={"stage": Stage.CANARY})
    fleet.look("a")
    assert not fleet.look("b")
    assert "wait longer" in fleet.full["b"]
    assert fleet.look("z")
    assert not fleet.look("b")


def test_a_model_that_is_gone_or_content_holds_no_place() -> None:
    fleet = Fleet(at_once=1)
    fleet.settle()
    assert fleet.look("a")
    assert not fleet.look("z")
    fleet.now += STARTING
    for name in ("a", "z"):
        status = fleet.statuses[name].model_copy(update={"stage": Stage.CANARY})
        fleet.statuses[name] = status
        fleet.look(name)
    assert fleet.look("b")


def test_a_model_whose_job_cannot_start_keeps_no_room() -> None:
    fleet = Fleet(at_once=1)
    fleet.settle()
    fleet.waiting.add("a")
    assert fleet.look("a")
    assert not fleet.look("b"), "its Job may still start"
    fleet.now += STARTING
    fleet.look("a")
    assert fleet.look("b")


def test_a_retraining_of_another_spec_keeps_no_room() -> None:
    fleet = Fleet(at_once=1)
    fleet.settle()
    assert fleet.look("a")
    retrain = fleet.statuses["a"].retrain
    assert retrain is not None
    void = retrain.model_copy(update={"spec_hash": "0a"})
    fleet.statuses["a"] = fleet.statuses["a"].model_copy(update={"retrain": void})
    fleet.look("a")
    assert fleet.look("b")


def test_decisions_that_could_not_be_stored_count_once_at_most() -> None:
    fleet = Fleet(per_day=2)
    fleet.settle()
    fleet.refuses = True
    for _ in range(5):
        assert fleet.look("a")
        fleet.now += datetime.timedelta(seconds=10)
    fleet.refuses = False
    assert fleet.look("a")
    assert fleet.look("b")
    assert not fleet.look("c")


def test_so_many_start_in_a_day_whether_or_not_they_have_ended() -> None:
    fleet = Fleet(per_day=2)
    fleet.settle()
    assert [fleet.look(name) for name in ("a", "b", "c")] == [True, True, False]
    assert "2 in 24 hours" in fleet.full["c"]
    for name in ("a", "b"):
        fleet.statuses[name] = fleet.statuses[name].model_copy(update={"stage": Stage.CANARY})
    for _ in range(24 * 12 + 1):
        fleet.now += HOUR / 12
        fleet.look("a")
        fleet.look("b")
    assert fleet.look("c")


def test_a_model_that_is_gone_keeps_no_room() -> None:
    fleet = Fleet(at_once=1)
    fleet.settle()
    assert fleet.look("a")
    fleet.now += (GONE + 1) * datetime.timedelta(seconds=SETTLING)
    assert fleet.look("b")
    fleet.finished = True
    fleet.look("b")
    fleet.finished = False
    assert fleet.look("c"), "b is deleted"


def test_without_limits_every_model_may_train_from_the_start() -> None:
    fleet = Fleet()
    assert all(fleet.look(f"m{place}") for place in range(20))


@pytest.mark.parametrize("full", ["none while 2 other models train", ""])
def test_a_confirmed_drift_waits_for_room_and_says_so(full: str) -> None:
    world, oracle = serving()
    world.retrainings_full = full
    oracle.window = Verdict.FAIL
    look(world, oracle, 3)
    assert world.condition("Drifted") == ("True", "Shifted")
    assert (world.status.retrain is None) == bool(full)
    assert world.message("Drifted").endswith(full or "a retraining starts")
