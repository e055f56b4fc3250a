"""News or offers: an item lives about a day.

Process: items appear at any second, with a quality exp(N(0, 1)) and one of six topics. Visits
follow the hour of the day; one has one to four clicks, a minute or more apart. A click is on an
item in proportion to quality x exp(-age / 12 hours) x (4 if it is of the user's topic), among
those that the user has not clicked on. Requests come for a week after the training.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.worlds.world import (
    DAY,
    HOUR,
    START,
    TAKEN,
    Recorder,
    World,
    draw,
    normalised,
    with_items,
)


@dataclass(frozen=True)
class Size:
    per_day: int  # new items
    visits: int  # a day
    users: int
    days: int = 14
    days_after: int = 7
    requests: int = 300


SIZES = {"small": Size(30, 250, 400), "full": Size(60, 2500, 3000, requests=1000)}
LIFE, TOPICS = 12 * HOUR, 6


def generate(seed: int, size: str) -> World:
    of, random = SIZES[size], np.random.default_rng(seed)
    days = of.days + of.days_after
    cut = START + of.days * DAY
    count = of.per_day * days
    born = np.sort(START - DAY + random.integers(0, days * DAY + DAY, count))
    quality = np.exp(random.normal(size=count))
    topic, taste = random.integers(TOPICS, size=count), random.integers(TOPICS, size=of.users)
    active = normalised(random.exponential(size=of.users))
    by_hour = normalised(1.2 + np.sin((np.arange(24) - 9) / 24 * 2 * np.pi))
    visits = of.visits * days
    when = (
        START
        + random.integers(days, size=visits) * DAY
        + random.choice(24, visits, p=by_hour) * HOUR
        + random.integers(HOUR, size=visits)
    )
    free = np.zeros(of.users, np.int64)  # the second from which a user can click again
    seen = np.zeros((of.users, count), np.bool_)
    recorder = Recorder(cut)
    for start in np.sort(when):
        user = draw(active, random)
        time = max(int(start), int(free[user]))
        for _ in range(int(random.integers(1, 5))):
            age = time - born
            weights = quality * np.exp(-np.maximum(age, 0) / LIFE)
            weights = weights * np.where(topic == taste[user], 4.0, 1.0)
            weights[(age < 0) | seen[user]] = 0
            chances = normalised(weights)
            recorder.ask(user, time, chances)
            item = draw(chances, random)
            recorder.event(user, item, time)
            seen[user, item] = True
            time += 60 + int(random.exponential(60))
        free[user] = time
    items = [
        {"id": item + 1, "topic": f"topic{topic[item]}", "published": int(born[item])}
        for item in range(count)
    ]
    mapping = with_items(
        TAKEN,
        {"name": "topic", "kind": "Categorical"},
        {"name": "published", "kind": "Timestamp"},
    )
    return World(
        "the next click, among items that the user has not clicked on",
        recorder.log(),
        cut,
        recorder.requests(of.requests, random),
        mapping,
        born,
        items,
    )
