"""Check raw events against the declaration: pure, and fast for valid events.

Every problem names the field, the value and the remedy.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from recommender_collector.domain.checks import (
    MAX_ID,
    MAX_VALUE,
    InvalidEvent,
    is_text,
    label,
)
from recommender_collector.domain.declaration import ContextFeature, ContextKind, Model
from recommender_collector.domain.events import Event, Id, Kind, Path
from recommender_collector.domain.explorations import FIELD as EXPLORED
from recommender_collector.domain.explorations import explored_of
from recommender_collector.domain.exposures import EXPOSURE_FIELDS, exposure_of
from recommender_collector.domain.probabilities import probabilities_of
from recommender_collector.domain.pseudonyms import HEX_DIGITS, is_pseudonym
from recommender_serving.domain.ids import IdKind, fault

MAX_EVENT_ID = 256
MAX_QUERY = 256
MAX_CATEGORY = 64
MAX_ITEMS = 500  # of an impression
MAX_INTEGER = 10**18 - 1  # ingestion refuses larger ids
MAX_DWELL = 86_400.0
LATEST = 4_102_444_800  # 2100-01-01; milliseconds since 1971 are above it
FIELDS = (
    "id", "kind", "model", "user", "item", "items", "time", "value", "request", "session",
    "query", "context", "version", "path", "hashed", *EXPOSURE_FIELDS, "probabilities",
    EXPLORED,
)  # fmt: skip
_KINDS = {kind.value: kind for kind in Kind}
_PATHS = {path.value: path for path in Path}
_FIELDS = frozenset(FIELDS)
_NEEDS_ITEM = frozenset({Kind.CLICK, Kind.BASKET, Kind.PURCHASE, Kind.DWELL, Kind.DISLIKE})
_NEEDS_VALUE = {Kind.PURCHASE: "the money paid", Kind.DWELL: "the seconds"}


@dataclass(frozen=True, slots=True)
class Rules:
    """What is accepted for one model. `pseudonym` maps a user id to the one that is stored."""

    model: Model
    pseudonym: Callable[[str], str] | None = None


def event_of(raw: object, rules: Rules, now: float) -> Event:
    """Return the valid event of an object decoded from JSON.

    Args:
        raw: the object.
        rules: of the event's model.
        now: time of receipt, in seconds since 1970. It is the time of an event without one, and
            of an event that is ahead by no more than `maxAheadSeconds`.

    Raises:
        InvalidEvent: with the first field that is wrong.
    """
    if not isinstance(raw, dict):
        raise InvalidEvent("event", raw, "give an object")
    if not _FIELDS.issuperset(raw):
        raise _unknown(raw)
    get = raw.get
    named, id_ = get("kind"), get("id")
    kind = _KINDS.get(named) if isinstance(named, str) else None
    if kind is None:
        raise InvalidEvent("kind", named, f"give one of {', '.join(Kind)}")
    if id_ is None:
        raise InvalidEvent("id", None, "it is required: give a text that no other event has")
    id_ = label("id", id_, MAX_EVENT_ID)
    ids = rules.model.mapping.ids
    user = user_of(get("user"), rules, get("hashed"))
    items = _items(raw, kind, ids.item)
    request, session, context = get("request"), get("session"), get("context")
    version, path = get("version"), get("path")
    return Event(
        id_,
        kind,
        user,
        items,
        _time(get("time"), rules.model, now),
        _value(get("value"), kind),
        None if request is None else label("request", request),
        None if session is None else label("session", session),
        _query(get("query"), kind),
        None if context is None else _context(context, rules.model),
        None if version is None else label("version", version),
        None if path is None else _path(path),
        exposure_of(raw, kind),
        probabilities_of(get("probabilities"), kind, len(items), rules.model),
        explored_of(get(EXPLORED), kind, items, partial(_id, kind=ids.item)),
    )


def user_of(value: object, rules: Rules, hashed: object = None) -> Id:
    """Return the id of a user as it is stored.

    `hashed` is true for an id as the models know it; without `hashUsers` that is every id.

    Raises:
        InvalidEvent: it is not an id of the declared kind, or is no hash where it should be one.
    """
    user = _id("user", value, rules.model.mapping.ids.user)
    if hashed not in (None, True, False):
        raise InvalidEvent("hashed", hashed, "give true or false")
    if rules.pseudonym is None or not isinstance(user, str):
        return user
    if not hashed:
        return rules.pseudonym(user)
    if not is_pseudonym(user):
        raise InvalidEvent(
            "user", user, f"with hashed, give the {HEX_DIGITS} hex digits of its hash"
        )
    return user


def _path(value: object) -> Path:
    found = _PATHS.get(value) if isinstance(value, str) else None
    if found is None:
        raise InvalidEvent("path", value, f"give one of {', '.join(Path)}")
    return found


def _unknown(raw: Mapping[Any, Any]) -> InvalidEvent:
    name = str(next(key for key in raw if key not in _FIELDS))[:100]
    close = difflib.get_close_matches(name, FIELDS, 1)
    meant = f"did you mean {close[0]}? " if close else ""
    return InvalidEvent(name, raw.get(name), f"{meant}the fields are {', '.join(FIELDS)}")


def _id(field: str, value: object, kind: IdKind) -> Id:
    if kind is IdKind.INTEGER:
        if type(value) is int and 0 <= value <= MAX_INTEGER:
            return value
        raise InvalidEvent(field, value, f"give a whole number from 0 to {MAX_INTEGER}")
    if type(value) is str and 0 < len(value) <= MAX_ID and value.isascii() and value.isprintable():
        return value
    remedy = fault(value)
    if remedy is not None or not isinstance(value, str):
        raise InvalidEvent(field, value, remedy or "give a text")
    return value


def _items(raw: Mapping[str, Any], kind: Kind, ids: IdKind) -> tuple[Id, ...]:
    item, items = raw.get("item"), raw.get("items")
    if items is not None:
        if kind is not Kind.IMPRESSION:
            raise InvalidEvent(
                "items", items, f"only an impression has several: give item to a {kind}"
            )
        if item is not None:
            raise InvalidEvent("items", items, "give item or items, not both")
        # In an experiment an answer without items is one that the user got.
        least = 1 if raw.get("experiment") is None else 0
        if not isinstance(items, list) or not least <= len(items) <= MAX_ITEMS:
            raise InvalidEvent("items", items, f"give a list of 1 to {MAX_ITEMS} item ids")
        return tuple(_id(f"items[{index}]", each, ids) for index, each in enumerate(items))
    if item is not None:
        return (_id("item", item, ids),)
    if kind is Kind.IMPRESSION:
        raise InvalidEvent("items", None, "an impression needs the items that were shown")
    if kind in _NEEDS_ITEM:
        raise InvalidEvent("item", None, f"a {kind} needs its item")
    return ()


def _time(value: object, model: Model, now: float) -> int:
    if value is None:
        return int(now * 1000)
    remedy = "give seconds since 1970 (not milliseconds), or RFC 3339 with a zone"
    if isinstance(value, str):
        try:
            parsed = datetime.fromisoformat(value) if len(value) <= 40 else None
        except ValueError:
            parsed = None
        if parsed is None or parsed.tzinfo is None:
            raise InvalidEvent("time", value, remedy)
        seconds = parsed.timestamp()
    elif type(value) in (int, float) and 0 <= value < LATEST:  # type: ignore[operator]
        seconds = value  # type: ignore[assignment]
    else:
        raise InvalidEvent("time", value, remedy)
    if seconds > now:
        if seconds > now + model.max_ahead_seconds:
            raise InvalidEvent(
                "time", value,
                f"it is {_span(seconds - now)} ahead of the collector's clock, and at most "
                f"{model.max_ahead_seconds} s are accepted: set the client's clock",
            )  # fmt: skip
        return int(now * 1000)
    if seconds < now - model.max_age_seconds:
        raise InvalidEvent(
            "time", value,
            f"it is {_span(now - seconds)} old, and at most {model.max_age_seconds} s are "
            "accepted: put older events into the raw files of training",
        )  # fmt: skip
    return int(seconds * 1000)


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s"


def _value(value: object, kind: Kind) -> float | None:
    if value is None:
        if kind in _NEEDS_VALUE:
            raise InvalidEvent("value", None, f"a {kind} needs {_NEEDS_VALUE[kind]}")
        return None
    if type(value) not in (int, float) or not math.isfinite(value):  # type: ignore[arg-type]
        raise InvalidEvent("value", value, "give a finite number")
    number = float(value)  # type: ignore[arg-type]
    high = MAX_DWELL if kind is Kind.DWELL else MAX_VALUE
    low = 0.0 if kind in _NEEDS_VALUE else -MAX_VALUE
    if not low <= number <= high:
        raise InvalidEvent("value", value, f"give a number from {low:g} to {high:g} to a {kind}")
    return number


def _query(value: object, kind: Kind) -> str | None:
    if kind is not Kind.SEARCH:
        if value is not None:
            raise InvalidEvent(
                "query", value, f"only a search has words: leave it out of a {kind}"
            )
        return None
    if isinstance(value, str) and 0 < len(value) <= MAX_QUERY and is_text(value):
        return value
    raise InvalidEvent("query", value, f"a search needs its words, 1 to {MAX_QUERY} characters")


def _context(value: object, model: Model) -> dict[str, str | float | bool] | None:
    features = {each.name: each for each in model.mapping.interactions.features}
    if not isinstance(value, dict):
        raise InvalidEvent("context", value, "give an object of the declared features")
    found: dict[str, str | float | bool] = {}
    for name, given in value.items():
        feature = features.get(name)
        if feature is None:
            known = ", ".join(features) or "none"
            raise InvalidEvent(
                f"context.{name[:60]}", given, f"the declared features of the context are: {known}"
            )
        if given is not None:
            found[name] = _feature(given, feature)
    return found or None


def _feature(value: object, feature: ContextFeature) -> str | float | bool:
    field = f"context.{feature.name}"
    if feature.kind is ContextKind.CATEGORICAL:
        if isinstance(value, str) and 0 < len(value) <= MAX_CATEGORY and is_text(value):
            return value
        raise InvalidEvent(field, value, f"give a text of 1 to {MAX_CATEGORY} characters")
    if feature.kind is ContextKind.BOOLEAN:
        if isinstance(value, bool):
            return value
        raise InvalidEvent(field, value, "give true or false")
    low = -1e15 if feature.minimum is None else feature.minimum
    high = 1e15 if feature.maximum is None else feature.maximum
    if type(value) in (int, float) and low <= value <= high:  # type: ignore[operator]
        return value  # type: ignore[return-value]
    raise InvalidEvent(field, value, f"give a number from {low:g} to {high:g}")
