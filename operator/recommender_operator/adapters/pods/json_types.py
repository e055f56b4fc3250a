"""JSON of other processes: errors tell its types and places, and never its content."""

from __future__ import annotations

import json
from typing import Any

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


def value_of(body: bytes, problem: str) -> Any:
    """Return the value of a JSON body.

    Raises:
        ValueError: it is not JSON; the message begins with `problem`.
    """
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        raise ValueError(f"{problem} at character {error.pos}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{problem}: {type(error).__name__}") from None
