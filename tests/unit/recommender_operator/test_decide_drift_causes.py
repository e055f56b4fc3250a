"""The reactions of the operator to each cause of drift."""

from __future__ import annotations

import dataclasses
import datetime
import functools
from typing import Any

import numpy as np
import pytest

from recommender_operator.analysis.step_verdict import Verdict
from recommender_operator.observed import CollectorReading
from tests.unit.recommender_operator.analysis.label_worlds import Shop
from tests.unit.recommender_operator.drift_worlds import DRIFT, canary, look, serving, settle
from tests.unit.recommender_operator.test_decide_properties import Oracle
from tests.unit.recommender_operator.world import World

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
USUAL, SWAPPED = Shop(), Shop(now_young=0.05, now_old=0.2)
FEWER = Shop(now_young=0.13, now_old=0.0325)


@functools.cache
def _days(after: Shop, windows: int) -> tuple[dict[str, Any], ...]:
    rng = np.random.default_rng(1)
    return tuple(day for shop in [USUAL] + [after] * windows for day in shop.week(rng))


def labelled(world: World, after: Shop, windows: int = 3) -> None:
    """Let the collector tell of a usual first week and of other weeks after it.

    The first day is the one after the champion's promotion; the last one is over by now.
    """
    promoted_at = world.versions[world.stable()].status.promoted_at
    assert promoted_at is not None
    first = (promoted_at - EPOCH).days + 1
    days = [{**day, "day": first + n} for n, day in enumerate(_days(after, windows))]
    world.outcomes = CollectorReading(body={"version": world.champion(), "days": days})
    world.now = max(world.now, EPOCH + datetime.timedelta(days=first + len(days) + 1))


def _serving(**drift: object) -> tuple[World, Oracle]:
    world, oracle = serving()
    world.edit(retrain={"drift": DRIFT | drift})
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
    assert (str(labels.since), str(labels.through)) == (
        "2026-01-09 00:00:00+00:00", "2026-01-30 00:00:00+00:00",
    )  # fmt: skip


def test_usual_labels_are_no_drift() -> None:
    world, oracle = _serving()
    labelled(world, USUAL)
    look(world, oracle, 3)
    assert world.condition("Drifted")[0] == "False"
    assert world.status.retrain is None
    assert world.status.drift.labels is not None
    assert world.status.drift.labels.verdict == "Pass"


def _held(world: World, oracle: Oracle) -> bool:
    """Let a candidate pass its steps, and return whether a drift holds it."""
    for _ in range(80):
        look(world, oracle, 1)
        if world.condition("AnalysisPassed") == ("True", "PromotionBlockedByDrift"):
            return True
        if world.status.candidate is None:
            return False
    raise AssertionError(world.summary())


def test_a_rise_of_the_loss_blocks_versions_that_were_trained_before_it() -> None:
    world, oracle = _serving()
    world.edit(retrain={"onDrift": False})
    candidate = canary(world, oracle)
    labelled(world, SWAPPED)
    look(world, oracle, 1)
    assert _held(world, oracle)
    told = world.message("AnalysisPassed")
    assert "its data is older than a drift: the loss of" in told
    assert "retrain.onDrift is false" in told
    assert "wait for" not in told
    assert world.status.candidate == candidate


def test_a_rise_of_the_loss_blocks_no_version_whose_data_was_read_since() -> None:
    """It is confirmed weeks after it began, so such a version is older than the confirmation."""
    world, oracle = _serving()
    world.edit(retrain={"onDrift": False})
    labelled(world, SWAPPED, 2)
    look(world, oracle, 1)
    candidate = canary(world, oracle)
    labelled(world, SWAPPED)
    look(world, oracle, 1)
    assert world.condition("Drifted") == ("True", "LossRose")
    assert not _held(world, oracle)
    assert world.champion() == candidate


def test_the_retraining_for_a_drift_is_promoted_whatever_later_windows_say() -> None:
    world, oracle = _serving()
    first = world.champion()
    labelled(world, SWAPPED)
    look(world, oracle, 3)
    assert world.status.retrain is not None
    retrained = world.status.candidate
    assert retrained is not None
    labelled(world, SWAPPED, 4)
    look(world, oracle, 1)
    assert world.condition("Drifted") == ("True", "LossRose")
    assert not _held(world, oracle)
    assert world.champion() == retrained != first


def test_a_retraining_that_began_before_the_drift_was_confirmed_is_promoted() -> None:
    """Labels are late: it may have read what the first window does not show yet."""
    world, oracle = _serving()
    world.annotations["retrain"] = "monthly"
    for _ in range(8):
        look(world, oracle, 1)
    retrained = world.status.candidate
    assert retrained is not None
    labelled(world, SWAPPED)
    oracle.window = Verdict.FAIL
    assert not _held(world, oracle)
    assert world.versions[retrained].status.stage == "Promoted"


def test_a_drift_blocks_nothing_that_was_trained_during_it() -> None:
    world, oracle = _serving()
    world.edit(retrain={"onDrift": False})
    oracle.window = Verdict.FAIL
    look(world, oracle, 4)
    candidate = canary(world, oracle)
    look(world, oracle, 1)
    assert world.condition("Drifted") == ("True", "Shifted")
    assert not _held(world, oracle)
    assert world.versions[candidate].status.stage == "Promoted"


def test_a_champion_that_returns_is_measured_from_its_return() -> None:
    world, oracle = _serving()
    labelled(world, SWAPPED, 2)
    before = world.champion()
    name = next(iter(world.versions))
    version = world.versions[name]
    status = version.status.model_copy(update={"promoted_at": world.now})
    world.versions[name] = dataclasses.replace(version, status=status)
    assert world.champion() == before == name
    look(world, oracle, 1)
    labels = world.status.drift.labels
    assert labels is not None
    assert (labels.verdict, labels.windows) == ("Inconclusive", 0)


def test_an_answer_about_the_former_champion_is_not_read_as_one_about_the_new_one() -> None:
    world, oracle = _serving()
    first = world.champion()
    labelled(world, USUAL)
    canary(world, oracle)
    seen = []
    for _ in range(80):
        look(world, oracle, 1)
        seen.append(world.status.drift.labels)
        if world.champion() != first:
            break
    assert world.champion() != first
    assert seen[-1] is None
    assert all(labels is not None and labels.verdict == "Pass" for labels in seen[:-1])


@pytest.mark.parametrize(
    "reading",
    [
        CollectorReading(error="its users cannot be read: gone"),
        CollectorReading(body={"version": "other-0a1b2c3d", "days": []}),
        CollectorReading(body={"days": 5}),
        "of no date",
        "late",
    ],
    ids=["down", "of another version", "no answer", "of no date", "late"],
)
def test_an_answer_that_cannot_be_used_is_told_and_changes_nothing(
    reading: CollectorReading | str,
) -> None:
    world, oracle = _serving()
    labelled(world, SWAPPED, 1)
    look(world, oracle, 1)
    if isinstance(reading, str):
        assert world.outcomes is not None
        days = [{**day, "day": 10**14} for day in _days(USUAL, 1)]
        odd = {"closesAfterSeconds": 10**9} if reading == "late" else {"days": days}
        reading = CollectorReading(body={**world.outcomes.body, **odd})
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
