"""Queries and recommendations, to and from the v1 protocol: pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from recommender_client.errors import BadAnswer

#: An id of a user or an item: whole numbers, or strings if the model's `mapping.ids` is Text.
Id = int | str
#: A value of a declared feature.
Value = str | float | bool


@dataclass(frozen=True, slots=True)
class Event:
    """One interaction of a session; all events of a session have a timestamp, or none."""

    item: Id
    timestamp: int | None = None  # seconds since 1970
    value: float | None = None  # a rating, for example


@dataclass(frozen=True, slots=True)
class Query:
    """What to recommend for: a user, a session, or seed items; everything else is optional."""

    user_id: Id | None = None
    session: Sequence[Event] = ()
    top_n: int | None = None  # 10 if absent
    user: Mapping[str, Value] = field(default_factory=dict)  # declared features of the user
    context: Mapping[str, Value] = field(default_factory=dict)  # and of this request
    seed_items: Sequence[Id] = ()  # more like these
    candidate_items: Sequence[Id] | None = None  # only these
    excluded_items: Sequence[Id] = ()  # never these
    allow: Mapping[str, Sequence[str]] = field(default_factory=dict)  # by feature of items
    deny: Mapping[str, Sequence[str]] = field(default_factory=dict)
    session_id: str | None = None
    timestamp: int | None = None  # of the request, seconds since 1970; now if absent

    def instance(self) -> dict[str, Any]:
        """Return the instance of the v1 protocol, without what is absent or empty.

        An empty list of candidates stays, because it is not the same as none.
        """
        given = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        given["session"] = [_present(dataclasses.asdict(event)) for event in self.session]
        for name in ("user", "context", "allow", "deny"):
            given[name] = dict(given[name])
        for name in ("allow", "deny"):
            given[name] = {key: list(values) for key, values in given[name].items()}
        for name in ("seed_items", "candidate_items", "excluded_items"):
            given[name] = None if given[name] is None else list(given[name])
        return {
            name: value
            for name, value in _present(given).items()
            if name == "candidate_items" or value not in ([], {})
        }


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The answer to one query."""

    items: tuple[Id, ...]  # best first
    scores: tuple[float, ...]
    score_kind: str  # probability, or popularity
    source: str  # what answered: model, baseline or popularity
    version: str
    request_id: str  # for events about this answer


def recommendations(body: object, count: int) -> list[Recommendation]:
    """Read the body of an answer to `count` queries; unknown fields of newer servers are ignored.

    Raises:
        BadAnswer: it is not one of the v1 protocol.
    """
    try:
        predictions = body["predictions"]  # type: ignore[index]
        found = [_recommendation(each) for each in predictions]
    except (KeyError, TypeError) as error:
        raise BadAnswer(f"the answer is not one of the v1 protocol: {error!r}") from error
    if len(found) != count:
        raise BadAnswer(f"the answer has {len(found)} predictions for {count} queries")
    return found


def _recommendation(given: Mapping[str, Any]) -> Recommendation:
    items, scores = tuple(given["items"]), tuple(given["scores"])
    if len(items) != len(scores):
        raise BadAnswer(f"the answer has {len(items)} items and {len(scores)} scores")
    names = ("score_kind", "source", "version", "request_id")
    return Recommendation(items, scores, *(str(given[name]) for name in names))


def _present(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}
