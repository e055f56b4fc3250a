"""Groceries: staples come again, each in its own rhythm.

Process: a user has 20 staples, drawn by popularity (Zipf, power .7), each with a weight and a
period (log-normal, median a week). A visit every 3.5 days or so has about six items, some ten
seconds apart. An item is a staple with probability .85, in proportion to its weight x
(1 - exp(-(time since it was last taken / period)^4)), else any item by popularity; what is in the
basket already has probability 0. Items of earlier baskets come again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.worlds.world import DAY, START, TAKEN, Recorder, World, draw, normalised, zipf


@dataclass(frozen=True)
class Size:
    items: int
    users: int
    days: int
    days_after: int = 7
    requests: int = 200


SIZES = {"small": Size(150, 80, 56), "full": Size(600, 600, 112, requests=1000)}
STAPLES = 20


def generate(seed: int, size: str) -> World:
    of, random = SIZES[size], np.random.default_rng(seed)
    popular = zipf(of.items, 0.7, random)
    cut, end = START + of.days * DAY, START + (of.days + of.days_after) * DAY
    recorder = Recorder(cut)
    for user in range(of.users):
        staples = random.choice(of.items, STAPLES, replace=False, p=popular)
        weight = random.exponential(size=STAPLES)
        period = 7 * DAY * np.exp(random.normal(0, 0.6, STAPLES))
        taken = START - random.random(STAPLES) * period  # the last time, of each staple
        time = START + int(random.exponential(3.5 * DAY))
        while time < end:
            basket = np.zeros(of.items, np.bool_)
            for _ in range(1 + int(random.poisson(5))):
                due = weight * -np.expm1(-(((time - taken) / period) ** 4))
                chances = 0.15 * popular
                chances[staples] += 0.85 * normalised(due + 1e-9)
                chances[basket] = 0
                chances = normalised(chances)
                recorder.ask(user, time, chances)
                item = draw(chances, random)
                recorder.event(user, item, time)
                basket[item] = True
                taken[staples == item] = time
                time += 5 + int(random.exponential(10))
            time += DAY // 2 + int(random.exponential(3 * DAY))
    return World(
        "the next item of a basket, repeats included",
        recorder.log(),
        cut,
        recorder.requests(of.requests, random),
        TAKEN,
        np.full(of.items, START),
        repeats=True,
    )
