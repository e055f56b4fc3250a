"""CloudEvents 1.0, JSON format: pure.

The type is `dev.recommender.<kind>`, the data has the other fields of an event. `source` and `id`
together identify a CloudEvent, and so they do here.
"""

from __future__ import annotations

from typing import Any

from recommender_collector.domain.checks import InvalidEvent
from recommender_contract.events import TYPE_PREFIX, Kind

_OURS = ("id", "kind", "time")


def unwrap(raw: object) -> dict[str, Any]:
    """Return the native form of a CloudEvent.

    Raises:
        InvalidEvent: it is not a CloudEvent of this kind.
    """
    if not isinstance(raw, dict):
        raise InvalidEvent("event", raw, "give a CloudEvent, which is an object")
    if raw.get("specversion") != "1.0":
        raise InvalidEvent("specversion", raw.get("specversion"), "give '1.0'")
    type_ = raw.get("type")
    if not isinstance(type_, str) or not type_.startswith(TYPE_PREFIX):
        kinds = ", ".join(Kind)
        raise InvalidEvent("type", type_, f"give '{TYPE_PREFIX}' and one of {kinds}")
    source, id_ = raw.get("source"), raw.get("id")
    for name, value in (("source", source), ("id", id_)):
        if not isinstance(value, str) or not value:
            raise InvalidEvent(name, value, "a CloudEvent needs it: give a text")
    data = raw.get("data")
    if not isinstance(data, dict):
        raise InvalidEvent("data", data, "give an object with user, item and the other fields")
    for name in _OURS:
        if name in data:
            raise InvalidEvent(f"data.{name}", data[name], "give it beside data, not inside")
    native = {**data, "id": f"{source} {id_}", "kind": type_.removeprefix(TYPE_PREFIX)}
    if "time" in raw:
        native["time"] = raw["time"]
    return native


def from_headers(headers: dict[str, str], data: object) -> dict[str, Any]:
    """Return the CloudEvent of the binary mode, whose attributes are headers `ce-...`."""
    attributes = {
        name.removeprefix("ce-"): value for name, value in headers.items() if name[:3] == "ce-"
    }
    return {**attributes, "data": data}
