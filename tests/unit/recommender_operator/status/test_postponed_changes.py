"""A status may be written later only if it changes nothing but the progress of a version."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from recommender_operator.api.conditions import ConditionType
from recommender_operator.api.status import (
    Condition,
    DriftStatus,
    HandledAction,
    ModelClock,
    OperatorClaim,
    RecommenderModelStatus,
    RetrainStatus,
    SnapshotStatus,
    Stage,
)
from recommender_operator.status import postponed_changes
from tests.fakes.kube import NOW


def condition(kind: ConditionType, status: Any = "False", reason: str = "Training") -> Condition:
    return Condition(
        type=kind, status=status, reason=reason, message="m", last_transition_time=NOW
    )


def clock(*, age: float = 0, pace: float = 60) -> ModelClock:
    at = NOW - datetime.timedelta(seconds=age)
    return ModelClock(observed_at=at, time=at, pace_seconds=pace)


BEFORE = RecommenderModelStatus(
    stage=Stage.TRAINING,
    candidate="v1",
    clock=clock(),
    conditions=tuple(condition(kind) for kind in ConditionType),
)


def waits(before: RecommenderModelStatus = BEFORE, **changes: Any) -> bool:
    return postponed_changes.may_wait(before, before.model_copy(update=changes), NOW)


def turned(kind: ConditionType, **values: str) -> dict[str, Any]:
    reported = {c.type: c for c in BEFORE.conditions}
    return {
        "conditions": tuple((reported | {kind: reported[kind].model_copy(update=values)}).values())
    }


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"stage": Stage.PUBLISHING, "sequence": 7},
        {"candidate": None},
        {"candidate_weight": 10, "champion_weight": 90, "verdict": "Pass", "url": "x.example"},
        {"observed_generation": 2},
        {"route_pending_since": NOW},
        turned(ConditionType.READY, reason="Publishing", message="other"),
        turned(ConditionType.TRAINED, status="True"),
        {"clock": clock(age=-1)},
    ],
)
def test_progress_of_a_version_may_wait(changes: dict[str, Any]) -> None:
    assert waits(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"champion": "v1"},
        {"locked": True},
        {"consecutive_rollbacks": 1},
        {"rollbacks_counted_through": 3},
        {"restoring_since": NOW},
        {"operator": OperatorClaim(release="a/b")},
        {"handled": (HandledAction(action="abort", token="t", at=NOW, result="r"),)},
        {"drift": DriftStatus(windows=1)},
        {"retrain": RetrainStatus(token="t", reason="r", requested_at=NOW)},
        {"snapshots": SnapshotStatus(rows=1)},
        {"clock": None},
        turned(ConditionType.READY, status="True"),
        turned(ConditionType.AVAILABLE, status="Unknown"),
        turned(ConditionType.STALLED, status="True"),
        {"conditions": BEFORE.conditions[1:]},
    ],
)
def test_state_of_the_status_and_conditions_that_people_act_on_may_not_wait(
    changes: dict[str, Any],
) -> None:
    assert not waits(**changes)


@pytest.mark.parametrize(
    ("stored", "wanted", "may"),
    [
        (None, None, True),
        (None, clock(), False),
        (clock(age=59), clock(), True),
        (clock(age=60), clock(), False),
        # The wall clock went back.
        (clock(age=-1), clock(), False),
        (clock(age=29), clock(pace=30), True),
        (clock(age=31), clock(pace=30), False),
        # A status that waits as long as allowed cannot keep such a short interval.
        (clock(), clock(pace=5), False),
    ],
)
def test_the_models_time_is_kept_as_exactly_as_without_a_wait(
    stored: ModelClock | None, wanted: ModelClock | None, may: bool
) -> None:
    assert waits(BEFORE.model_copy(update={"clock": stored}), clock=wanted) is may


def test_the_end_of_a_wait_for_the_route_may_not_wait() -> None:
    before = BEFORE.model_copy(update={"route_pending_since": NOW})
    assert not waits(before, route_pending_since=None)
    assert waits(before)


def test_new_conditions_may_wait() -> None:
    assert waits(RecommenderModelStatus(), conditions=BEFORE.conditions)
