"""What the checks of an event share: pure."""

from __future__ import annotations

import reprlib

MAX_ID = 128  # characters of ids of users, items, requests and sessions
MAX_VALUE = 1e12


class InvalidEvent(ValueError):  # noqa: N818 - it is the event that is invalid
    """An event violates the schema."""

    def __init__(self, field: str, value: object, remedy: str) -> None:
        super().__init__(f"{field}: got {_short.repr(value)}; {remedy}")
        self.field = field


def label(field: str, value: object, most: int = MAX_ID) -> str:
    """Return a text of printable ASCII characters.

    Raises:
        InvalidEvent: it is another text, or none.
    """
    if type(value) is str and 0 < len(value) <= most and value.isascii() and value.isprintable():
        return value
    raise InvalidEvent(field, value, f"give 1 to {most} printable ASCII characters")


def is_text(value: str) -> bool:
    """Whether the text is UTF-8 and printable; JSON may escape lone surrogates."""
    return value.isprintable()


_short = reprlib.Repr()
_short.maxstring = _short.maxother = 60
_short.maxlist = _short.maxdict = 3
