"""Lines of the log that are no events of this format, as rows of `quarantine.jsonl`: pure.

A row has the reason and the whole line: `line`, or `base64` if it is no UTF-8. So a writer that
knows the line's format can take it back.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Iterator
from typing import Any

import orjson

from recommender_collector.domain.events import Id
from recommender_collector.domain.lines import is_id

_SHOWN = 1000  # characters of a line that is no text


def row_of(line: bytes, reason: str) -> bytes:
    """Return the row of a line, without a line break."""
    try:
        return orjson.dumps({"reason": reason, "line": line.decode()})
    except UnicodeDecodeError:
        shown = line[:_SHOWN].decode(errors="replace")
        whole = base64.b64encode(line).decode()
        return orjson.dumps({"reason": reason, "line": shown, "base64": whole})


def line_of(row: bytes) -> bytes | None:
    """Return the line of a row.

    None if the row has not the whole line, as those of earlier releases may.
    """
    try:
        found = orjson.loads(row)
        if "base64" in found:
            return base64.b64decode(found["base64"], validate=True)
        text = found["line"]
        return None if "\ufffd" in text else text.encode()
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def is_of(row: bytes, users: Collection[Id]) -> bool:
    """Return whether a row is one of the users, or may be.

    The fourth value of a line is the user in every format. A line without it counts if any of its
    values is an id of the users, and one that is no JSON if their ids occur in it.
    """
    line = line_of(row)
    if line is None:
        return any(_occurs(user, row) for user in users)
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return any(_occurs(user, line) for user in users)
    if isinstance(found, list):
        if len(found) > 3 and isinstance(found[1], str) and is_id(found[3]):
            return found[3] in users
        if found and type(found[0]) is int:  # the format
            found = found[1:]
    return any(value in users for value in _scalars(found))


def _occurs(user: Id, text: bytes) -> bool:
    if isinstance(user, int):
        return re.search(rb"(?<!\d)%d(?!\d)" % user, text) is not None
    forms = {user.encode(), orjson.dumps(user)[1:-1], orjson.dumps(orjson.dumps(user).decode())}
    return any(form in text for form in forms)


def _scalars(value: Any) -> Iterator[Id]:
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, dict):
            left += [*each.keys(), *each.values()]
        elif isinstance(each, list):
            left += each
        elif is_id(each):
            yield each
