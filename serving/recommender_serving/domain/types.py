"""Requests, rankings and answers: plain data without a framework."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from recommender_contract.events import Source
from recommender_serving.domain.features import Value
from recommender_serving.domain.selection import ANY, Selection

#: Metadata of a gRPC call.
Metadata = tuple[tuple[str, str], ...]

#: The user of a request that names none; no model knows it.
NOBODY = -1
#: The user of the operator's smoke inference, if ids are texts. (Of numbers it is NOBODY.)
SMOKE_USER = "smoke.recommender.dev"


class ScoreKind(StrEnum):
    """What the scores of an answer are; only popularity decreases along the list."""

    PROBABILITY = "probability"  # of a positive response
    POPULARITY = "popularity"  # relative to the most popular item of the list


class FallReason(StrEnum):
    """Why the chain fell back from a model."""

    TIMEOUT = "timeout"
    ERROR = "error"
    NONFINITE = "nonfinite"
    SHAPE = "shape"
    EMPTY = "empty"


class Lookup(StrEnum):
    """The outcome of a look into the store of users."""

    FOUND = "found"
    NOTHING = "nothing"
    TIMEOUT = "timeout"
    ERROR = "error"


class Found(StrEnum):
    """The outcome of a look into the cache of answers."""

    HIT = "hit"
    JOINED = "joined"  # the call of an equal request was in flight
    MISS = "miss"


class Waited(StrEnum):
    """What a request waits for."""

    STORE = "store"
    MODEL = "model"  # retrieval and ranking, which are one graph
    BASELINE = "baseline"
    FORWARD = "forward"  # the other version of an experiment
    INTERLEAVE = "interleave"  # the candidate's lists, once the own answer is there


class Forwarded(StrEnum):
    """What became of a request that another version should answer, or of a copy."""

    ANSWERED = "answered"
    REFUSED = "refused"  # by a status below 500
    FAILED = "failed"  # unreachable, a status from 500 on, or no answer of it
    TIMEOUT = "timeout"
    OPEN = "open"  # not asked: too many calls in flight, or in a row failed
    BUSY = "busy"  # not asked: too many bytes in flight, or too little time left


class Interleaved(StrEnum):
    """What a user got whose lists are interleaved."""

    MIXED = "mixed"
    ALONE = "alone"  # of this version: one of the models gave no list in time


class Limit(StrEnum):
    """A limit of lists, which the resource sets."""

    DIVERSITY = "diversity"
    EXPOSURE = "exposure"


class Reported(StrEnum):
    """What became of an impression."""

    DURABLE = "durable"
    REJECTED = "rejected"  # by the collector's schema
    DROPPED = "dropped"  # too many wait, or the collector does not take it


class Outcome(StrEnum):
    """The outcome of an instance."""

    OK = "ok"
    ERROR = "error"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class SessionEvent:
    """One interaction of a session; the value 0 means unknown."""

    item: int
    timestamp: int  # seconds since 1970
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class Past:
    """What an answer leaves out because of what its user did.

    Items of `known` are better than an empty answer, items of `unwanted` are not.
    """

    known: frozenset[int] = frozenset()  # as the resource says: seen, interacted with, bought
    unwanted: frozenset[int] = frozenset()  # disliked

    @property
    def items(self) -> frozenset[int]:
        """All of them."""
        return self.known | self.unwanted if self.unwanted else self.known


NOTHING = Past()


@dataclass(frozen=True, slots=True)
class RecommendRequest:
    """One valid instance; the session is ordered by time, oldest first."""

    user_id: int
    timestamp: int  # seconds since 1970
    top_n: int
    session: tuple[SessionEvent, ...] = ()
    features: Mapping[str, Value] = field(default_factory=dict)  # by declared name
    session_id: str | None = None
    selection: Selection = ANY
    past: Past = NOTHING
    user_text: str | None = None  # the id of the user as it was given, if ids are texts
    derived: int = (
        0  # of the session: how many of the last events got their times from `timestamp`
    )
    held: bool = False  # its user is in the holdout, so the model must not answer


@dataclass(frozen=True, slots=True)
class Ranking:
    """Items and their scores, best first, of equal length."""

    items: tuple[int, ...]
    scores: tuple[float, ...]

    @property
    def pairs(self) -> Iterator[tuple[int, float]]:
        """The items with their scores."""
        return zip(self.items, self.scores, strict=True)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one instance."""

    items: tuple[int, ...]
    scores: tuple[float, ...]
    source: Source
    cut_short: bool = False  # the client's deadline ended a better stage, which had not failed
    unscored: int = 0  # of the last items, candidates that were not ranked: their score is 0
    #: Items with their scores that may stand at the last place, best first; none if no other may.
    pool: tuple[tuple[int, float], ...] = ()
    explored: bool = False  # the last item was drawn from the pool
    failed: bool = False  # in place of an answer that a bug prevented

    @property
    def probabilities(self) -> tuple[float, ...]:
        """What the model said of the first items; nothing if another one answered."""
        is_said = self.source is Source.MODEL
        return self.scores[: len(self.items) - self.unscored] if is_said else ()

    @property
    def score_kind(self) -> ScoreKind:
        """What the scores are."""
        popular = self.source is Source.POPULARITY
        return ScoreKind.POPULARITY if popular else ScoreKind.PROBABILITY


class RankerError(Exception):
    """A model returned no usable ranking; `reason` is the label of the counted fallback."""

    def __init__(self, reason: FallReason, detail: str = "") -> None:
        super().__init__(detail or reason.value)
        self.reason = reason
