"""Propose a label from the event types of the first rows: what is positive, and how soon."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Any

import numpy as np

from recommender_contract.resource.label import SECONDS_AN_HOUR
from recommender_training.common.arrays import Ints
from recommender_training.data.schema import POSITIVE_VALUE
from recommender_training.data.training_window import places
from recommender_training.ingestion import guess, texts

#: Share of the impressions of each part whose label must be known at its end.
_KNOWN = 0.5
#: Labelled rows below which there are no parts, as in `data.splits`.
_LEAST_ROWS = 10


# The label of an impression is known when its window has passed, so a window as long as a part of
# the log (training, validation, test) leaves that part without labels.
def fitting_window(hours: float, impressions: Ints, last: int) -> float | None:
    """Return the longest window, halving `hours`, that leaves labels in each part of the log.

    `impressions` are times in order and `last` is the last time of the log, in seconds. None if
    there is no such window.
    """
    for halvings in range(24):
        window = hours / 2.0**halvings
        shown: float = round(window) if window >= 1 else round(window, 3)
        if shown > 0 and _fits(max(1, round(shown * SECONDS_AN_HOUR)), impressions, last):
            return shown
    return None


def _fits(seconds: int, impressions: Ints, last: int) -> bool:
    times = impressions[impressions + seconds <= last]
    if len(times) < _LEAST_ROWS:
        return False
    first, second = (int(times[place]) for place in places(len(times)))
    starts = np.searchsorted(times, [first, second], side="left")
    train, validation, test = np.split(times, starts)
    known = ((train, first), (validation, second))
    return len(test) > 0 and all(
        len(part) > 0 and np.mean(part + seconds <= end) >= _KNOWN for part, end in known
    )


#: Names of types, the strongest positive ones first. A click is positive where nothing is bought.
_POSITIVE = (
    re.compile(
        r".*(purchase|order|buy|bought|transaction|checkout|conver|subscri|install|book).*"
    ),
    re.compile(r".*click.*"),
)
_IMPRESSION = re.compile(r".*(view|impression|show|display|exposure|seen|visit).*")
_INTENT = re.compile(r".*(cart|basket|wish|favou?rite|like|save|click).*")
_NEGATIVE = re.compile(
    r"(.*_)?((dis|un)_?(like|follow|subscri|favou?rite|save)|not_|cancel|return|refund|remove).*"
)
#: Hours of a window where no pair shows a delay, and the longest one that a mapping takes.
_HOURS, _MOST_HOURS = 24, 2160
_SECONDS_AN_HOUR = 3600
#: Share of the pairs that are within the proposed window.
_SHARE = 0.95
#: The label of a log without values and types, and what to know about it. The share is that of
#: the drawn rows, which changes no probability.
_DRAWN: dict[str, Any] = {"negatives": {"perPositive": 4}, "positiveRate": 0.2}
_OF_DRAWN = (
    "items are drawn as negatives, so set label.positiveRate to the share of shown items with a "
    "response before you read probabilities"
)
POSITIVES_ALONE = _DRAWN, f"label: each row is positive; {_OF_DRAWN}"


def value(event_type: str) -> int | None:
    """Return the value that the name of a type suggests, from 1 to 5, or None."""
    name = event_type.lower()
    for pattern, found in ((_NEGATIVE, 1), (_IMPRESSION, 2), (_POSITIVE[0], 5), (_INTENT, 4)):
        if pattern.fullmatch(name):
            return found
    return None


def values(types: Sequence[str]) -> list[dict[str, Any]]:
    """Return `eventTypes` of types, the most frequent one first, which is weak if not known."""
    return [
        {"type": text[:64], "value": value(text) or (2 if place == 0 else 5)}
        for place, text in enumerate(types)
    ]


def label(
    types: Sequence[str], rows: Sequence[tuple[Any, Any, Any, Any]]
) -> tuple[dict[str, Any] | None, str]:
    """Return a label for the event `types`, or None, and the reason.

    `rows` are user, item, time and type of the first events. The window of attribution is that of
    most pairs of an impression and the next positive event of the same user and item in these.
    """
    named = {each: each.lower() for each in types if not _NEGATIVE.fullmatch(each.lower())}
    shown = [each for each, name in named.items() if _IMPRESSION.fullmatch(name)]
    others = [each for each in named if each not in shown]
    strengths = ([each for each in others if form.fullmatch(named[each])] for form in _POSITIVE)
    positive = next(filter(None, strengths), [])
    if not positive and all(each["value"] < POSITIVE_VALUE for each in values(types)):
        shown, positive = [], [*named]  # views alone: nothing else tells what users like
    if not positive:
        return None, ""
    if len(positive) == len(types):
        drawn = {"positiveTypes": [{"type": each} for each in positive], **_DRAWN}
        return drawn, f"label: {' and '.join(positive)} is positive; {_OF_DRAWN}"
    found: dict[str, Any] = {"positiveTypes": [{"type": each} for each in positive]}
    names = " and ".join(positive)
    if not shown:
        return found, f"label: {names} is positive, by its name"
    waits = _waits(rows, {*positive}, {*shown})
    hours, why = _HOURS, "no pair in the first rows, so check it"
    if waits:
        longest = float(np.quantile(waits, _SHARE, method="inverted_cdf"))
        hours = min(_MOST_HOURS, max(1, math.ceil(longest / _SECONDS_AN_HOUR)))
        why = f"{_SHARE:.0%} of {len(waits)} pairs in the first rows"
    found["attribution"] = {"impressions": shown, "hours": hours}
    return found, f"label: {names} within {hours} h of {' or '.join(shown)} ({why})"


def _waits(
    rows: Sequence[tuple[Any, Any, Any, Any]], positive: set[str], shown: set[str]
) -> list[float]:
    """Return the seconds from each impression to the next positive event of its user and item."""
    events = [
        (str(user), str(item), at, str(kind))
        for user, item, raw, kind in rows
        if (at := _seconds(raw)) is not None and kind is not None
    ]
    waits: list[float] = []
    following: dict[tuple[str, str], float] = {}
    # from the last one back; of one second the positive one counts as later
    for user, item, at, kind in sorted(
        events, key=lambda each: (each[2], each[3] in positive), reverse=True
    ):
        if kind in positive:
            following[user, item] = at
        elif kind in shown and (user, item) in following:
            waits.append(following[user, item] - at)
    return waits


def _seconds(raw: Any) -> float | None:
    """Return a time in seconds since 1970, or None for what is no time."""
    if isinstance(raw, date) and not isinstance(raw, datetime):
        raw = datetime.combine(raw, time())
    if not isinstance(raw, datetime):
        number = guess.number(raw) if raw is not None else None
        if number is not None:
            return number / texts.PER_SECOND[guess.unit([number])]
        try:
            raw = datetime.fromisoformat(re.sub(r"(?i)\s?(utc|gmt)$", "Z", str(raw)))
        except ValueError:
            return None
    moment: datetime = raw if raw.tzinfo else raw.replace(tzinfo=UTC)
    return moment.timestamp()
