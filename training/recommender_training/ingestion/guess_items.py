"""Find what belongs to items: columns of a log with one value per item, and keys by their values.

A price in a log is a property of its item. As a feature of the context a request would have to
send it before the item is chosen.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

#: Pairs of events of one item by two users that are needed, the share of them that may differ
#: (prices change), and that share in relation to the one between any two events.
_LEAST_PAIRS, _CHANGES, _OF_CHANCE = 20, 0.02, 0.1
#: Share of any two events that differ, below which a column is almost the same everywhere.
_LEAST_CHANCE = 0.05
#: Share of the ids of the smaller side that a key must share with those of the log.
_COMMON = 0.5
_KEY = r"(.*_)?(id|key|code|number|no|sku)"
_PEOPLE = r".*(user|customer|member|visitor|client|account|people|person).*"


def of_item(values: Sequence[Any], items: Sequence[Any], users: Sequence[Any]) -> bool:
    """Return True if a column has one value per item, but for rare changes.

    Compares consecutive events of an item by different users, so that a property of users or of
    sessions does not look like one of items.
    """
    last: dict[str, tuple[str, str]] = {}
    texts: Counter[str] = Counter()
    pairs = differ = 0
    for value, item, user in zip(values, items, users, strict=True):
        if value is None or item is None:
            continue
        text, by = str(value), str(user)
        texts[text] += 1
        before = last.get(str(item))
        if before is not None and before[0] != by:
            pairs += 1
            differ += before[1] != text
        last[str(item)] = by, text
    known = max(texts.total(), 1)
    chance = 1 - sum((count / known) ** 2 for count in texts.values())
    share = differ / max(pairs, 1)
    if pairs < _LEAST_PAIRS or chance < _LEAST_CHANCE:
        return False
    return share <= min(_CHANGES, _OF_CHANCE * chance)


def key(
    files: str, columns: Mapping[str, Sequence[Any]], ids: Mapping[str, Sequence[Any]]
) -> tuple[str, str] | None:
    """Return whose key a table has, `user` or `item`, and its column, by the values of a log.

    `ids` are those of the log by `user` and `item`. Where both fit, the name of the table decides.
    """
    found = [
        (common, (of == "user") == bool(re.fullmatch(_PEOPLE, files.lower())), of, column)
        for column, values in columns.items()
        if re.fullmatch(_KEY, column.lower())
        for of, known in ids.items()
        if (common := _common(values, known)) >= _COMMON
    ]
    return max(found, key=lambda each: each[:2])[2:] if found else None


def _common(left: Sequence[Any], right: Sequence[Any]) -> float:
    """Return the share of the smaller set of values that both have."""
    one, other = ({str(value) for value in side if value is not None} for side in (left, right))
    return len(one & other) / max(min(len(one), len(other)), 1)
