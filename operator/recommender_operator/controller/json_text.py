"""API objects from and to JSON text, with msgspec: half the CPU of the standard library.

Each event of a watch is parsed, and caches keep objects as text, so JSON is a large part of the
operator's CPU while a fleet converges (ADR 0091).
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

Value = TypeVar("Value")

_DECODER = msgspec.json.Decoder()
_ENCODER = msgspec.json.Encoder()


def parsed(text: bytes | msgspec.Raw) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: it is not JSON, or nested too deep (about a thousand times).
    """
    try:
        return _DECODER.decode(text)
    except RecursionError as error:
        raise ValueError(str(error)) from error


def parsed_as(text: bytes, kind: type[Value]) -> Value:
    """Return the value of a JSON text as a struct; fields that it lacks are skipped.

    Raises:
        ValueError: it is not JSON, or a field has another type.
    """
    try:
        return msgspec.json.decode(text, type=kind)
    except RecursionError as error:
        raise ValueError(str(error)) from error


def text_of(value: object) -> bytes:
    """Return the compact JSON text of a value."""
    return _ENCODER.encode(value)
