"""API objects from and to JSON text, with pydantic's parser: half the CPU of the standard one.

Each event of a watch is parsed, and caches keep objects as text, so JSON is a large part of the
operator's CPU while a fleet converges. The standard library decides whatever pydantic rejects,
such as values nested more than 200 deep, so both accept the same texts.
"""

from __future__ import annotations

import json
from typing import Any

import pydantic_core


def parsed(text: bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: it is not JSON.
    """
    try:
        return pydantic_core.from_json(text)
    except ValueError:
        return json.loads(text)


def text_of(value: object) -> bytes:
    """Return the compact JSON text of a value."""
    try:
        return pydantic_core.to_json(value)
    except ValueError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
