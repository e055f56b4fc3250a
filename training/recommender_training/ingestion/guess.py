"""Guess the kind of a column from its name and its first values."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from recommender_contract.features import MAX_PER_ROW, PER_ROW
from recommender_training.ingestion import texts
from recommender_training.ingestion.feature_values import MAX_TEXT

#: Names of columns with a time.
TIME = r"(timestamp|time|ts|at|date|datetime|created_at|event_(time|timestamp|ts)|occurred_at)"
#: Names of a column that says from when a row counts, and of one that may say so.
_SINCE = r"(valid|effective|active)_?(from|since)"
_CHANGED = r"(updated|changed|modified)(_?(at|on|time))?"
#: With more categories, `hashBuckets` or `maxCategories` is proposed, and at most so many buckets.
_MANY, _MOST_BUCKETS = 1000, 100_000
#: Numbers of a text that is taken as a vector; fewer may be anything, such as coordinates.
_SHORTEST_VECTOR, _LONGEST_VECTOR = 8, 1024
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_ISO = re.compile(r"\d{4}[/-]\d\d[/-]\d\d([T ]\d\d:\d\d.*)?")
_ID = r"(.*_)?id"


def kind(column: str, values: Sequence[Any]) -> tuple[dict[str, Any], str]:
    """Return the settings of a feature (none: left out) and a warning."""
    if not values:
        return {}, "no value in the first rows: left out"
    if any(isinstance(value, list) for value in values):
        return _of_lists([value for value in values if isinstance(value, list)])
    if any(isinstance(value, dict) for value in values):
        return {}, "nested values: left out"
    if any(isinstance(value, datetime.date) for value in values):
        return {"kind": "Timestamp", "unit": "ISO8601"}, ""
    texts = [str(value).strip() for value in values]
    distinct = len(set(texts))
    if {text.lower() for text in texts} <= {"true", "false"}:
        return {"kind": "Boolean"}, ""
    if re.fullmatch(_ID, column.lower()):
        return {}, "looks like an id: left out"
    if "propensity" in column.lower():
        return {}, "the chance that the item was shown, no feature: left out"
    if all(_NUMBER.fullmatch(text) for text in texts):
        return _of_numbers(column, [float(text) for text in texts], distinct)
    if all(_ISO.fullmatch(text) for text in texts):
        return {"kind": "Timestamp", "unit": "ISO8601"}, ""
    return _of_texts(texts, distinct)


def _of_lists(lists: Sequence[list[Any]]) -> tuple[dict[str, Any], str]:
    lengths = {len(each) for each in lists}
    entries = [entry for each in lists for entry in each if entry is not None]
    if any(isinstance(entry, list | dict) for entry in entries):
        return {}, "nested lists: left out"
    numbers = all(number(entry) is not None for entry in entries)
    if entries and numbers and len(lengths) == 1 and 1 < max(lengths) <= 1024:
        return {"kind": "Embedding", "length": max(lengths)}, ""
    if any(len(str(entry)) > MAX_TEXT for entry in entries):
        return {}, f"texts of more than {MAX_TEXT} characters: left out"
    return {"kind": "MultiCategorical"}, ""


def _of_numbers(
    column: str, numbers: Sequence[float], distinct: int
) -> tuple[dict[str, Any], str]:
    if {*numbers} == {0.0, 1.0}:
        return {"kind": "Boolean"}, "0 and 1 are read as false and true"
    if "year" in column.lower() and all(1000 <= number <= 2200 for number in numbers):
        return {"kind": "Timestamp", "unit": "Year"}, ""
    if re.fullmatch(TIME, column.lower()) and min(numbers) > 1e8:
        return {"kind": "Timestamp", "unit": unit(numbers)}, "check the unit"
    if distinct == 1:
        return {"kind": "Numeric"}, "one value in the first rows"
    few = distinct <= 10 and len(numbers) >= 100
    settings: dict[str, Any] = {"kind": "Numeric"}
    if -1 in numbers and min(numbers) == -1:
        return settings | {"missing": ["-1", "-1.0"]}, "-1 is taken as missing"
    return settings, "few values: is it a Categorical?" if few else ""


def _vector(texts: Sequence[str]) -> int | None:
    """Return how many numbers each text has, as an Embedding reads them, or None."""
    lengths = set()
    for text in texts:
        parts = re.split(r"\s*[,;]\s*|\s+", text.strip("[]() "))
        if not all(map(_NUMBER.fullmatch, parts)):
            return None
        lengths.add(len(parts))
    length = lengths.pop() if len(lengths) == 1 else 0
    return length if _SHORTEST_VECTOR <= length <= _LONGEST_VECTOR else None


def _of_texts(texts: Sequence[str], distinct: int) -> tuple[dict[str, Any], str]:
    if (length := _vector(texts)) is not None:
        return {"kind": "Embedding", "length": length}, f"{length} numbers in each text"
    with_bar = sum("|" in text for text in texts)
    if with_bar >= len(texts) / 10:
        return {"kind": "MultiCategorical", "separator": "|"}, ""
    if max(map(len, texts)) > MAX_TEXT:
        return {}, f"texts of more than {MAX_TEXT} characters: left out"
    if distinct > 20 and distinct > 0.9 * len(texts):
        return {}, "almost each row has another text: left out"
    if distinct > _MANY:
        buckets = min(_MOST_BUCKETS, 1 << (2 * distinct - 1).bit_length())
        return {"kind": "Categorical", "hashBuckets": buckets}, (
            f"{distinct} values in the first rows: they share buckets; fairness and coldStart "
            "need maxCategories instead"
        )
    return {"kind": "Categorical"}, ""


def most_frequent(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings with `maxCategories` in place of `hashBuckets`."""
    left = {name: value for name, value in settings.items() if name != "hashBuckets"}
    return left | {"maxCategories": _MANY}


def of_requests(
    settings: dict[str, Any], warn: str, values: Sequence[Any]
) -> tuple[dict[str, Any], str]:
    """Return the same of a feature of users or interactions, which has a limit of categories."""
    if settings.get("kind") != "MultiCategorical":
        return settings, warn
    between = settings.get("separator")
    most = max(
        (
            len(value) if isinstance(value, list) else len(str(value).split(between))
            for value in values
            if value is not None and (between or isinstance(value, list))
        ),
        default=1,
    )
    if most > MAX_PER_ROW:
        return {}, f"up to {most} categories in a row, more than {MAX_PER_ROW}: left out"
    if most <= PER_ROW:
        return settings, warn
    return settings | {"maxPerRow": most}, f"up to {most} categories in the first rows"


def since(columns: Mapping[str, Sequence[Any]], key: str) -> tuple[str | None, str]:
    """Return the column from whose time a row of a table counts, if there is one, and why.

    Its name says so; a name such as `updated_at` counts only where the ids of `key` repeat.
    """
    ids = [str(value) for value in columns[key] if value is not None]
    again = repeats(ids)
    for pattern in (_SINCE, _CHANGED) if again else (_SINCE,):
        for column, values in columns.items():
            known = [value for value in values if value is not None]
            named = column != key and re.fullmatch(pattern, column.lower())
            if named and known and all(map(is_time, known)):
                return column, f"rows count from here on ({again} of {len(ids)} repeat an id)"
    return None, ""


def repeats(ids: Sequence[Any]) -> int:
    """Return how many ids have occurred before."""
    known = [str(value) for value in ids if value is not None]
    return len(known) - len(set(known))


def is_time(value: Any) -> bool:
    """Return True if a value is a time: typed, ISO 8601, or a number of seconds or less."""
    if isinstance(value, datetime.date):
        return True
    found = number(value)
    return found > 1e8 if found is not None else bool(_ISO.fullmatch(str(value).strip()))


def are_dates(values: Sequence[Any]) -> bool:
    """Return True if times are days, without an hour."""
    known = [value for value in values if value is not None]
    return all(_is_day(value) for value in known)


def _is_day(value: Any) -> bool:
    if isinstance(value, datetime.datetime):
        return value.time() == datetime.time()
    if isinstance(value, datetime.date):
        return True
    found = number(value)
    if found is not None:
        return found / texts.PER_SECOND[unit([found])] % 86_400 == 0
    return bool(
        re.fullmatch(r"\d{4}[/-]\d\d[/-]\d\d([T ]00:00(:00(\.0+)?)?\s?(Z|UTC)?)?", str(value))
    )


def number(value: Any) -> float | None:
    """Return the finite number that a value is, or None; true is 1."""
    if isinstance(value, bool):
        return float(value)
    text = str(value).strip()
    found = float(text) if _NUMBER.fullmatch(text) else math.nan
    return found if math.isfinite(found) else None


def id_kind(values: Sequence[Any]) -> str:
    """Return the kind of ids."""
    known = (str(value) for value in values if value is not None)
    whole = all(re.fullmatch(r"\d{1,18}(\.0*)?", text) for text in known)
    return "Integer" if whole else "Text"


def unit(values: Sequence[Any]) -> str:
    """Return the likely unit of times."""
    known = [found for found in map(number, values) if found is not None]
    if not known:
        return "ISO8601"
    if max(known) > 1e14:
        return "Microseconds"
    return "Milliseconds" if max(known) > 1e11 else "Seconds"
