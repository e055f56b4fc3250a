"""Users whose taste depends on the season: what they did, and what they answer over three weeks.

In the usual season they click on phones, in the odd one at desks. So a version that learned from
the odd season alone is wrong in the usual one, and the version before it is not.
"""

from __future__ import annotations

import datetime
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from tests.scenario.kube import Manifest

DAY = 86_400
USERS = [f"u{number:03}" for number in range(240)]
ITEMS = [f"i{number:02}" for number in range(40)]
#: Chances of a click, and how many items a list shows.
LIKED, OTHER, SHOWN = 0.45, 0.15, 5
DEVICES = ("phone", "desk")
#: Labels are watched by page. Few users are on the last one.
HOME, SEARCH = "home", "search"
USERS_A_DAY = {HOME: 160, SEARCH: 16}
#: A reference, a window to fit a calibration to, and one that judges it.
WEEKS = 3
#: The last of the days that are sent is over, whatever the time of day is.
LAST_DAY = 2
#: Length of a label's window, in hours: two seconds.
HOURS = 0.0006
MAPPING: Manifest = {
    "interactions": {
        "files": "*.jsonl", "user": "user_id", "item": "item_id",
        "timestamp": "time", "timestampUnit": "Milliseconds", "eventType": "kind",
        "eventTypes": [{"type": "impression", "value": 1}, {"type": "click", "value": 4}],
        "features": [
            {"name": "device", "kind": "Categorical"},
            {"name": "page", "kind": "Categorical", "fairness": True},
        ],
    },
    "label": {
        "positiveTypes": [{"type": "click"}],
        "attribution": {"impressions": ["impression"], "hours": HOURS},
    },
    "ids": {"user": "Text", "item": "Text"},
}  # fmt: skip
#: How likely a click is, by what the version says of it, the page and the week.
Answer = Callable[[float, str, int], float]


def season(start: int, days: int, lists: int, *, odd: bool, seed: int) -> str:
    """Return the interactions of a season as JSON lines: impressions, and clicks after them."""
    made = random.Random(seed)
    found = []
    for _ in range(lists):
        at = start + made.randrange(days * DAY)
        device, page = made.choice(DEVICES), made.choice((HOME, SEARCH))
        row = {"user_id": made.choice(USERS), "device": device, "page": page}
        chance = LIKED if (device == "phone") is not odd else OTHER
        for item in made.sample(ITEMS, SHOWN):
            shown = {**row, "item_id": item, "kind": "impression", "time": at * 1000}
            found.append(shown)
            if made.random() < chance:
                found.append({**shown, "kind": "click", "time": (at + 1) * 1000})
    return "".join(json.dumps(each) + "\n" for each in found)


def requests() -> Iterator[Manifest]:
    """Yield requests of these users."""
    for at, user in enumerate(USERS):
        context = {"device": DEVICES[at % 2], "page": (HOME, SEARCH)[at // 2 % 2]}
        yield {"user_id": user, "context": context, "top_n": SHOWN}


def outcomes(model: str, version: str, answer: Answer, now: float) -> Iterator[dict[str, Any]]:
    """Yield events of three weeks up to now: lists of a version, and the clicks on these.

    Each list has a user of its own. The version gives every second item a high chance.
    """
    made = random.Random(version)
    first = _first_day(now)
    for day in range(7 * WEEKS):
        for page, count in USERS_A_DAY.items():
            for number in range(count):
                user, at = (
                    f"{version}-{page}-{day}-{number}",
                    (first + day) * DAY + DAY // 2 + number,
                )
                about = {"model": model, "user": user, "context": {"page": page}}
                items = made.sample(ITEMS, SHOWN)
                said = [LIKED if place % 2 else OTHER for place in range(SHOWN)]
                yield {
                    **about, "id": user, "kind": "impression", "time": at,
                    "items": items, "version": version, "path": "model", "probabilities": said,
                }  # fmt: skip
                for item, probability in zip(items, said, strict=True):
                    if made.random() < answer(probability, page, day // 7):
                        id_ = f"{user}-{item}"
                        yield {**about, "id": id_, "kind": "click", "time": at + 1, "item": item}


def people() -> int:
    """Return the number of users of these events; one counts once a day."""
    return 7 * WEEKS * sum(USERS_A_DAY.values())


def weeks_ago(now: float) -> str:
    """Return the time at which the first of these days starts."""
    at = datetime.datetime.fromtimestamp(_first_day(now) * DAY, datetime.UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _first_day(now: float) -> int:
    return int(now) // DAY - LAST_DAY - 7 * WEEKS
