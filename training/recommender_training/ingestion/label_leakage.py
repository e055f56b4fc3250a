"""Columns of interactions that look known only after the event, such as the revenue of a click."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

#: Chance that a column without a leak looks like one.
_CHANCE = 1e-6


def leakage_warning(values: Sequence[Any], positive: Sequence[bool | None], label: str) -> str:
    """Return a warning if a column looks like a leak of `label`, or nothing.

    It does if it departs from its most frequent value, which may be missing, in events of one
    outcome alone, more often than chance allows. `positive` is the outcome of each event, None
    where it is unknown.
    """
    rows = [
        (value, outcome)
        for value, outcome in zip(map(_text, values), positive, strict=True)
        if outcome is not None
    ]
    if not rows:
        return ""
    usual = Counter(value for value, _ in rows).most_common(1)[0][0]
    others = [outcome for value, outcome in rows if value != usual]
    share = sum(outcome for _, outcome in rows) / len(rows)
    for outcome, chance in ((True, share), (False, 1 - share)):
        alone = 0 < chance < 1 and others and all(each is outcome for each in others)
        if alone and len(others) * math.log(chance) < math.log(_CHANCE):
            rest = "missing" if usual is None else f"{usual[:20]!r}"
            kind = "positive" if outcome else "negative"
            return (
                f"other than {rest} only where {label} is {kind}, so known only after the event: "
                "left out"
            )
    return ""


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
