"""A marketplace: half of the listings are new each month.

Process: a listing lives an exponential time with a mean of 43 days, so that half of those of
today are gone in 30 days, and as many appear. It has a category of eight, a price level N(0, 1),
a quality N(0, .7). A user has shares of categories (Dirichlet, .3) and a price level N(0, 1), and
contacts the seller of a listing in proportion to exp(quality) x (share of its category + .01) x
exp(-2 x (difference of price levels)^2), among those that live and were not contacted by the user.
The shop sends what is listed with each request.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.worlds.world import (
    DAY,
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
    listed: int  # on an average day
    users: int
    contacts: int  # of a user, over all days
    days: int = 90
    days_after: int = 14
    requests: int = 200


SIZES = {"small": Size(150, 400, 25), "full": Size(500, 3000, 30, requests=1000)}
CATEGORIES, LIFE = 8, 43 * DAY


def generate(seed: int, size: str) -> World:
    of, random = SIZES[size], np.random.default_rng(seed)
    span = (of.days + of.days_after) * DAY
    cut = START + of.days * DAY
    later = int(random.poisson(of.listed * span / LIFE))
    count = of.listed + later
    born = np.concatenate([np.full(of.listed, START), START + random.integers(0, span, later)])
    gone = born + random.exponential(LIFE, count)
    category = random.integers(CATEGORIES, size=count)
    level, quality = random.normal(size=count), np.exp(random.normal(0, 0.7, count))
    recorder = Recorder(cut)
    for user in range(of.users):
        tastes, wanted = random.dirichlet(np.full(CATEGORIES, 0.3)), random.normal()
        weights = quality * (tastes[category] + 0.01) * np.exp(-2 * (level - wanted) ** 2)
        seen = np.zeros(count, np.bool_)
        starts = START + np.sort(random.integers(0, span, 1 + of.contacts // 3))
        for start, following in zip(starts, np.append(starts[1:], START + span), strict=True):
            time = int(start)
            for _ in range(int(random.integers(1, 6))):
                listed = (born <= time) & (time < gone)
                possible = weights * (listed & ~seen)
                if time >= following or not possible.any():
                    break
                chances = normalised(possible)
                recorder.ask(user, time, chances, np.flatnonzero(listed))
                item = draw(chances, random)
                recorder.event(user, item, time)
                seen[item] = True
                time += 60 + int(random.exponential(120))
    items = [
        {"id": item + 1, "category": f"c{category[item]}",
         "price": round(50 * 2 ** level[item], 2), "listed": int(born[item])}
        for item in range(count)
    ]  # fmt: skip
    mapping = with_items(
        TAKEN,
        {"name": "category", "kind": "Categorical"},
        {"name": "price", "kind": "Numeric", "minimum": 0},
        {"name": "listed", "kind": "Timestamp"},
    )
    return World(
        "the next contact, among listings that live and that the user has not contacted",
        recorder.log(),
        cut,
        recorder.requests(of.requests, random),
        mapping,
        born,
        items,
    )
