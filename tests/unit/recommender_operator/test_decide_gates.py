"""Gates against the champion on the same rows, and missing comparisons."""

from __future__ import annotations

from typing import Any

import pytest

from recommender_operator import actions as a
from recommender_operator.observed import JobKind
from tests.unit.recommender_operator.simulation.cluster import spec
from tests.unit.recommender_operator.world import World

GATE = {"metric": "auc", "championMargin": 0.01, "judgeBy": "Interval"}
GAIN = {"metric": "offPolicyGain", "min": 0, "judgeBy": "Interval"}
NO_WORSE = {"aucMinusChampion": 0.0, "aucMinusChampionLow": -0.005, "aucMinusChampionHigh": 0.005}


def world_with(*gates: dict[str, Any]) -> World:
    world = World(spec=spec(evaluation={"gates": gates}))
    world.settle()
    assert world.stages() == {17: "Promoted"}, "without a champion a margin holds"
    return world


def trainings(world: World) -> list[a.StartJob]:
    return [x for x in world.log if isinstance(x, a.StartJob) and x.kind is JobKind.TRAIN]


def reported(world: World, **fields: object) -> None:
    """The comparison of the next training with the current champion."""
    artifact = world.versions[world.stable()].status.artifact
    assert artifact is not None
    champion = {"digest": artifact.digest, "compared": True} | fields
    world.odd_reports[JobKind.TRAIN] = {"champion": champion}


def train_second(world: World, **differences: float) -> str:
    world.metrics[2] = {"auc": 0.8} | differences
    world.seed(2)
    world.settle()
    return world.second_stage


@pytest.mark.parametrize("gate", [GATE | {"judgeBy": "Value"}, GAIN])
def test_the_training_gets_the_champion_if_a_gate_compares_with_it(gate: dict[str, Any]) -> None:
    world = world_with(gate)
    champion = world.versions[world.stable()].status.artifact
    assert champion is not None
    train_second(world)
    first, second = trainings(world)
    assert first.inputs == {"data_version": "7-abc"}
    assert second.inputs == {
        "data_version": "7-abc",
        "champion_path": champion.path,
        "champion_digest": champion.digest,
    }


def test_the_training_gets_no_champion_if_no_gate_compares_with_it() -> None:
    world = world_with({"metric": "auc", "min": 0.6})
    train_second(world)
    assert [job.inputs for job in trainings(world)] == [{"data_version": "7-abc"}] * 2


def test_a_warm_start_gets_the_champion_even_if_no_gate_compares_with_it() -> None:
    world = world_with({"metric": "auc", "min": 0.6})
    champion = world.versions[world.stable()].status.artifact
    assert champion is not None
    world.metrics[2] = {"auc": 0.8}
    world.edit(training={"seed": 2, "warmStart": {"mode": "ItemEmbeddings"}})
    world.settle()
    assert trainings(world)[1].inputs == {
        "data_version": "7-abc",
        "champion_path": champion.path,
        "champion_digest": champion.digest,
    }


def test_a_version_that_is_shown_to_be_no_worse_is_promoted() -> None:
    world = world_with(GATE)
    reported(world, sawTestRows=12)
    assert train_second(world, **NO_WORSE) == "Promoted"
    status = world.versions[world.stable()].status
    assert status.comparison is not None
    assert status.comparison.compared
    (gate,) = status.gates
    assert gate.passed
    assert "difference 0 [-0.005, 0.005]" in gate.threshold
    assert "trained on 12 rows of this test window" in gate.message


@pytest.mark.parametrize(
    ("fields", "differences", "reason"),
    [
        ({}, NO_WORSE | {"aucMinusChampionLow": -0.0101}, "[-0.0101, 0.005]"),
        ({}, {"aucMinusChampion": 0.1}, "fewer than ten users"),
        ({"digest": "sha256:" + "f" * 64}, NO_WORSE, "became the champion after the training"),
        ({"compared": False, "message": "its artifact is gone"}, NO_WORSE, "artifact is gone"),
    ],
)
def test_a_version_that_is_not_shown_to_be_no_worse_is_rejected_with_the_reason(
    fields: dict[str, object], differences: dict[str, float], reason: str
) -> None:
    world = world_with(GATE)
    reported(world, **fields)
    assert train_second(world, **differences) == "Rejected"
    assert reason in world.message("GatesPassed")
    assert world.condition("GatesPassed") == ("False", "GateFailed")


@pytest.mark.parametrize(
    ("gain", "required", "stage"),
    [
        ((0.01, 0.03), {}, "Promoted"),
        ((-0.01, 0.05), {}, "Rejected"),
        (None, {}, "Promoted"),
        (None, {"required": True}, "Rejected"),
    ],
)
def test_a_gain_at_explored_places_decides_where_there_is_one(
    gain: tuple[float, float] | None, required: dict[str, bool], stage: str
) -> None:
    world = world_with(GAIN)
    world.edit(evaluation={"gates": [GAIN | required]})
    reported(world)
    low, high = gain or (0.0, 0.0)
    ends = {"": 0.02, "Low": low, "High": high} if gain else {}
    found = {f"offPolicyGain{end}": value for end, value in ends.items()}
    assert train_second(world, **found) == stage
    if gain is None:
        assert "too few explored places" in world.message("GatesPassed")


@pytest.mark.parametrize(
    ("fields", "stage", "reason"),
    [
        ({"digest": "sha256:" + "f" * 64}, "Rejected", "recommender.dev/retry=<new token>"),
        ({"compared": False, "message": "its artifact is gone"}, "Promoted", "artifact is gone"),
    ],
)
def test_a_gain_is_over_the_current_champion_unless_that_cannot_be_evaluated(
    fields: dict[str, object], stage: str, reason: str
) -> None:
    world = world_with(GAIN)
    reported(world, **fields)
    lost = {"offPolicyGain": -0.2, "offPolicyGainLow": -0.3, "offPolicyGainHigh": -0.1}
    assert train_second(world, **({} if stage == "Promoted" else lost)) == stage
    assert reason in world.message("GatesPassed")


def test_a_missing_comparison_is_reported_with_how_to_repeat_the_training() -> None:
    world = world_with(GATE)
    assert train_second(world, **NO_WORSE) == "Rejected"
    assert "the training did not compare with" in world.message("GatesPassed")
    reported(world)
    world.annotations["retry"] = "1"
    world.settle()
    assert world.second_stage == "Promoted"
