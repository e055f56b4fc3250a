"""The fields of an event, each checked by itself: pure.

Every problem names the field, the value and the remedy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from recommender_collector.domain.checks import MAX_ID, MAX_VALUE, InvalidEvent, is_text
from recommender_collector.domain.declaration import Model
from recommender_collector.domain.events import Context, ContextValue, Id
from recommender_contract.categories import BadCategoriesError, categories_of
from recommender_contract.events import MAX_CATEGORY, MAX_ITEMS, Kind, Source
from recommender_contract.features import TEXTS
from recommender_contract.features import Kind as FeatureKind
from recommender_contract.ids import MAX_INTEGER, IdKind, fault
from recommender_contract.resource.feature import Feature

MAX_EVENT_ID = 256
MAX_QUERY = 256
MAX_NUMBER = 1e30  # of an Embedding
MAX_DWELL = 86_400.0
LATEST = 4_102_444_800  # 2100-01-01; milliseconds since 1971 are above it
KINDS = {kind.value: kind for kind in Kind}
PATHS = {source.value: source for source in Source}
_NEEDS_ITEM = frozenset({Kind.CLICK, Kind.BASKET, Kind.PURCHASE, Kind.DWELL, Kind.DISLIKE})
_NEEDS_VALUE = {Kind.PURCHASE: "the money paid", Kind.DWELL: "the seconds"}


def id_of(field: str, value: object, kind: IdKind) -> Id:
    """Return the id of a user or an item.

    Raises:
        InvalidEvent: it is not one of its kind.
    """
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


def items_of(raw: Mapping[str, Any], kind: Kind, ids: IdKind) -> tuple[Id, ...]:
    """Return the items of an event: of an impression all, of another one at most one.

    Raises:
        InvalidEvent: one is wrong, or missing, or there are too many.
    """
    item, items = raw.get("item"), raw.get("items")
    if items is not None:
        if kind is not Kind.IMPRESSION:
            raise InvalidEvent(
                "items", items, f"only an impression has several: give item to a {kind}"
            )
        if item is not None:
            raise InvalidEvent("items", items, "give item or items, not both")
        # Where users are compared, an answer without items is one that the user got.
        least = 1 if raw.get("experiment") is None and raw.get("holdout") is None else 0
        if not isinstance(items, list) or not least <= len(items) <= MAX_ITEMS:
            raise InvalidEvent("items", items, f"give a list of 1 to {MAX_ITEMS} item ids")
        return tuple(id_of(f"items[{index}]", each, ids) for index, each in enumerate(items))
    if item is not None:
        return (id_of("item", item, ids),)
    if kind is Kind.IMPRESSION:
        raise InvalidEvent("items", None, "an impression needs the items that were shown")
    if kind in _NEEDS_ITEM:
        raise InvalidEvent("item", None, f"a {kind} needs its item")
    return ()


def time_of(value: object, model: Model, now: float) -> int:
    """Return the time of an event in milliseconds since 1970; see `event_of`.

    Raises:
        InvalidEvent: it is no time, or outside what the model accepts.
    """
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


def value_of(value: object, kind: Kind) -> float | None:
    """Return the value of an event.

    Raises:
        InvalidEvent: it is no number in the range of its kind, or missing.
    """
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


def query_of(value: object, kind: Kind) -> str | None:
    """Return the words of a search; other kinds have none.

    Raises:
        InvalidEvent: they are wrong, missing, or of another kind.
    """
    if kind is not Kind.SEARCH:
        if value is not None:
            raise InvalidEvent(
                "query", value, f"only a search has words: leave it out of a {kind}"
            )
        return None
    if isinstance(value, str) and 0 < len(value) <= MAX_QUERY and is_text(value):
        return value
    raise InvalidEvent("query", value, f"a search needs its words, 1 to {MAX_QUERY} characters")


def context_of(value: object, features: Mapping[str, Feature]) -> Context | None:
    """Return the features of the context that are given; None if there are none.

    Raises:
        InvalidEvent: one is not declared, or its value is wrong.
    """
    if not isinstance(value, dict):
        raise InvalidEvent("context", value, "give an object of the declared features")
    found: Context = {}
    for name, given in value.items():
        feature = features.get(name)
        if feature is None:
            known = ", ".join(features) or "none"
            raise InvalidEvent(
                f"context.{name[:60]}", given, f"the declared features of the context are: {known}"
            )
        if given is not None and (read := _feature(given, feature)) != []:
            found[name] = read
    return found or None


def path_of(value: object) -> Source:
    """Return what of a version answered.

    Raises:
        InvalidEvent: it is none of Source.
    """
    found = PATHS.get(value) if isinstance(value, str) else None
    if found is None:
        raise InvalidEvent("path", value, f"give one of {', '.join(Source)}")
    return found


def _feature(value: object, feature: Feature) -> ContextValue:
    field = f"context.{feature.name}"
    if feature.kind is FeatureKind.MULTI_CATEGORICAL:
        return _categories(field, value, feature)
    if feature.kind is FeatureKind.EMBEDDING:
        if isinstance(value, list) and len(value) == feature.length and all(map(_is_one, value)):
            return value
        raise InvalidEvent(field, value, f"give a list of {feature.length} finite numbers")
    if feature.kind in TEXTS:
        if _is_category(value):
            return value  # type: ignore[return-value]
        raise InvalidEvent(field, value, f"give a text of 1 to {MAX_CATEGORY} characters")
    if feature.kind is FeatureKind.BOOLEAN:
        if isinstance(value, bool):
            return value
        raise InvalidEvent(field, value, "give true or false")
    low = -1e15 if feature.minimum is None else feature.minimum
    high = 1e15 if feature.maximum is None else feature.maximum
    if type(value) in (int, float) and low <= value <= high:  # type: ignore[operator]
        return value  # type: ignore[return-value]
    raise InvalidEvent(field, value, f"give a number from {low:g} to {high:g}")


def _categories(field: str, value: object, feature: Feature) -> list[str]:
    """Return the categories of a list as requests and files have them, each once."""
    if not isinstance(value, list):
        texts = f"texts of 1 to {MAX_CATEGORY} characters"
        raise InvalidEvent(field, value, f"give a list of at most {feature.most} {texts}")
    try:
        found = categories_of(value, feature.separator, feature.most)
    except BadCategoriesError as error:
        where, given = field, value
        if error.place is not None:
            where, given = f"{field}[{error.place}]", value[error.place]
        raise InvalidEvent(where, given, str(error)) from None
    for place, entry in enumerate(value):
        if not is_text(entry):
            raise InvalidEvent(f"{field}[{place}]", entry, "give printable characters")
    return list(found)


def _is_category(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_CATEGORY and is_text(value)


def _is_one(value: object) -> bool:
    """Return whether a value is a number that an Embedding may have."""
    return type(value) in (int, float) and -MAX_NUMBER <= value <= MAX_NUMBER  # type: ignore[operator]
