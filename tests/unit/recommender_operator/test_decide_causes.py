"""What the operator does for each cause of drift, and that a dry run only tells."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

from recommender_operator.analysis import schema_break
from recommender_operator.analysis.verdict import Verdict
from recommender_operator.observed import CollectorReading
from tests.unit.recommender_operator.analysis.label_worlds import Shop, body
from tests.unit.recommender_operator.drift_worlds import DRIFT, canary, look, serving, settle
from tests.unit.recommender_operator.test_decide_properties import Oracle
from tests.unit.recommender_operator.world import World

USUAL, SWAPPED = Shop(), Shop(now_young=0.05, now_old=0.2)
FEWER = Shop(now_young=0.13, now_old=0.0325)


@functools.cache
def _days(after: Shop, windows: int) -> tuple[dict[str, Any], ...]:
    rng = np.random.default_rng(1)
    return tuple(shop.day(rng)[0] for shop in [USUAL] * 7 + [after] * windows)


def labelled(world: World, after: Shop, windows: int = 3) -> None:
    """Let the collector tell of a usual first week, and of other days after it."""
    answer = body(list(_days(after, windows))) | {"version": world.champion()}
    world.outcomes = CollectorReading(body=answer)


def _serving(**drift: object) -> tuple[World, Oracle]:
    world, oracle = serving()
    world.edit(drift=DRIFT | drift)
    settle(world, oracle)
    return world, oracle


def test_a_rise_of_the_loss_alone_retrains_and_says_by_how_much() -> None:
    world, oracle = _serving()
    labelled(world, SWAPPED, 2)
    look(world, oracle, 1)
    assert world.condition("Drifted")[0] == "False"
    labelled(world, SWAPPED)
    look(world, oracle, 1)
    assert world.condition("Drifted") == ("True", "LossRose")
    assert "beyond what the probabilities explain" in world.message("Drifted")
    assert world.message("Drifted").endswith("Reaction: a retraining starts")
    assert world.status.retrain is not None
    assert world.status.retrain.reason == "drift of the loss"
    labels = world.status.drift.labels
    assert labels is not None
    assert (labels.cause, labels.breaches_in_a_row, labels.windows) == ("LossRise", 3, 3)
    assert str(labels.through) == "2024-10-14 00:00:00+00:00"


def test_a_drift_of_the_calibration_retrains_because_nothing_else_recalibrates() -> None:
    world, oracle = _serving()
    labelled(world, FEWER)
    look(world, oracle, 1)
    assert world.condition("Drifted") == ("True", "CalibrationDrifted")
    assert world.status.retrain is not None
    assert world.status.drift.began == 0, "a candidate is no worse for its age"


def test_usual_labels_are_no_drift() -> None:
    world, oracle = _serving()
    labelled(world, USUAL)
    look(world, oracle, 3)
    assert world.condition("Drifted")[0] == "False"
    assert world.status.retrain is None
    assert world.status.drift.labels is not None
    assert world.status.drift.labels.verdict == "Pass"


def test_a_rise_of_the_loss_blocks_versions_that_were_trained_before_it() -> None:
    world, oracle = _serving()
    candidate = canary(world, oracle)
    labelled(world, SWAPPED)
    look(world, oracle, 1)
    drift = world.status.drift
    assert drift.began > 0
    assert world.versions[candidate].status.data_read < drift.began


@pytest.mark.parametrize(
    "reading",
    [
        CollectorReading(error="its users cannot be read: gone"),
        CollectorReading(body={"version": "other-0a1b2c3d", "days": []}),
        CollectorReading(body={"days": 5}),
        "of no date",
    ],
    ids=["down", "of another version", "no answer", "of no date"],
)
def test_an_answer_that_cannot_be_used_is_told_and_changes_nothing(
    reading: CollectorReading | str,
) -> None:
    world, oracle = _serving()
    labelled(world, SWAPPED, 1)
    look(world, oracle, 1)
    if isinstance(reading, str):
        assert world.outcomes is not None
        days = [day | {"day": 10**14} for day in world.outcomes.body["days"]]
        reading = CollectorReading(body=world.outcomes.body | {"days": days})
    world.outcomes = reading
    look(world, oracle, 1)
    labels = world.status.drift.labels
    assert labels is not None
    assert (labels.verdict, labels.windows, labels.breaches_in_a_row) == ("Error", 1, 1)
    assert world.condition("Drifted")[0] == "False"


def test_a_label_that_is_no_outcome_has_no_numbers() -> None:
    world, oracle = _serving()
    labelled(world, USUAL)
    look(world, oracle, 1)
    world.outcomes = CollectorReading(
        body={"version": world.champion(), "counts": False, "days": []}
    )
    look(world, oracle, 1)
    assert world.status.drift.labels is None


def test_a_break_of_the_schema_on_both_arms_trains_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, oracle = _serving()
    monkeypatch.setattr(schema_break, "broken", lambda _: ("age",))
    oracle.window = Verdict.FAIL
    look(world, oracle, 5)
    assert world.condition("Drifted") == ("True", "SchemaBroken")
    assert "most sessions lack age" in world.message("Drifted")
    assert "repair what sends them" in world.message("Drifted")
    assert world.status.retrain is None
    assert world.status.drift.began > 0
    monkeypatch.setattr(schema_break, "broken", lambda _: ())
    look(world, oracle, 1)
    assert world.condition("Drifted") == ("True", "Shifted")
    assert world.status.retrain is not None


def test_a_dry_run_tells_of_drift_and_does_nothing() -> None:
    world, oracle = _serving(dryRun=True)
    oracle.window = Verdict.FAIL
    labelled(world, SWAPPED)
    look(world, oracle, 5)
    assert world.condition("Drifted") == ("True", "LossRose")
    message = world.message("Drifted")
    assert message.endswith(
        "Reaction: none, because drift.dryRun is true; otherwise BlockPromotions, Retrain"
    )
    assert "age shifted" in message
    assert world.status.retrain is None
    assert world.status.drift.began == 0


def test_a_dry_run_keeps_a_broken_candidate_and_says_so() -> None:
    world, oracle = _serving(dryRun=True)
    candidate = canary(world, oracle)
    oracle.broken = Verdict.FAIL
    look(world, oracle, 4)
    stages = {name: each.status.stage for name, each in world.versions.items()}
    assert stages[candidate] not in ("RolledBack", "Failed")
    told = [event.message for event in world.events if event.reason == "CandidateBroken"]
    assert told
    assert "drift.dryRun" in told[0]
