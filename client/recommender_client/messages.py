"""Queries and recommendations, to and from the v1 protocol: pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Unpack

from recommender_client import events
from recommender_client.errors import BadAnswer
from recommender_client.events import About, UserEvent
from recommender_client.values import Id, Value


@dataclass(frozen=True, slots=True)
class Event:
    """One interaction of a session; all events of a session have a timestamp, or none."""

    item: Id
    timestamp: int | None = None  # seconds since 1970
    value: float | None = None  # a rating, for example


@dataclass(frozen=True, slots=True)
class Query:
    """A request for recommendations: a user, a session, or seed items; all else is optional."""

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
    """The answer to one query, and the events about it: `answer.click(item)`, for example.

    These events carry the request id, version and source of the answer, and the user and the
    session of the query.
    """

    items: tuple[Id, ...]  # best first
    scores: tuple[float, ...]
    score_kind: str  # probability, or popularity
    source: str  # what answered: model, baseline or popularity
    version: str
    request_id: str  # for events about this answer
    user_id: Id | None = None  # of the query
    session_id: str | None = None
    arm: str | None = None  # version of the user while an experiment runs; None outside of one

    def impression(self, items: Sequence[Id] | None = None, **about: Unpack[About]) -> UserEvent:
        """All items were shown, or these; not for a model that reports its impressions itself."""
        shown = self.items if items is None else items
        return events.impression(self._user(), shown, **self._about(about))

    def visit(self, item: Id, **about: Unpack[About]) -> UserEvent:
        """The page of an item was opened."""
        return events.visit(self._user(), item, **self._about(about))

    def click(self, item: Id, **about: Unpack[About]) -> UserEvent:
        """An item was clicked on."""
        return events.click(self._user(), item, **self._about(about))

    def basket(self, item: Id, **about: Unpack[About]) -> UserEvent:
        """An item was put into the basket."""
        return events.basket(self._user(), item, **self._about(about))

    def purchase(self, item: Id, money: float, **about: Unpack[About]) -> UserEvent:
        """An item was bought for this much money."""
        return events.purchase(self._user(), item, money, **self._about(about))

    def dwell(self, item: Id, seconds: float, **about: Unpack[About]) -> UserEvent:
        """The user stayed with an item for so long."""
        return events.dwell(self._user(), item, seconds, **self._about(about))

    def dislike(self, item: Id, **about: Unpack[About]) -> UserEvent:
        """The user does not want to see an item."""
        return events.dislike(self._user(), item, **self._about(about))

    def _user(self) -> Id:
        if self.user_id is None:
            raise ValueError("the query had no user: use recommender_client.events, with a user")
        return self.user_id

    def _about(self, given: About) -> About:
        known: About = {
            "request": self.request_id,
            "session": self.session_id,
            "version": self.version,
            "path": self.source,
            "hashed": True,  # the user is the one that the models know
        }
        return {**known, **given}


def recommendations(body: object, queries: Sequence[Query]) -> list[Recommendation]:
    """Read the body of an answer to these queries; unknown fields of newer servers are ignored.

    Raises:
        BadAnswer: it is not what the v1 protocol defines.
    """
    try:
        predictions = list(body["predictions"])  # type: ignore[index]
        if len(predictions) != len(queries):
            raise BadAnswer(
                f"the answer has {len(predictions)} predictions for {len(queries)} queries"
            )
        return list(map(_recommendation, predictions, queries))
    except (KeyError, TypeError) as error:
        raise BadAnswer(f"the answer is not of the v1 protocol: {error!r}") from error


def _recommendation(given: Mapping[str, Any], query: Query) -> Recommendation:
    items, scores = tuple(given["items"]), tuple(given["scores"])
    if len(items) != len(scores):
        raise BadAnswer(f"the answer has {len(items)} items and {len(scores)} scores")
    kind, source, version, request_id = (
        str(given[name]) for name in ("score_kind", "source", "version", "request_id")
    )
    arm = given.get("arm")
    return Recommendation(
        items,
        scores,
        kind,
        source,
        version,
        request_id,
        query.user_id,
        query.session_id,
        None if arm is None else str(arm),
    )


def _present(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}
