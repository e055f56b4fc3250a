"""Guess which columns of a table are the user, the item, the time and the response.

The name of a column proposes a role, and its values confirm it: a column of times has times, and
one of users has few missing values. Of several columns the one with the plainest name is taken.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from typing import Any

from recommender_training.common.errors import InputError
from recommender_training.ingestion import guess
from recommender_training.ingestion.file_preview import TablePreview


def interactions_table(seen: Sequence[TablePreview]) -> TablePreview:
    """Return the first table with columns of users, items and times.

    Raises InputError `InvalidMapping` if there is none, with what each table lacks.
    """
    for each in seen:
        if each.header and {"user", "item", "timestamp"} <= {*find_roles(each.columns)}:
            return each
    raise InputError(
        "InvalidMapping",
        "no table has columns whose names say user, item and time, such as user_id, item_id and "
        f"timestamp. Found: {'; '.join(map(_lacks, seen))}. Join tables that have one part each, "
        "rename columns, or write the mapping yourself, see docs/data-mapping.md",
    )


def _lacks(seen: TablePreview) -> str:
    if seen.header:
        shown = ", ".join(seen.columns)[:200]
        return f"{seen.files}: {shown} ({missing(seen.columns)})"
    return (
        f"{seen.files} has no header (its first line is {', '.join(seen.columns)[:100]!r}): write "
        "the names of the columns as its first line, or list them in mapping.interactions.columns"
    )


_ID = r"_?((pseudo_?)?id|uuid|key|no|nr|number|hash)"
_WHO = (
    r"(user|customer|member|visitor|client|account|reviewer|shopper|buyer|subscriber|listener"
    r"|viewer|reader|player|person)"
)
_WHAT = (
    r"(item|product|sku|movie|film|article|content|book|track|song|artist|video|business|asin"
    r"|isbn|app|game|news|listing|offer|recipe|course|hotel|doc(ument)?)"
)
_SESSION = r"((user|visit|ga)_?)?session(_?id)?"
#: Patterns of the names of each role, the plainest ones first.
_NAMES = {
    "user": (rf"{_WHO}{_ID}", rf"{_WHO}|uid", rf"{_WHO}_?name", _SESSION),
    "item": (rf"{_WHAT}{_ID}", rf"{_WHAT}"),
    "timestamp": (
        r"timestamp|event_?(time|timestamp|ts)",
        r"time|ts|at|date_?time|created_?at|occurred_?at",
        r".*(_at|_ts|time_?stamp|date_?time)",
        r".*_time|time_.*",
        r"date|day|.*_?date|date_.*|t_dat|dt|.*_(day|dt|on)",
    ),
    "value": (
        r"rating|stars|score|value|(is_)?click(ed|s)?|(is_)?liked?|label|target",
        r"overall|(.*_)?rating|(is_)?recommend(ed)?",
    ),
    "eventType": (
        r"event|event_type|event_name|action|type|kind",
        r"(action|interaction|activity|behaviou?r)(_?(type|name))?",
    ),
    "title": (r"title|name|[a-z]+_title|item_name|product_name",),
    "session": (_SESSION,),
}
#: What exports write for a missing value.
_MISSING = {"", "na", "n/a", "nan", "null", "none", "\\n"}
#: Share of the rows that must have a user or an item.
_LEAST_KNOWN = 0.5


def find_roles(columns: Mapping[str, Sequence[Any]]) -> dict[str, str]:
    """Return the column of each role that names and values say.

    Without a column of users, that of sessions is taken, and has no other role.
    """
    roles: dict[str, str] = {}
    for role in _NAMES:
        named = _named(role, columns)
        found = [column for column in named if _fits(role, columns[column])]
        plain = [column for column in named if _rank(role, column) in (0, 1)]
        if found or (role == "timestamp" and plain):
            roles[role] = (found or plain)[0]
    if roles.get("user") == roles.get("session"):
        roles.pop("session", None)
    return roles


def sessions_are_users(roles: Mapping[str, str]) -> bool:
    """Return True if a column of sessions stands for that of users."""
    return bool(re.fullmatch(_SESSION, _plain(roles["user"])))


def is_id(column: str) -> bool:
    """Return True if a name says the id of a user or of an item, such as `userId`."""
    return 0 in (_rank("user", column), _rank("item", column))


def missing(columns: Mapping[str, Sequence[Any]]) -> str:
    """Return those of user, item and time that have no column in a table, with the reason."""
    roles = find_roles(columns)
    texts = []
    for role, noun in (("user", "users"), ("item", "items"), ("timestamp", "times")):
        if role in roles:
            continue
        unfit = next(iter(_named(role, columns)), None)
        if unfit is None:
            texts.append(f"no column of {noun}")
        elif role == "timestamp":
            first = next((each for each in columns[unfit] if not _is_missing(each)), "")
            texts.append(
                f"no column of times ({unfit!r} has {str(first)[:30]!r}: write it as ISO 8601, "
                "such as 2026-01-31T12:00:00Z, or as seconds since 1970)"
            )
        else:
            texts.append(f"no column of {noun} ({unfit!r} has no value in most rows)")
    return ", ".join(texts)


def _plain(column: str) -> str:
    """Return a name in lower case with underscores, as `user_id` for `userID` and `User-Id`."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column)
    return re.sub(r"[^a-z0-9]+", "_", apart.lower()).strip("_")


def _rank(role: str, column: str) -> int | None:
    name = _plain(column)
    ranks = (place for place, form in enumerate(_NAMES[role]) if re.fullmatch(form, name))
    return next(ranks, None)


def _named(role: str, columns: Mapping[str, Sequence[Any]]) -> list[str]:
    """Return the columns whose names propose a role, the plainest one first."""
    ranks = {column: rank for column in columns if (rank := _rank(role, column)) is not None}
    return sorted(ranks, key=ranks.__getitem__)


def _fits(role: str, values: Sequence[Any]) -> bool:
    known = [value for value in values if not _is_missing(value)]
    if role in ("user", "item"):
        return len(known) >= _LEAST_KNOWN * len(values)
    if role == "timestamp":
        return 2 * sum(map(guess.is_time, known)) > len(known)
    if role == "value":
        return any(guess.number(value) is not None or _is_truth(value) for value in known)
    return True


def _is_truth(value: Any) -> bool:
    return str(value).lower() in ("true", "false")


def _is_missing(value: Any) -> bool:
    if isinstance(value, datetime.date):
        return False
    return value is None or str(value).strip().lower() in _MISSING
