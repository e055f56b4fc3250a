"""What the checks of an event share: pure."""

from __future__ import annotations

import re
import reprlib

from recommender_contract.events import (
    MAX_LABEL,
    MAX_MILLISECONDS,
    MAX_SEGMENT,
    MAX_SEGMENTS,
    MAX_SLOWER_THAN,
)

MAX_ID = MAX_LABEL  # characters of ids of users, items, requests and sessions
MAX_VALUE = 1e12
MAX_PHASE = 99
_EXPERIMENT = re.compile(r"[0-9a-f]{8}")
_FEATURE = re.compile(r"[a-z][a-z0-9_]{0,39}")
_SOURCE = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_ARM = re.compile(r"[a-z0-9-]{1,80}")
_TEAMS = re.compile(r"[AB-]*")


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


def is_experiment(value: object) -> bool:
    """Whether a value has the form of the id of an experiment."""
    return isinstance(value, str) and _EXPERIMENT.fullmatch(value) is not None


def is_phase(value: object) -> bool:
    """Whether a value is the number of a phase."""
    return type(value) is int and 0 <= value <= MAX_PHASE


def is_arm(value: object) -> bool:
    """Whether a value has the form of a version's name; the store's fields rely on it."""
    return isinstance(value, str) and _ARM.fullmatch(value) is not None


def is_feature(value: object) -> bool:
    """Whether a value has the form of the name of a feature; the store's fields rely on it."""
    return isinstance(value, str) and _FEATURE.fullmatch(value) is not None


def is_source(value: object) -> bool:
    """Whether a value has the form of the name of a source of events."""
    return isinstance(value, str) and _SOURCE.fullmatch(value) is not None


def is_cap(value: object) -> bool:
    """Whether a value is a revenue of one user that counts at most."""
    return type(value) in (int, float) and 0 < value <= MAX_VALUE  # type: ignore[operator]


def is_probability(value: object) -> bool:
    """Whether a value is a number from 0 to 1."""
    return type(value) in (int, float) and 0 <= value <= 1  # type: ignore[operator]


def is_teams(value: object, items: int) -> bool:
    """Return whether a value has a letter for each of so many items."""
    return isinstance(value, str) and len(value) == items and bool(_TEAMS.fullmatch(value))


def is_duration(value: object) -> bool:
    """Return whether a value is the time that a request took."""
    return type(value) in (int, float) and 0 <= value <= MAX_MILLISECONDS  # type: ignore[operator]


def is_threshold(value: object) -> bool:
    """Return whether a value is a time above which a request is slow."""
    return type(value) is int and 1 <= value <= MAX_SLOWER_THAN


def is_part(value: object, items: int) -> bool:
    """Return whether a value is the number of some of so many items."""
    return type(value) is int and 0 <= value <= items


def segments_of(value: object) -> tuple[tuple[str, str], ...]:
    """Return the segments of a user, sorted by feature.

    Raises:
        ValueError: it is no object of a few names and texts; the message is the remedy.
    """
    if (
        not isinstance(value, dict)
        or len(value) > MAX_SEGMENTS
        or not all(
            is_feature(name)
            and type(text) is str
            and 0 < len(text) <= MAX_SEGMENT
            and is_text(text)
            for name, text in value.items()
        )
    ):
        raise ValueError(
            f"give at most {MAX_SEGMENTS} features, each with a text of at most {MAX_SEGMENT} "
            "characters"
        )
    return tuple(sorted(value.items()))


_short = reprlib.Repr()
_short.maxstring = _short.maxother = 60
_short.maxlist = _short.maxdict = 3
