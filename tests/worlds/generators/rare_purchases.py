"""Rare purchases after long search: many views, then one purchase or none.

Process: an item has a category of ten, a price level and a quality, both N(0, 1). Now and then a
user needs something of one category at a price level of N(0, 1); the worth of an item is
quality - 2 x (difference of price levels)^2, and -4 if the category is another. The user views 10
to 40 items over some days, in proportion to exp(worth), with .35 one viewed before; then buys with
probability .6: with .9 a viewed item, in proportion to its views x exp(worth), else any item in
proportion to exp(worth). Requests are those right before a purchase.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.worlds.world import (
    BOUGHT,
    DAY,
    HOUR,
    START,
    Recorder,
    World,
    draw,
    normalised,
    with_items,
)


@dataclass(frozen=True)
class Size:
    items: int
    users: int
    days: int = 60
    days_after: int = 14
    requests: int = 200


SIZES = {"small": Size(200, 700), "full": Size(1000, 6000, requests=1000)}
CATEGORIES = 10


def generate(seed: int, size: str) -> World:
    of, random = SIZES[size], np.random.default_rng(seed)
    category = random.integers(CATEGORIES, size=of.items)
    level, quality = random.normal(size=of.items), random.normal(size=of.items)
    cut, end = START + of.days * DAY, START + (of.days + of.days_after) * DAY
    recorder = Recorder(cut)
    for user in range(of.users):
        time = START + int(random.exponential(30 * DAY))
        while time < end:
            worth = quality - 2 * (level - random.normal()) ** 2
            worth = np.exp(worth - 4 * (category != random.integers(CATEGORIES)))
            views = np.zeros(of.items)
            for _ in range(int(random.integers(10, 41))):
                again = views.any() and random.random() < 0.35
                item = draw(normalised(views * worth if again else worth), random)
                if time < end:
                    recorder.event(user, item, time, positive=False, event="view")
                views[item] += 1
                rest = random.random() < 0.15
                time += int(random.exponential(8 * HOUR)) if rest else 20
                time += int(random.exponential(60))
            if random.random() < 0.6 and time < end:
                chances = 0.9 * normalised(views * worth) + 0.1 * normalised(worth)
                recorder.ask(user, time, chances)
                recorder.event(user, draw(chances, random), time, event="purchase")
            time += DAY + int(random.exponential(30 * DAY))
    items = [
        {
            "id": item + 1,
            "category": f"c{category[item]}",
            "price": round(50 * 2 ** level[item], 2),
        }
        for item in range(of.items)
    ]  # fmt: skip
    mapping = with_items(
        BOUGHT,
        {"name": "category", "kind": "Categorical"},
        {"name": "price", "kind": "Numeric", "minimum": 0},
    )
    return World(
        "the item that the user buys now, viewed ones included",
        recorder.log(),
        cut,
        recorder.requests(of.requests, random),
        mapping,
        np.full(of.items, START),
        items,
        repeats=True,
    )
