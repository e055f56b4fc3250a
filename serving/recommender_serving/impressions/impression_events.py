"""Answers as CloudEvents of the type dev.recommender.impression: pure.

docs/event-fields.md describes their fields; tests let the collector read them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from recommender_contract.events import (
    MAX_ITEMS,
    MAX_LABEL,
    MAX_MILLISECONDS,
    MAX_PROBABILITIES,
    TYPE_PREFIX,
    Kind,
)
from recommender_contract.ids import MAX_INTEGER, fault
from recommender_serving.domain.features import Features, Value
from recommender_serving.domain.types import Answer, RecommendRequest
from recommender_serving.experiments.assignment import Assignment, loggable_user
from recommender_serving.experiments.holdout import Member
from recommender_serving.impressions.context_features import context_of, label_segments_of

TYPE = f"{TYPE_PREFIX}{Kind.IMPRESSION}"
_HASHES = 2**64
#: Returns the id of a request of a user with a proof.
Sign = Callable[[str, int | str], str]


class Mark(NamedTuple):
    """Identity of an event of a request that two versions may answer."""

    source: str
    number: int


class Mixed(NamedTuple):
    """The version that gave each item of a list to a user of an interleaving.

    A is the version that answered, B the candidate; - for an item of neither, and for each of a
    list that was not mixed.
    """

    id: str  # of the interleaving
    candidate: str
    teams: str  # a letter for each item


class Served(NamedTuple):
    """How a request was served, where an experiment watches that."""

    milliseconds: float
    slower_than: int
    failed: bool  # the version of its user answered with an error, whatever the user got


class Shown(NamedTuple):
    """One answer, or a request that failed; less than an event, because many may wait."""

    user: int | str
    items: Sequence[int | str]  # as clients know them
    at: float  # seconds since 1970
    path: str | None  # None: nothing answered
    request: str | None
    session: str | None
    context: dict[str, Value | bool]
    assignment: Assignment | None = None  # while an experiment runs
    mark: Mark | None = None
    #: Of the declared label, for the first items; none of an answer that no model gave.
    probabilities: Sequence[float] = ()
    pool: Sequence[int | str] = ()  # that the last item was drawn from, if the answer explored
    member: Member | None = None  # of the holdout, or of those whom it is compared with
    #: Features that divide the predictions, and what the request says of each.
    label_segments: tuple[tuple[str, str], ...] = ()
    mixed: Mixed | None = None
    served: Served | None = None
    of_group: int | None = None  # items of the group that the experiment watches


class Origin(NamedTuple):
    """Properties that the impressions of a process share; `source` is its own."""

    model: str
    version: str
    source: str
    predicts: bool = False  # impressions have the probabilities of their items
    divided: tuple[str, ...] = ()  # features by whose values the collector divides these
    #: Proves to the collector that a request was this user's.
    sign: Sign = lambda id_, _: id_


class AnsweredRequest(NamedTuple):
    """One answer as its user got it, and what it counts for.

    Of the answers with one mark, whoever reports them, the collector counts one.
    """

    request: RecommendRequest
    answer: Answer
    items: Sequence[int] | Sequence[str]  # as clients know them
    id: str
    at: float  # seconds since 1970
    assignment: Assignment | None = None  # while an experiment runs
    mark: Mark | None = None
    pool: Sequence[int] | Sequence[str] = ()  # that the last item was drawn from, if it explored
    member: Member | None = None  # of the holdout, or of those whom it is compared with
    mixed: Mixed | None = None  # if its user is in an interleaving
    served: Served | None = None
    of_group: int | None = None  # items of the group that the experiment watches


def shown(of: AnsweredRequest, features: Features, divided: Sequence[str] = ()) -> Shown | None:
    """Return the impression of an answer; None without an item, or a user whom the log knows.

    `divided` are the features by whose values the predictions are compared with labels.
    In an experiment, or for the measure of a holdout, an answer without items counts too: a
    version must not look better because it gives users nothing who would not have clicked.

    The collector refuses an event for one bad part, so parts that it would refuse are left out.
    """
    request, items = of.request, of.items
    user = loggable_user(request)
    if user is None:
        return None
    taken = [item for item in items if _is_item(item)][:MAX_ITEMS]
    # Without its item a probability would be that of another one.
    is_whole = taken[:MAX_PROBABILITIES] == list(items[:MAX_PROBABILITIES])
    probabilities = of.answer.probabilities[:MAX_PROBABILITIES] if is_whole else ()
    if not taken and of.assignment is None and of.member is None:
        return None
    context, session = context_of(request, features), _label(request.session_id)
    return Shown(
        user, taken, of.at, of.answer.source.value, _label(of.id), session, context,
        of.assignment, of.mark, probabilities,
        of.pool if of.pool and takes_draw(items, of.pool) else (), of.member,
        label_segments_of(request, features, divided) if probabilities else (),
        _taken_of(of.mixed, items), of.served, of.of_group if len(taken) == len(items) else None,
    )  # fmt: skip


def failed(
    request: RecommendRequest,
    id_: str,
    at: float,
    features: Features,
    assignment: Assignment,
    mark: Mark | None,
    served: Served,
) -> Shown | None:
    """Return the report of a request that nothing answered; None of a user not in the log."""
    user = loggable_user(request)
    if user is None:
        return None
    context, session = context_of(request, features), _label(request.session_id)
    return Shown(
        user, (), at, None, _label(id_), session, context, assignment, mark, served=served
    )


def _taken_of(mixed: Mixed | None, items: Sequence[int] | Sequence[str]) -> Mixed | None:
    """Return which version gave each of the items that the collector takes."""
    if mixed is None:
        return None
    every: list[int | str] = [*items]
    kept = [team for item, team in zip(every, mixed.teams, strict=True) if _is_item(item)]
    return mixed._replace(teams="".join(kept[:MAX_ITEMS]))


def takes_draw(items: Sequence[int] | Sequence[str], pool: Sequence[int] | Sequence[str]) -> bool:
    """Return whether the impression of an answer can say that its last item was drawn.

    A pool without one of its items, or at another place, would be another draw.
    """
    return len(items) <= MAX_ITEMS and all(_is_item(item) for item in (*items, *pool))


def _is_item(item: int | str) -> bool:
    """Return whether the collector takes an id of an item."""
    if isinstance(item, int):
        return 0 <= item <= MAX_INTEGER
    return _label(item) is not None or fault(item) is None


def _label(text: str | None) -> str | None:
    """Return a text that the collector takes as an id; None for another one."""
    if text and len(text) <= MAX_LABEL and text.isascii() and text.isprintable():
        return text
    return None


def sampled(id_: str, share: float) -> bool:
    """Return whether a request is in a share of all; its id decides, on every pod alike."""
    digest = hashlib.blake2b(id_.encode(errors="replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * _HASHES


def bodies(
    impressions: Iterable[tuple[int, Shown]], origin: Origin, most_bytes: int
) -> Iterator[tuple[int, bytes]]:
    """Yield the number of impressions and the body of each request, at most so large.

    An impression has the number that makes its id; sent again with it, it counts once.
    """
    texts: list[bytes] = []
    size = 2  # the brackets
    for number, each in impressions:
        text = orjson.dumps(_cloud_event(number, each, origin))
        if texts and size + len(text) > most_bytes:
            yield len(texts), b"[" + b",".join(texts) + b"]"
            texts, size = [], 2
        texts.append(text)
        size += len(text) + 1
    if texts:
        yield len(texts), b"[" + b",".join(texts) + b"]"


def _probabilities(of: Shown, origin: Origin) -> list[float] | None:
    """Return the probabilities to compare with labels: six digits are enough for sums."""
    if not origin.predicts or not of.probabilities:
        return None
    return [round(min(max(each, 0.0), 1.0), 6) for each in of.probabilities]


def _explored(of: Shown) -> dict[str, Any] | None:
    return {"place": len(of.items) - 1, "pool": of.pool} if of.pool else None


def _grouped(of: Shown) -> dict[str, Any] | None:
    member = of.member
    if member is None:
        return None
    return {"id": member.measure, "group": member.group, "cap": member.cap}


def _assigned(assignment: Assignment) -> dict[str, Any]:
    return assignment._asdict() | {"segments": dict(assignment.segments) or None}


def _served(of: Served | None) -> dict[str, Any] | None:
    if of is None:
        return None
    took = round(min(max(of.milliseconds, 0.0), MAX_MILLISECONDS), 1)
    return {"milliseconds": took, "slowerThan": of.slower_than, "failed": of.failed}


def _cloud_event(number: int, of: Shown, origin: Origin) -> Mapping[str, Any]:
    at = datetime.fromtimestamp(of.at, UTC).isoformat(timespec="milliseconds")
    data = {
        "model": origin.model, "user": of.user, "items": of.items,
        "request": None if of.request is None else origin.sign(of.request, of.user),
        "session": of.session, "context": of.context or None, "version": origin.version,
        "path": of.path, "probabilities": _probabilities(of, origin),
        "explored": _explored(of), "holdout": _grouped(of),
        "labelSegments": dict(of.label_segments) or None if origin.predicts else None,
        "interleaved": of.mixed._asdict() if of.mixed else None,
        "served": _served(of.served), "ofGroup": of.of_group,
        **(_assigned(of.assignment) if of.assignment else {}),
    }  # fmt: skip
    source, id_ = of.mark or (origin.source, number)
    return {
        "specversion": "1.0",
        "type": TYPE,
        "source": source,
        "id": str(id_),
        "time": at,
        # The user is the one that the models know.
        "data": {name: value for name, value in data.items() if value is not None}
        | {"hashed": True},
    }
