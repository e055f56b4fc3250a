"""CloudEvents become events."""

from __future__ import annotations

from typing import Any

import pytest

from recommender_collector.domain.checks import InvalidEvent
from recommender_collector.domain.cloud_events import from_headers, unwrap

EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "7",
    "source": "/web",
    "type": "dev.recommender.purchase",
    "time": "2026-11-27T10:00:00Z",
    "subject": "anything",
    "data": {"user": "ada", "item": "tea", "value": 3},
}
NATIVE = {
    "id": "/web 7", "kind": "purchase", "time": "2026-11-27T10:00:00Z",
    "user": "ada", "item": "tea", "value": 3,
}  # fmt: skip


def test_source_and_id_identify_a_cloud_event() -> None:
    assert unwrap(EVENT) == NATIVE


def test_the_binary_mode_has_the_attributes_in_headers() -> None:
    headers = {f"ce-{name}": value for name, value in EVENT.items() if name != "data"}
    headers["content-type"] = "application/json"
    assert unwrap(from_headers(headers, EVENT["data"])) == NATIVE


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("specversion", {"specversion": "0.3"}),
        ("type", {"type": "com.example.click"}),
        ("type", {"type": None}),
        ("source", {"source": ""}),
        ("id", {"id": 7}),
        ("data", {"data": "text"}),
        ("data.time", {"data": {"time": 5}}),
        ("data.id", {"data": {"id": "5"}}),
    ],
)
def test_an_invalid_cloud_event_names_the_attribute(field: str, change: dict[str, Any]) -> None:
    with pytest.raises(InvalidEvent) as caught:
        unwrap({**EVENT, **change})
    assert caught.value.field == field
