"""A shift inside one segment, which a snapshot finds, alerts by name and does nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from recommender_operator import actions as a
from recommender_operator.analysis.step_verdict import Verdict
from recommender_operator.api.spec import RecommenderModelSpec
from recommender_operator.observed import JobKind
from recommender_operator.resources import job_commands
from tests.unit.recommender_operator.drift_worlds import DRIFT, look, settle
from tests.unit.recommender_operator.simulation.cluster import spec
from tests.unit.recommender_operator.snapshot_worlds import HOUR
from tests.unit.recommender_operator.test_decide_properties import Oracle
from tests.unit.recommender_operator.world import World

SHIFT = {
    "feature": "bitrate",
    "segment": "device",
    "value": "tv",
    "message": "missing 96.0% of its sessions, 3.1% in training (distance 0.93)",
}
FEATURES: list[dict[str, Any]] = [
    {"name": "device", "kind": "Categorical", "segments": True},
    {"name": "bitrate", "kind": "Numeric"},
]
MAPPING: dict[str, dict[str, Any]] = {
    "interactions": {
        "files": "events.csv",
        "user": "u",
        "item": "i",
        "timestamp": "t",
        "features": FEATURES,
    }
}


def _spec(**drift: object) -> RecommenderModelSpec:
    source = {"persistentVolumeClaim": {"claimName": "raw"}, "format": "CSV", "mapping": MAPPING}
    data = {"source": source, "snapshots": {"every": "Hourly"}, "window": {"days": 90}}
    return spec(data=data, retrain={"drift": DRIFT | drift})


def _serving(**drift: object) -> tuple[World, Oracle]:
    world = World(spec=_spec(**drift))
    oracle = Oracle(window=Verdict.INCONCLUSIVE, broken=Verdict.INCONCLUSIVE)
    settle(world, oracle)
    return world, oracle


def _found(world: World, oracle: Oracle, *shifts: dict[str, str], **more: object) -> None:
    """Let the next snapshot report these shifts."""
    lineage = world.versions[world.stable()].status.lineage
    assert lineage is not None
    world.segments = {
        "comparedWith": lineage.data_version, "segments": 4, "small": 1, "shifts": list(shifts),
        **more,
    }  # fmt: skip
    world.now += HOUR
    settle(world, oracle)


def test_it_alerts_with_feature_segment_and_figures_and_retrains_and_blocks_nothing() -> None:
    world, oracle = _serving()
    _found(world, oracle, SHIFT)
    assert world.condition("Drifted") == ("True", "SegmentShifted")
    message = world.message("Drifted")
    assert "bitrate in device=tv: missing 96.0% of its sessions, 3.1% in training" in message
    assert "Check what sends them there" in message
    assert "Reaction: none beside this alert" in message
    assert [e.type for e in world.events if e.reason == "SegmentShifted"] == ["Warning"]
    assert world.status.retrain is None
    look(world, oracle, 3)
    world.seed(2)
    settle(world, oracle)
    assert world.condition("Drifted")[1] != "PromotionBlockedByDrift"
    assert len([v for v in world.versions.values() if v.status.promotion]) == 2


def test_it_ends_with_the_snapshot_that_no_longer_finds_it() -> None:
    world, oracle = _serving()
    _found(world, oracle, SHIFT)
    _found(world, oracle)
    assert world.condition("Drifted")[0] == "False"
    segments = world.status.drift.segments
    assert segments is not None
    assert (segments.segments, segments.shifts) == (4, ())


def test_a_shift_of_all_sessions_explains_it() -> None:
    world, oracle = _serving()
    _found(world, oracle, SHIFT)
    oracle.window = Verdict.FAIL
    look(world, oracle, 10)
    assert world.condition("Drifted") == ("True", "Shifted")
    assert "bitrate in device=tv" not in world.message("Drifted")


def test_the_training_of_another_version_says_nothing_of_this_champion() -> None:
    world, oracle = _serving()
    _found(world, oracle, SHIFT, comparedWith="i1.u1.t1-0123456789abcdef")
    assert world.condition("Drifted")[0] == "False"
    assert world.status.drift.segments is None  # the metric and the alert would count it


def test_a_snapshot_that_could_not_compare_says_why_and_changes_nothing() -> None:
    world, oracle = _serving()
    _found(world, oracle, SHIFT)
    _found(world, oracle, message="cannot compare with 7-abc: it is missing")
    assert world.condition("SnapshotTaken")[0] == "True"
    assert "not compared by segment: cannot compare with 7-abc" in world.message("SnapshotTaken")
    assert world.condition("Drifted") == ("True", "SegmentShifted")


def test_without_snapshots_the_last_result_ends() -> None:
    world, oracle = _serving()
    _found(world, oracle, SHIFT)
    data = world.spec.data.dump()
    del data["snapshots"]
    world.edit(data=data)
    settle(world, oracle)
    assert world.status.drift.segments is None
    assert world.condition("Drifted")[0] == "False"


@pytest.mark.parametrize("enabled", [True, False])
def test_the_snapshot_knows_the_champions_data_and_the_limits_of_the_drift(enabled: bool) -> None:
    world, oracle = _serving(enabled=enabled)
    world.now += HOUR
    settle(world, oracle)
    last = [e for e in world.log if isinstance(e, a.StartJob) and e.kind is JobKind.SNAPSHOT][-1]
    model = world.observe().model
    command = job_commands.command(model, None, JobKind.SNAPSHOT, last.inputs, last.attempt)
    assert ("--against" in command) is enabled
    if enabled:
        assert command[command.index("--against") + 1] == "7-abc"
        assert command[command.index("--window-days") + 1] == "90"
        given = json.loads(command[command.index("--drift") + 1])
        assert given == {"alpha": 0.01, "effectFloor": 0.1, "consecutiveWindows": 3}


def test_without_a_feature_that_divides_nothing_is_compared() -> None:
    world = World(spec=_spec())
    plain = [{**FEATURES[0], "segments": False}, FEATURES[1]]
    source = {
        "persistentVolumeClaim": {"claimName": "raw"}, "format": "CSV",
        "mapping": {"interactions": MAPPING["interactions"] | {"features": plain}},
    }  # fmt: skip
    world.edit(data={**world.spec.data.dump(), "source": source})
    oracle = Oracle(window=Verdict.INCONCLUSIVE, broken=Verdict.INCONCLUSIVE)
    settle(world, oracle)
    world.now += HOUR
    settle(world, oracle)
    last = [e for e in world.log if isinstance(e, a.StartJob) and e.kind is JobKind.SNAPSHOT][-1]
    assert set(last.inputs) == {"keep"}
