"""Names and bounds that two processes share are those of the present release.

Processes of two releases run side by side during an upgrade and a rollout, so another name or a
smaller bound is a decision, which a recorded file makes visible.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable
from typing import Any

from recommender_contract import (
    artifact,
    events,
    features,
    headers,
    ids,
    local_calendar,
    metrics,
)

Recorded = Callable[[str, Any], None]


def constants(module: Any) -> dict[str, Any]:
    """The public constants of a module, and the values of its enums, by name."""
    found: dict[str, Any] = {}
    for name, value in sorted(vars(module).items()):
        if name.startswith("_"):
            continue
        if isinstance(value, enum.EnumMeta):
            members: list[enum.Enum] = list(value)
            found[name] = [each.value for each in members]
        elif name.isupper() and not dataclasses.is_dataclass(value):
            found[name] = sorted(value) if isinstance(value, frozenset) else value
    return found


def test_the_schema_of_features_is_that_of_the_present_release(recorded: Recorded) -> None:
    recorded("features.json", constants(features))
    assert set(features.RESERVED) > features.OF_REQUESTS


def test_the_calendar_is_that_of_the_present_release(recorded: Recorded) -> None:
    recorded("local_calendar.json", constants(local_calendar))


def test_events_are_those_of_the_present_release(recorded: Recorded) -> None:
    recorded("events.json", constants(events))


def test_headers_are_those_of_the_present_release(recorded: Recorded) -> None:
    recorded("headers.json", constants(headers))


def test_ids_are_those_of_the_present_release(recorded: Recorded) -> None:
    texts = ("movie-1", "größe", "日本", "  spaced  ")
    recorded("ids.json", {**constants(ids), "hashed": {text: ids.hashed(text) for text in texts}})


def test_metrics_are_those_of_the_present_release(recorded: Recorded) -> None:
    recorded("metrics.json", constants(metrics))


def test_files_of_an_artifact_are_those_of_the_present_release(recorded: Recorded) -> None:
    recorded("artifact.json", constants(artifact))
