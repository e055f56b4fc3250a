"""A snapshot compares the sessions since the champion's training by segment, and says so."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from recommender_operator.api import report as operator_report
from recommender_operator.api.spec_retrain import DriftSpec
from recommender_training.data_checks import lake_files
from recommender_training.data_checks.policy import Watch
from tests import snapshot_desk
from tests.mapped_files import INTERACTIONS, START, event
from tests.snapshot_desk import Desk

DAY = 86_400
FEATURES: list[dict[str, Any]] = [
    {"name": "device", "kind": "Categorical", "segments": True},
    {"name": "bitrate", "kind": "Numeric"},
]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    _declare(monkeypatch, FEATURES)
    return Desk(tmp_path, monkeypatch)


def _declare(patch: pytest.MonkeyPatch, features: list[dict[str, Any]]) -> None:
    mapping = {"interactions": {**INTERACTIONS, "features": features}}
    patch.setattr(snapshot_desk, "MAPPING", json.dumps(mapping))


def add_days(desk: Desk, first: int, days: int, broken: str = "", users: int = 300) -> None:
    """Sessions of other users each day, a fifth of them on a tv."""
    drawn = random.Random(first)
    rows = []
    for day in range(first, first + days):
        for number in range(users):
            device = drawn.choices(["tv", "phone"], [1, 4])[0]
            bitrate = "" if device == broken else drawn.randint(1, 50)
            at = START + day * DAY + drawn.randrange(DAY - 60)
            user = day * users + number
            rating = 1 + number % 5
            rows.append(event(user, number % 20, at, rating, device=device, bitrate=bitrate))
    desk.add_events(*rows)


def test_a_feature_that_one_device_lost_is_named_with_both_shares(desk: Desk) -> None:
    add_days(desk, 0, 6)
    trained = desk.snapshot()["dataVersion"]
    add_days(desk, 6, 8, broken="tv")
    said = desk.snapshot(30, "--against", trained, "--drift", '{"effectFloor": 0.1}')
    read = operator_report.parse(operator_report.SnapshotReport, said).segments
    assert read is not None
    assert (read.compared_with, read.segments, read.message) == (trained, 2, "")
    (shift,) = read.shifts
    assert str(shift) == "bitrate in device=tv"
    assert shift.message.startswith("missing 100.0% of its sessions, 0.0% in training")
    assert "bitrate in device=tv" in said["message"]
    # The newest day is not over, so it is not looked at.
    assert read.until is not None
    assert read.until.isoformat().startswith("2026-01-13")
    kept = lake_files.read_segments(desk.lake, trained, None)
    assert kept is not None
    again = desk.snapshot(30, "--against", trained)
    assert again["segments"] == said["segments"]
    assert lake_files.read_segments(desk.lake, trained, None) == kept


def test_a_check_warns_of_it(desk: Desk) -> None:
    add_days(desk, 0, 6)
    trained = desk.snapshot()["dataVersion"]
    add_days(desk, 6, 8, broken="tv")
    _, said = desk.read("check", "--against", trained, "--min-rows", 100)
    (found,) = [each for each in said["checks"]["findings"] if each["check"] == "segments"]
    assert (found["table"], found["feature"]) == ("sessions", "bitrate[device=tv]")
    assert found["level"] == "warn"
    assert "data.checks.levels.segments" in found["remedy"]
    assert operator_report.parse(operator_report.CheckReport, said).checks is not None


def test_without_a_change_there_is_none(desk: Desk) -> None:
    add_days(desk, 0, 6)
    trained = desk.snapshot()["dataVersion"]
    add_days(desk, 6, 8)
    said = desk.snapshot(30, "--against", trained)
    assert said["segments"]["shifts"] == []
    assert "no shift (2 segments, 1 with too few sessions)" in said["message"]


@pytest.mark.parametrize("against", ["i9.u9.t9-0123456789abcdef", "itself"])
def test_what_cannot_be_compared_is_said_and_the_snapshot_is_taken(
    desk: Desk, against: str
) -> None:
    add_days(desk, 0, 2)
    first = desk.snapshot()["dataVersion"]
    said = desk.snapshot(30, "--against", first if against == "itself" else against)
    assert said["ok"]
    word = "no whole day since" if against == "itself" else "cannot compare with i9"
    assert word in said["segments"]["message"]
    assert operator_report.parse(operator_report.SnapshotReport, said).segments is not None


def test_a_feature_that_is_no_longer_declared_is_left_out(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_days(desk, 0, 6)
    trained = desk.snapshot()["dataVersion"]
    _declare(monkeypatch, [FEATURES[0], {**FEATURES[1], "name": "rate", "column": "bitrate"}])
    add_days(desk, 6, 8, broken="tv")
    said = desk.snapshot(30, "--against", trained)
    assert (said["segments"]["shifts"], said["segments"]["segments"]) == ([], 0)


def test_without_a_feature_that_divides_nothing_is_compared(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    _declare(monkeypatch, [{**FEATURES[0], "segments": False}, FEATURES[1]])
    add_days(desk, 0, 1)
    trained = desk.snapshot()["dataVersion"]
    assert "segments" not in desk.snapshot(30, "--against", trained)


def test_a_limit_out_of_range_is_named(desk: Desk) -> None:
    add_days(desk, 0, 1)
    code, said = desk.read("snapshot", "--drift", '{"alpha": 2}')
    assert code != 0
    assert (said["reason"], "retrain.drift.alpha" in said["message"]) == ("InvalidConfig", True)


def test_the_limits_have_the_defaults_of_the_resource() -> None:
    names = ("alpha", "effect_floor", "consecutive_windows")
    assert [getattr(Watch(), name) for name in names] == [
        getattr(DriftSpec(), name) for name in names
    ]
