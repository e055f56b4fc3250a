"""Parsing of what pods and other servers returned, off the event loop if it could stall it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

Parsed = TypeVar("Parsed")

#: Bytes that are parsed at once: in about a millisecond of usual text, and at most five of the
#: worst. A thread costs a tenth of a millisecond, and its text waits for a free one.
SMALL = 8_192


async def parsed(parse: Callable[[bytes], Parsed], body: bytes) -> Parsed:
    """Parse a body, in a thread if it is not small.

    Errors of `parse` are raised unchanged.
    """
    return parse(body) if len(body) <= SMALL else await asyncio.to_thread(parse, body)
