"""A young shop: 1,000 lists of ten banners, and about 70 clicks in all.

Process: there are 30 banners of six campaigns, and users of five segments. A shown banner, drawn
alike, is clicked with probability sigmoid(c + effect of the banner, N(0, .8) + effect of segment
and campaign, N(0, .8)), where c makes the mean .007. Requests order all banners.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.worlds.world import (
    DAY,
    SHOWN,
    START,
    Recorder,
    World,
    with_items,
    with_users,
)


@dataclass(frozen=True)
class Size:
    users: int = 400
    lists: int = 1000
    later: int = 300  # requests after the training
    days: int = 28
    days_after: int = 7
    requests: int = 300


#: A small shop is small in any run.
SIZES = {"small": Size(), "full": Size()}
BANNERS, CAMPAIGNS, SEGMENTS, RATE = 30, 6, 5, 0.007


def generate(seed: int, size: str) -> World:
    of, random = SIZES[size], np.random.default_rng(seed)
    campaign = np.arange(BANNERS) % CAMPAIGNS
    segment = random.integers(SEGMENTS, size=of.users)
    logits = random.normal(0, 0.8, (SEGMENTS, CAMPAIGNS))[:, campaign]
    logits = logits + random.normal(0, 0.8, BANNERS)
    low, high = -20.0, 5.0
    for _ in range(60):  # the intercept, by bisection
        middle = (low + high) / 2
        above = (1 / (1 + np.exp(-(logits + middle))))[segment].mean() > RATE
        low, high = (low, middle) if above else (middle, high)
    rates = 1 / (1 + np.exp(-(logits + middle)))  # [S, I]
    cut = START + of.days * DAY
    times = np.concatenate(
        [START + np.sort(random.integers(0, of.days * DAY, of.lists)),
         cut + np.sort(random.integers(0, of.days_after * DAY, of.later))]
    )  # fmt: skip
    recorder = Recorder(cut)
    for time in times:
        user = int(random.integers(of.users))
        chances = rates[segment[user]]
        recorder.ask(user, int(time), chances, np.arange(BANNERS))
        for item in random.choice(BANNERS, 10, replace=False):
            clicked = random.random() < chances[item]
            recorder.event(
                user, int(item), int(time),
                engaged=clicked, positive=clicked, clicked=int(clicked),
            )  # fmt: skip
    mapping = with_items(SHOWN, {"name": "campaign", "kind": "Categorical"})
    return World(
        "clicks on any banner",
        recorder.log(),
        cut,
        recorder.requests(of.requests, random),
        with_users(mapping, {"name": "audience", "kind": "Categorical"}),
        np.full(BANNERS, START),
        [{"id": item + 1, "campaign": f"c{campaign[item]}"} for item in range(BANNERS)],
        [{"id": user + 1, "audience": f"s{segment[user]}"} for user in range(of.users)],
        repeats=True,
        shown=True,
    )
