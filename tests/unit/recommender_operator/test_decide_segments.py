"""A drift of the labels in one segment retrains, by name, and blocks or recalibrates nothing."""

from __future__ import annotations

import datetime
import functools
from typing import Any
from unittest import mock

import numpy as np

from recommender_operator.monitoring import label_monitor as duties
from recommender_operator.observed import CollectorReading
from tests.unit.recommender_operator.analysis.segment_worlds import Devices
from tests.unit.recommender_operator.analysis.test_segment_drift import SWAPPED, USUAL
from tests.unit.recommender_operator.drift_worlds import DRIFT, look, serving, settle
from tests.unit.recommender_operator.test_decide_properties import Oracle
from tests.unit.recommender_operator.world import World

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@functools.cache
def _swapped(windows: int) -> tuple[dict[str, Any], ...]:
    rng = np.random.default_rng(1)
    return tuple(day for shops in [USUAL] + [SWAPPED] * windows for day in shops.week(rng))


def _serving(**drift: object) -> tuple[World, Oracle]:
    world, oracle = serving()
    world.edit(retrain={"drift": DRIFT | drift})
    settle(world, oracle)
    return world, oracle


def _labelled(world: World, days: tuple[dict[str, Any], ...]) -> None:
    promoted_at = world.versions[world.stable()].status.promoted_at
    assert promoted_at is not None
    first = (promoted_at - EPOCH).days + 1
    numbered = [{**day, "day": first + n} for n, day in enumerate(days)]
    world.outcomes = CollectorReading(body={"version": world.champion(), "days": numbered})
    world.now = max(world.now, EPOCH + datetime.timedelta(days=first + len(days) + 1))


def test_it_retrains_with_the_segment_and_its_figures_in_the_message() -> None:
    world, oracle = _serving()
    _labelled(world, _swapped(2))
    look(world, oracle, 1)
    assert world.condition("Drifted")[0] == "False"
    _labelled(world, _swapped(3))
    look(world, oracle, 1)
    assert world.condition("Drifted") == ("True", "SegmentDrifted")
    labels = world.status.drift.labels
    assert labels is not None
    assert (labels.verdict, labels.breaches_in_a_row) == ("Pass", 0)
    (tablet,) = [each for each in labels.segments if each.value == "tablet"]
    figures = f"{tablet.log_loss:.4f} against {tablet.reference_log_loss:.4f} in the first week"
    assert f"device=tablet: log loss {figures}" in world.message("Drifted")
    assert world.message("Drifted").endswith("Reaction: a retraining starts")
    assert world.status.retrain is not None
    assert world.status.retrain.reason == "drift of device=tablet"
    assert world.status.retrain.recalibration is None


def test_a_proposal_names_the_reaction() -> None:
    world, oracle = _serving()
    world.edit(retrain={"mode": "Propose"})
    _labelled(world, _swapped(3))
    look(world, oracle, 1)
    assert world.message("RetrainProposed").startswith("a retraining is proposed: drift of ")


def test_one_window_of_labels_retrains_once() -> None:
    world, oracle = _serving(cooldownSeconds=0)
    _labelled(world, _swapped(3))
    look(world, oracle, 1)
    requested = world.status.retrain
    look(world, oracle, 2)
    world.annotations["abort"] = "1"
    look(world, oracle, 1)
    look(world, oracle, 2)
    assert world.condition("Drifted") == ("True", "SegmentDrifted")
    assert world.status.retrain == requested
    assert "none before the next window of labels" in world.message("Drifted")
    _labelled(world, _swapped(4))
    look(world, oracle, 1)
    assert world.status.retrain != requested


def test_a_message_names_five_segments_and_keeps_the_reaction() -> None:
    world, oracle = _serving()
    _labelled(world, _swapped(3))
    look(world, oracle, 1)
    labels = world.status.drift.labels
    assert labels is not None
    (tablet,) = [each for each in labels.segments if each.value == "tablet"]
    many = tuple(
        tablet.model_copy(update={"value": f"d{n}", "message": "x" * 1000}) for n in range(9)
    )
    found = labels.model_copy(update={"segments": many})
    with mock.patch.object(duties, "_status", return_value=found):
        look(world, oracle, 1)
    message = world.message("Drifted")
    assert "device=d4 and 4 more" in message
    assert "d5" not in message
    assert "Reaction: " in message[-200:]


def test_a_collector_that_lost_all_days_ends_no_drift_at_once() -> None:
    """One of an earlier release, during an upgrade, does not read what a later one wrote."""
    world, oracle = _serving()
    _labelled(world, _swapped(3))
    look(world, oracle, 1)
    world.outcomes = CollectorReading(body={"version": world.champion(), "days": []})
    look(world, oracle, 1)
    assert world.condition("Drifted") == ("True", "SegmentDrifted")
    labels = world.status.drift.labels
    assert labels is not None
    assert labels.verdict == "Error"


def test_what_all_users_show_is_the_cause() -> None:
    everywhere = Devices(dict.fromkeys(("phone", "tablet"), SWAPPED.shops["tablet"]))
    world, oracle = _serving()
    usual = Devices(dict.fromkeys(("phone", "tablet"), USUAL.shops["tablet"]))
    rng = np.random.default_rng(1)
    shops = [usual] + [everywhere] * 3
    _labelled(world, tuple(day for each in shops for day in each.week(rng)))
    look(world, oracle, 1)
    assert world.condition("Drifted") == ("True", "LossRose")
    labels = world.status.drift.labels
    assert labels is not None
    assert [each.breaches_in_a_row for each in labels.segments] == [3, 3]


def test_segments_end_with_the_row_when_their_labels_are_old() -> None:
    world, oracle = _serving()
    world.edit(retrain={"onDrift": False})
    _labelled(world, _swapped(3))
    look(world, oracle, 1)
    assert world.condition("Drifted") == ("True", "SegmentDrifted")
    world.now += datetime.timedelta(days=20)
    look(world, oracle, 1)
    assert world.condition("Drifted")[0] == "False"
    assert world.status.drift.labels is not None
    assert world.status.drift.labels.segments == ()


def test_an_answer_with_wrong_segments_is_told_and_keeps_the_former_numbers() -> None:
    world, oracle = _serving()
    _labelled(world, _swapped(2))
    look(world, oracle, 1)
    assert world.outcomes is not None
    days = [{**day, "segments": 5} for day in world.outcomes.body["days"]]  # type: ignore[attr-defined]
    world.outcomes = CollectorReading(body={**world.outcomes.body, "days": days})
    look(world, oracle, 1)
    labels = world.status.drift.labels
    assert labels is not None
    assert (labels.verdict, len(labels.segments)) == ("Error", 2)
