"""Check many events with the same fields at once, field by field: pure.

The check of one event runs Python code for each of its fields. Here a field of all events is one
column, which a few calls of C code check as a whole. Values that they cannot accept, such as an id
with an umlaut or a time ahead of the clock, are then checked one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import itemgetter
from typing import Any

import orjson

from recommender_collector.domain.checks import MAX_ID, InvalidEvent, label
from recommender_collector.domain.events import Event, Id
from recommender_collector.domain.fields import (
    MAX_EVENT_ID,
    PATHS,
    context_of,
    items_of,
    path_of,
    query_of,
    time_of,
    value_of,
)
from recommender_collector.domain.lines import FORMAT, Lines, digest
from recommender_collector.domain.validation import Rules, user_of
from recommender_contract.events import Kind
from recommender_contract.ids import MAX_INTEGER, IdKind

Raw = Mapping[str, Any]
Column = Sequence[Any]

#: Fields that are checked here. An event with another one, also one that is new in `validation`,
#: is checked by itself.
FIELDS = frozenset(
    {
        "id", "kind", "model", "user", "item", "items", "time", "value", "request", "session",
        "query", "context", "version", "path", "hashed",
    }
)  # fmt: skip
_REQUIRED = frozenset({"id", "user"})
_PRINTABLE = bytes(range(0x20, 0x7F))  # of ASCII: to delete them takes less than `isprintable`


@dataclass(frozen=True, slots=True)
class Alike:
    """Events of one model and one kind, decoded from JSON, that have exactly the same fields."""

    raws: Sequence[Raw]
    fields: Sequence[str]
    kind: Kind
    #: The values of each field, where they are known already.
    given: Mapping[str, Column] | None = None


def columns_of(raws: Sequence[Raw], fields: Sequence[str]) -> dict[str, Column]:
    """Return the values of each of at least two fields, in the order of the events.

    Raises:
        KeyError: an event lacks a field.
    """
    values = zip(*map(itemgetter(*fields), raws), strict=True)
    return dict(zip(fields, values, strict=True))


def lines_of(events: Alike, rules: Rules, now: float) -> Lines | None:
    """Return valid events for the log: what `event_of` and `line_of` make of each, byte for byte.

    Args:
        events: at least one.
        rules: of their model.
        now: see `event_of`.

    Returns:
        None if one of them is invalid or has a field that is not checked here, and for some valid
        events too, such as one whose `version` is null: check each by itself.
    """
    fields = events.fields
    if not FIELDS.issuperset(fields) or not _REQUIRED.issubset(fields):
        return None
    given = events.given or columns_of(events.raws, fields)
    columns = _Columns(events, given, rules, now)
    ids = given["id"]
    if not _are_labels(ids, MAX_EVENT_ID):
        return None
    try:
        text = b"\n".join(map(orjson.dumps, zip(*columns.of_lines(), strict=True)))
    except InvalidEvent:
        return None
    return Lines(len(ids), b"".join(map(digest, ids)), text)


@dataclass(frozen=True, slots=True)
class _Columns:
    """The columns of events, and from them those of their lines."""

    events: Alike
    given: Mapping[str, Column]
    rules: Rules
    now: float

    def of_lines(self) -> list[Iterable[Any]]:
        """Return the fields of a line, in the order of `Event`, each of all events.

        Raises:
            InvalidEvent: also while the columns are iterated.
        """
        kind, features = self.events.kind, self.rules.features
        users = self._users()
        requests, proven = self._labels("request"), None
        if self.rules.proof is not None and "request" in self.given:
            users = list(users)
            requests, proven = self._proven(requests, users)
        columns: list[Iterable[Any]] = [
            self._same(FORMAT),
            self.given["id"],
            self._same(kind.value),
            users,
            self._items(),
            self._times(),
            self._each("value", lambda value: value_of(value, kind)),
            requests,
            self._labels("session"),
            self._each("query", lambda value: query_of(value, kind)),
            self._each(
                "context", lambda value: None if value is None else context_of(value, features)
            ),
        ]
        if "version" in self.given or "path" in self.given:
            # A line has both or neither. So an event with neither, where others have one, is
            # refused here like an invalid one, and checked by itself.
            columns += [self._versions(), self._paths()]
        if self.rules.source is None and proven is None:
            return columns
        # Of a line that has one of the last fields, the ones before are null.
        missing = len(Event._fields) - 1 - len(columns)
        columns += [self._same(None) for _ in range(missing)]
        columns.append(self._same(self.rules.source))
        return columns if proven is None else [*columns, proven]

    def _proven(
        self, requests: Iterable[str | None], users: Sequence[Id]
    ) -> tuple[Iterable[str], Iterable[bool]]:
        """Return the ids of the requests without their proofs, and whether they have one.

        An event without a request, where others have one, is checked by itself.
        """
        proof, found = self.rules.proof, []
        assert proof is not None
        for request, user in zip(requests, users, strict=True):
            if request is None:
                raise InvalidEvent("request", request, "it is checked by itself")
            id_, is_proven = proof(request, user)
            if is_proven is None:
                raise InvalidEvent("request", request, "it is checked by itself")
            found.append((id_, is_proven))
        ids, proven = zip(*found, strict=True)
        return ids, proven

    def _same(self, value: object) -> Iterable[Any]:
        return repeat(value, len(self.events.raws))

    def _each(self, field: str, of: Callable[[object], object]) -> Iterable[object]:
        """Return what `of` makes of each value, or of None if the events lack the field."""
        column = self.given.get(field)
        return self._same(of(None)) if column is None else map(of, column)

    def _versions(self) -> Iterable[str | None]:
        column = self.given.get("version")
        if column is None:
            return self._same(None)
        return column if _are_labels(column, MAX_ID) else map(label, repeat("version"), column)

    def _paths(self) -> Iterable[str | None]:
        column = self.given.get("path")
        if column is None:
            return self._same(None)
        is_known = _are_labels(column, MAX_ID) and PATHS.keys() >= set(column)
        return column if is_known else map(path_of, column)

    def _users(self) -> Iterable[Id]:
        users, rules = self.given["user"], self.rules
        if (hashed := self.given.get("hashed")) is not None:
            return map(user_of, users, repeat(rules), hashed)
        if rules.pseudonym is None and _are_ids(users, rules.model.mapping.ids.user):
            return users
        return map(user_of, users, repeat(rules))

    def _items(self) -> Iterable[tuple[Id, ...]]:
        item, kind = self.given.get("item"), self.rules.model.mapping.ids.item
        if item is not None and "items" not in self.given and _are_ids(item, kind):
            return zip(item, strict=True)
        if item is None and "items" not in self.given:
            return self._same(items_of({}, self.events.kind, kind))
        return map(items_of, self.events.raws, repeat(self.events.kind), repeat(kind))

    def _times(self) -> Iterable[int]:
        given, model, now = self.given.get("time"), self.rules.model, self.now
        if given is None:
            return self._same(time_of(None, model, now))
        if set(map(type, given)) <= {int, float}:
            oldest = max(0, now - model.max_age_seconds)
            if oldest <= min(given) and max(given) <= now:
                return [int(time * 1000) for time in given]
        return map(time_of, given, repeat(model), repeat(now))

    def _labels(self, field: str) -> Iterable[str | None]:
        column = self.given.get(field)
        if column is None:
            return self._same(None)
        if _are_labels(column, MAX_ID):
            return column
        return (None if value is None else label(field, value) for value in column)


def _are_ids(column: Column, kind: IdKind) -> bool:
    """Whether all values are ids, by a check that may be too strict."""
    if kind is IdKind.TEXT:
        return _are_labels(column, MAX_ID)
    return set(map(type, column)) == {int} and min(column) >= 0 and max(column) <= MAX_INTEGER


def _are_labels(column: Column, most: int) -> bool:
    """Whether `label` accepts all values."""
    try:
        text = "".join(column)
    except TypeError:  # one is no text
        return False
    if not text.isascii() or text.encode().translate(None, _PRINTABLE):
        return False
    lengths = set(map(len, column))
    return 0 not in lengths and max(lengths) <= most
