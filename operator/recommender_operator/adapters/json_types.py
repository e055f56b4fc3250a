"""What a value of JSON is, in words that show nothing of the value."""

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
    """Return what a value of JSON is."""
    return _NAMES.get(type(value), "no value of JSON")
