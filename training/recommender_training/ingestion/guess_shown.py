"""Find logs of shown items: a column of 0 and 1 that differs within one request.

Such rows are what a list showed, so a row of 0 is no act of its user. As a plain value of each
event it would be one, in sessions and in histories.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recommender_training.ingestion import guess

#: Columns that name a request.
_REQUEST = r"(.*_)?(request|query|search|list|slate|page_?view|impression)(_?id)?"
#: Requests with both classes that are needed, and their share of those with a positive row.
_LEAST, _SHARE = 10, 0.5
#: Hours of attribution: each row has its own response, so the shortest window is meant.
_HOURS = 0.001


@dataclass(frozen=True)
class Shown:
    """The parts of a mapping that declare shown items with their response in one column."""

    section: dict[str, Any]
    label: dict[str, Any]
    why: str


def find_shown(columns: Mapping[str, Sequence[Any]], roles: Mapping[str, str]) -> Shown | None:
    """Return the declaration, or None if the values are no classes or do not look like lists."""
    if "value" not in roles:
        return None
    texts = [text(value) for value in columns[roles["value"]]]
    kinds = sorted({each for each in texts if each is not None}, key=_class)
    if len(kinds) != 2 or [_class(kind) for kind in kinds] != [0.0, 1.0] or None in texts:
        return None
    requests = {
        f"one {column}": columns[column]
        for column in columns
        if column not in roles.values() and re.fullmatch(_REQUEST, column.lower())
    }
    if not guess.are_dates(columns[roles["timestamp"]]):  # what a user does in a day is no list
        pair = zip(columns[roles["user"]], columns[roles["timestamp"]], strict=True)
        requests["one user and time"] = [(str(user), str(time)) for user, time in pair]
    for what, keys in requests.items():
        both, positive = _mixed(keys, [each == kinds[1] for each in texts])
        if both >= _LEAST and both > _SHARE * positive:
            return _declared(roles["value"], kinds, f"{both} of {positive}", what)
    return None


def _declared(column: str, kinds: Sequence[str], share: str, what: str) -> Shown:
    no, yes = kinds
    types = [{"type": no, "value": 1}, {"type": yes, "value": 5}]
    label = {
        "positiveTypes": [{"type": yes}],
        "attribution": {"impressions": [no, yes], "hours": _HOURS},
    }
    why = (
        f"{share} positive rows' requests (rows of {what}) also have {no}: a log of shown items, "
        "so each row is labelled by itself and only positive ones are acts of the user"
    )
    return Shown({"eventType": column, "eventTypes": types}, label, why)


def _mixed(keys: Sequence[Any], positive: Sequence[bool]) -> tuple[int, int]:
    """Return how many requests have rows of both classes, and how many have a positive row."""
    classes: dict[str, set[bool]] = {}
    for key, each in zip(keys, positive, strict=True):
        if key is not None:
            classes.setdefault(str(key), set()).add(each)
    return (
        sum(len(each) == 2 for each in classes.values()),
        sum(True in each for each in classes.values()),
    )


def text(value: Any) -> str | None:
    """Return a value as the readers of all formats write it."""
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def _class(kind: str) -> float:
    truths = {"false": 0.0, "true": 1.0}
    number = truths.get(kind.lower(), guess.number(kind))
    return -1.0 if number is None else number
