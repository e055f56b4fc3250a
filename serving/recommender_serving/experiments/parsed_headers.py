"""Headers that a route sets alike on all requests of a phase, each text parsed once: pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class ParsedHeaders(Generic[T]):
    """Parses headers and keeps the last result; `ignored` counts those that do not parse."""

    def __init__(self, parse: Callable[[str], T], ignored: Callable[[], None]) -> None:
        """`parse` raises ValueError for a header that is to be ignored."""
        self._parse = parse
        self._ignored = ignored
        self._last: tuple[str, T] | None = None

    def parsed(self, text: str) -> T | None:
        """Return the parsed header; None if it does not parse."""
        if self._last is not None and self._last[0] == text:
            return self._last[1]
        try:
            found = self._parse(text)
        except ValueError:
            self._ignored()
            return None
        self._last = text, found
        return found
