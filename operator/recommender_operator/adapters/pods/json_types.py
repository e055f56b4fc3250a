"""The type of a JSON value as text, without its content."""

from __future__ import annotations

_NAMES = {
    bool: "a boolean",
    dict: "an object",
    float: "a number",
    int: "an integer",
    list: "an array",
    str: "a string",
    type(None): "null",
}


def json_type(value: object) -> str:
    """Return the type of a JSON value."""
    return _NAMES.get(type(value), "not a JSON value")
