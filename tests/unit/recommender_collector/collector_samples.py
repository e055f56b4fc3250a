"""Declarations and events that several tests use."""

from __future__ import annotations

import copy
from typing import Any

import orjson

from recommender_collector.domain.declaration import Model, parse_declaration
from recommender_collector.domain.validation import Rules

NOW = 1_795_000_000.0
MAPPING: dict[str, Any] = {
    "interactions": {
        "files": "*/interactions.jsonl",
        "user": "user_id",
        "item": "item_id",
        "timestamp": "time",
        "timestampUnit": "Milliseconds",
        "value": "rating",
        "eventType": "kind",
        "session": "visit",
        "eventTypes": [
            {"type": "click", "value": 3},
            {"type": "purchase", "value": 5},
            {"type": "dwell"},
        ],
        "features": [
            {"name": "device", "kind": "Categorical", "maxCategories": 10},
            {"name": "slot", "kind": "Numeric", "minimum": 1, "maximum": 20, "column": "pos"},
            {"name": "logged_in", "kind": "Boolean"},
        ],
    },
    "users": {"files": "users/*", "id": "user_id"},
    "ids": {"user": "Text", "item": "Text"},
}


def mapping(**interactions: Any) -> dict[str, Any]:
    """The mapping, with other settings of the interactions."""
    changed = copy.deepcopy(MAPPING)
    changed["interactions"] |= interactions
    return changed


def model(section: dict[str, Any] | None = None, **settings: Any) -> Model:
    given = {"mapping": section or MAPPING, **settings}
    return parse_declaration(orjson.dumps({"models": {"shop": given}})).models["shop"]


def rules(section: dict[str, Any] | None = None, **settings: Any) -> Rules:
    return Rules(model(section, **settings))


def click(**fields: Any) -> dict[str, Any]:
    return {"id": "e1", "kind": "click", "user": "ada", "item": "tea", **fields}
