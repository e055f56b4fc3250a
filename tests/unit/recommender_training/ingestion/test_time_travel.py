"""The snapshot of a time, for a given clock, and the errors without one."""

from __future__ import annotations

from pathlib import Path

import pytest

from recommender_training.common.errors import InputError
from recommender_training.data import snapshots
from recommender_training.ingestion import time_travel
from tests.unit.recommender_training.data.test_snapshots import TIME, taken

DAY = 86_400
NOW = TIME + 10 * DAY  # 2026-12-06T05:00:03Z


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    for number in range(3):
        snapshots.add_snapshot(tmp_path, taken(TIME + number * DAY, number))
    return tmp_path


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2026-11-26T05:00:03Z", 0),
        ("2026-11-27T05:00:02Z", 0),
        ("2026-11-27T05:00:03Z", 1),
        ("2026-11-27T04:00:03-01:00", 1),
        ("2026-12-06T05:00:03Z", 2),
    ],
)
def test_find_returns_the_newest_snapshot_up_to_the_time(
    lake: Path, text: str, number: int
) -> None:
    assert (
        time_travel.find_version(lake, text, NOW).data_version
        == f"i{number}.u0.t0-0123456789abcdef"
    )


def test_a_time_before_the_oldest_snapshot_is_reported_with_the_oldest(
    lake: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        time_travel.find_version(lake, "2026-11-26T05:00:02Z", NOW)
    assert caught.value.reason == "NoSnapshot"
    assert "oldest snapshot is i0.u0.t0-0123456789abcdef" in caught.value.message
    assert "of 2026-11-26T05:00:03Z" in caught.value.message
    with pytest.raises(InputError, match="there is no snapshot") as caught:
        time_travel.find_version(tmp_path / "none", "2026-11-26T05:00:02Z", NOW)
    assert caught.value.reason == "NoSnapshot"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2026-12-06T05:00:04Z", r"in the future \(now: 2026-12-06T05:00:03Z\)"),
        ("2026-11-27T05:00:03", "not an RFC 3339 time with a zone"),
        ("2026-11-31T05:00:03Z", "day is out of range"),
    ],
)
def test_an_invalid_time_is_refused(lake: Path, text: str, found: str) -> None:
    with pytest.raises(InputError, match=found) as caught:
        time_travel.find_version(lake, text, NOW)
    assert caught.value.reason == "InvalidAsOf"
