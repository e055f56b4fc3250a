"""Two-sided clusters: users and items have hidden tastes, and order does not matter.

Process: an item belongs to one of eight clusters, with a popularity in it (Zipf, power .9). A user
has shares of the clusters (Dirichlet, .15) and takes an item in proportion to the share of its
cluster x its popularity there, among those not taken yet. No feature is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.worlds.world import DAY, START, TAKEN, Recorder, World, draw, normalised, zipf


@dataclass(frozen=True)
class Size:
    items: int
    users: int
    length: int  # events of a user
    days: int = 28
    days_after: int = 7
    requests: int = 200


SIZES = {"small": Size(240, 450, 22), "full": Size(1200, 3000, 30, requests=1000)}
CLUSTERS = 8


def generate(seed: int, size: str) -> World:
    of, random = SIZES[size], np.random.default_rng(seed)
    each = of.items // CLUSTERS
    popular = np.concatenate([zipf(each, 0.9, random) for _ in range(CLUSTERS)])
    cluster = np.repeat(np.arange(CLUSTERS), each)
    cut, end = START + of.days * DAY, START + (of.days + of.days_after) * DAY
    recorder = Recorder(cut)
    for user in range(of.users):
        weights = random.dirichlet(np.full(CLUSTERS, 0.15))[cluster] * popular + 1e-12
        times = START + np.unique(random.integers(0, end - START, of.length))
        for time in times:
            chances = normalised(weights)
            recorder.ask(user, int(time), chances)
            item = draw(chances, random)
            recorder.event(user, item, int(time))
            weights[item] = 0
    return World(
        "the next item, among those that the user has not taken",
        recorder.log(),
        cut,
        recorder.requests(of.requests, random),
        TAKEN,
        np.full(len(popular), START),
    )
