"""What the page of a model says about drift inside segments."""

from __future__ import annotations

from typing import Any

import pytest

from recommender_console.pages import interval_tables
from tests.unit.recommender_console import samples
from tests.unit.recommender_console.samples import NOW
from tests.unit.recommender_console.test_markup import elements

DRIFT: dict[str, Any] = samples.DRIFT
TESTED = "Sessions by segment: 7 segments compared with the training"


def said(drift: dict[str, Any], windows: int) -> str:
    seen = samples.seen(drift={**drift, "windows": windows, "message": "m" if windows else ""})
    drawn = interval_tables.drift(seen.drift, NOW)
    return "" if drawn is None else " ".join(" ".join(elements(drawn.source).texts).split())


@pytest.mark.parametrize("windows", [0, 14])
@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, f"{TESTED}, 2 with too few sessions; 1 shift. Newest day: 3 h ago"),
        ({}, "bitrate device: tv missing 96.0% of its sessions, 3.1% in training"),
        ({"more": 4}, "; 5 shifts."),
        ({"shifts": [], "small": 0, "until": None}, f"{TESTED}; 0 shifts. Newest day: none"),
        ({"message": "no such version"}, "not compared by segment: no such version"),
    ],
)
def test_the_sessions_of_segments_are_shown_with_or_without_windows_of_all(
    changed: dict[str, Any], words: str, windows: int
) -> None:
    segments: dict[str, Any] = DRIFT["segments"]
    assert words in said({**DRIFT, "segments": {**segments, **changed}}, windows)


def test_nothing_is_said_of_segments_before_a_snapshot_has_compared_them() -> None:
    assert said({}, windows=0) == ""
    assert "segment" not in said({**DRIFT, "segments": None}, windows=14)
