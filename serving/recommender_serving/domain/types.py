"""Values that pass between the steps of one request: pure data, no behaviour of a framework."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Source(StrEnum):
    """Who answered."""

    MODEL = "model"
    BASELINE = "baseline"
    POPULARITY = "popularity"


class FallReason(StrEnum):
    """Why a model was passed over."""

    TIMEOUT = "timeout"
    ERROR = "error"
    NONFINITE = "nonfinite"
    SHAPE = "shape"
    EMPTY = "empty"


class Outcome(StrEnum):
    """What became of an instance."""

    OK = "ok"
    ERROR = "error"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class SessionEvent:
    """One interaction of a session; the value 0 stands for unknown."""

    item: int
    timestamp: int  # seconds since 1970
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class RecommendRequest:
    """One instance, checked; the session is ordered by time, oldest first."""

    user_id: int
    timestamp: int  # seconds since 1970
    top_n: int
    session: tuple[SessionEvent, ...] = ()
    age: int | None = None  # years
    gender: str | None = None
    occupation: str | None = None
    session_id: str | None = None


@dataclass(frozen=True, slots=True)
class Ranking:
    """Items and their scores, best first, of equal length."""

    items: tuple[int, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the caller gets."""

    items: tuple[int, ...]
    scores: tuple[float, ...]
    source: Source


class RankerError(Exception):
    """A model gave no usable ranking; `reason` is the label under which the fall is counted."""

    def __init__(self, reason: FallReason, detail: str = "") -> None:
        super().__init__(detail or reason.value)
        self.reason = reason
