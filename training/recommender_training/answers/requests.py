"""Requests of the endpoint's v1 format, one JSON object each, as graphs and lists need them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from recommender_contract import ids
from recommender_contract.ids import IdKind, IdKinds
from recommender_training.answers.request_forms import request_form
from recommender_training.common.section import problems
from recommender_training.data.sessions import Request

#: The user of a request that names none; no model knows it.
NOBODY = -1
#: Characters of an error at most.
_SHOWN = 600
#: Categories of item features, by the name of the feature.
Rules = Mapping[str, frozenset[str]]


class BadRequestError(ValueError):
    """A request breaks the format; the message names field, value and remedy."""


@dataclass(frozen=True)
class Selection:
    """The items that a request asks for; the default is any."""

    candidates: tuple[int, ...] = ()
    excluded: frozenset[int] = frozenset()
    allow: Rules = field(default_factory=dict)
    deny: Rules = field(default_factory=dict)

    @property
    def restricts(self) -> bool:
        """Whether some items are not wanted."""
        return bool(self.candidates or self.excluded or self.allow or self.deny)


@dataclass(frozen=True)
class Asked:
    """A valid request: with numbers for ids, its session ordered by time, seeds as the newest."""

    request: Request
    selection: Selection = Selection()
    user: int | str | None = None  # as given
    seeds: frozenset[int] = frozenset()


class RequestReader:
    """Reads the requests of one version."""

    def __init__(
        self, vocabulary: Mapping[str, Any], kinds: IdKinds, top_n: int, now: int
    ) -> None:
        """`top_n` and `now`, in seconds since 1970, are those of requests that name none."""
        self._form = request_form(vocabulary, kinds)
        self._top_n, self._now = top_n, now
        self._user, self._item = _number(kinds.user), _number(kinds.item)

    def read(self, body: bytes | str) -> Asked:
        """Read the JSON of one request; raise BadRequestError."""
        try:
            form = self._form.model_validate_json(body)
        except ValidationError as error:
            raise BadRequestError(self._text(error)) from None
        given = form.model_dump(by_alias=True, exclude_none=True)
        now, item = given.get("timestamp", self._now), self._item
        seeds = _once(given.get("seed_items", ()), item)
        events = _dated(given.get("session", ()), now)
        if "user_id" not in given and not (events or seeds):
            raise BadRequestError(
                "user_id: required; give the user id, or a session or seed items to go by"
            )
        session = [{**event, "item": item(event["item"])} for event in events]
        # The models go by the newest events most.
        session += [{"item": each, "timestamp": max(0, now - 1)} for each in seeds]
        user = given.get("user_id")
        request = {
            "user_id": NOBODY if user is None else self._user(user),
            "user": given.get("user", {}),
            "context": given.get("context", {}),
            "session": session,
            "timestamp": now,
            "top_n": given.get("top_n", self._top_n),
        }
        selection = Selection(
            _once(given.get("candidate_items", ()), item),
            frozenset(map(item, given.get("excluded_items", ()))),
            _rules(given.get("allow", {})),
            _rules(given.get("deny", {})),
        )
        return Asked(request, selection, user, frozenset(seeds))

    def _text(self, error: ValidationError) -> str:
        first = error.errors(include_url=False)[0]
        if first["type"] == "json_invalid":
            problem = str(first["ctx"]["error"]).replace(" at line 1 column", " at character")
            return f"not JSON ({problem}); give one request, a JSON object"
        return problems(error, self._form)[:_SHOWN]


def _number(kind: IdKind) -> Callable[[Any], int]:
    return ids.hashed if kind is IdKind.TEXT else int


def _once(given: Sequence[Any], number: Callable[[Any], int]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(map(number, given)))


def _rules(given: Mapping[str, Sequence[str]]) -> Rules:
    return {name: frozenset(listed) for name, listed in given.items()}


def _dated(session: Sequence[dict[str, Any]], now: int) -> list[dict[str, Any]]:
    """The events in the order of time; those without any happened just before the request.

    Raises BadRequestError if some of them have a time.
    """
    count, undated = len(session), sum("timestamp" not in event for event in session)
    if 0 < undated < count:
        raise BadRequestError(
            f"session: {undated} of {count} events have no timestamp; give it for all or for none"
        )
    dated = [
        {"timestamp": max(0, now - count + place), **event} for place, event in enumerate(session)
    ]
    return sorted(dated, key=lambda event: int(event["timestamp"]))
