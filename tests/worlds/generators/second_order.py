"""Playlists or courses: the next item depends on the last two.

Process: each item has six successors. After (a, b) the next item is one of b's successors with
probability .85, in an order of preference that a decides (shares .65, .2, .1, .03, .01, .01),
and any item by its popularity (Zipf, power .8) with .15. What the user has had has probability 0.
A user has sessions of about seven items, a minute or more apart, with two days between them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.worlds.world import DAY, START, TAKEN, Recorder, World, draw, normalised, zipf

SHARES = np.array([0.65, 0.2, 0.1, 0.03, 0.01, 0.01])


@dataclass(frozen=True)
class Size:
    items: int
    users: int
    length: int  # events of a user
    days: int = 28
    days_after: int = 7
    requests: int = 200


SIZES = {"small": Size(120, 450, 20), "full": Size(300, 3000, 30, requests=1000)}


def generate(seed: int, size: str) -> World:
    of, random = SIZES[size], np.random.default_rng(seed)
    popular = zipf(of.items, 0.8, random)
    successors = np.array(
        [random.choice(of.items, len(SHARES), replace=False) for _ in range(of.items)]
    )
    preferred = np.array(  # [I, I, 6] the successors of the second, in the order of the first
        [[random.permutation(each) for each in successors] for _ in range(of.items)]
    )
    end = START + (of.days + of.days_after) * DAY
    recorder = Recorder(START + of.days * DAY)
    for user in range(of.users):
        time, seen = START + int(random.integers(end - START)), np.zeros(of.items, np.bool_)
        last = [int(random.integers(of.items)) for _ in range(2)]
        for _ in range(of.length):
            chances = 0.15 * popular
            chances[preferred[last[0], last[1]]] += 0.85 * SHARES
            chances[seen] = 0
            chances = normalised(chances)
            if time >= end:
                break
            if seen.any():
                recorder.ask(user, time, chances)
            item = draw(chances, random)
            recorder.event(user, item, time)
            seen[item] = True
            last = [last[1], item]
            long = random.random() < 1 / 7
            time += int(random.exponential(2 * DAY)) if long else 60 + int(random.exponential(120))
    return World(
        "the next item, among those that the user has not had",
        recorder.log(),
        START + of.days * DAY,
        recorder.requests(of.requests, random),
        TAKEN,
        np.full(of.items, START),
    )
