"""Decisions by clicks that arrive over time, as the collector counts them for each user.

The versions are alike: their lists are drawn in the same way, so users prefer
neither on average.
"""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from recommender_collector.domain.events import Event
from recommender_collector.experiments.interleaving_credit import InterleavingCredit
from recommender_contract.events import Kind
from recommender_operator.experiments.arm_moments import Moments
from recommender_operator.extensions.interleaving.interleaving_preference import (
    COMPONENTS,
    InterleavingVerdict,
    preference,
)
from recommender_serving.domain.team_draft import Scored, team_draft

DAYS, HOUR, LENGTH, ITEMS = 10, 60, 6, 30
DAY, WINDOW, LATE = 24 * HOUR, 3 * 24 * HOUR, 2 * 24 * HOUR


def ranking(draw: random.Random) -> list[Scored]:
    return [(item, 1.0) for item in draw.sample(range(ITEMS), LENGTH)]


def over_time(draw: random.Random, *, alone: float, reports: bool = True) -> np.ndarray:
    """What a user adds to the moments after each day.

    A user likes few items, and clicks them also hours later and in an earlier list. The share
    `alone` of the lists is the champion's only; with `reports`, the collector gets them too.
    """
    picks, found = InterleavingCredit(), []
    own, theirs = ranking(draw), ranking(draw)
    liked = set(draw.sample(range(ITEMS), ITEMS // 3))
    seen: list[int] = []
    for day in range(DAYS):
        for visit in range(draw.choice((0, 1, 1, 3))):
            at = day * DAY + visit * HOUR
            if draw.random() < alone:
                items, teams = tuple(item for item, _ in own), "-" * LENGTH
            else:
                items, _, teams = team_draft(own, theirs, LENGTH, f"{draw.random()}")
            if reports or "-" not in teams:
                picks.show(at, items, teams)
            for item in sorted({*items, *seen} & liked):
                if draw.random() < (0.12 if item in items else 0.03):
                    picks.add_event(Event("c", Kind.CLICK, 1, (item,), at + draw.randrange(HOUR)))
            seen = [int(item) for item in items]
        picks.settle((day + 1) * DAY - LATE, WINDOW)
        found.append(picks.user_moments(WINDOW).vector)
    return np.array(found) / (1000, 1000, 1)


def users(count: int, **given: float) -> np.ndarray:
    draw = random.Random(20261130)
    return np.array([over_time(draw, **given) for _ in range(count)])  # type: ignore[arg-type]


def in_errors(scores: np.ndarray) -> float:
    """The mean in standard errors."""
    return float(scores.mean() / scores.std() * len(scores) ** 0.5)


def moments(vectors: np.ndarray) -> Moments:
    """Sums as the collector keeps them."""
    products = vectors.T @ vectors
    pairs = itertools.combinations_with_replacement(range(3), 2)
    return Moments(
        users=len(vectors),
        sums=dict(zip(COMPONENTS, vectors.sum(axis=0).tolist(), strict=True)),
        products={f"{COMPONENTS[i]}*{COMPONENTS[j]}": float(products[i, j]) for i, j in pairs},
    )


def test_a_part_of_the_lists_of_the_champion_alone_makes_nobody_prefer_it() -> None:
    """Without the reports of such lists, the same users seem to."""
    told, untold = (users(1000, alone=0.3, reports=each)[:, -1] for each in (True, False))
    scores = told[:, 0] - told[:, 1]
    assert abs(in_errors(scores[told[:, 2] > 0])) < 3
    assert in_errors(untold[:, 0] - untold[:, 1] - scores) < -4


@pytest.mark.parametrize("alone", [0.0, 0.3])
def test_false_decisions_stay_within_the_level_however_often_one_looks(alone: float) -> None:
    """300 phases of 800 users who come over time, with a look after each day of 20 days.

    Who decides falsely are those users and their mirror images, for whom the versions have changed
    places: so their mean is exactly 0 on each day.
    """
    each = users(400, alone=alone)
    pool = np.concatenate([each, each[:, :, [1, 0, 2]]])
    rng, false = np.random.default_rng(7), dict.fromkeys(InterleavingVerdict, 0)
    for _ in range(300):
        drawn, begins = rng.integers(len(pool), size=800), rng.integers(DAYS, size=800)
        decided = set()
        for day in range(2 * DAYS):
            there = begins <= day
            ages = np.minimum(day - begins[there], DAYS - 1)
            found = preference(moments(pool[drawn[there], ages]), alpha=0.05, enough=10**6)
            decided.add(found.outcome)
        for outcome in decided:
            false[outcome] += 1
    most = 300 * (0.05 + 2 * (0.05 * 0.95 / 300) ** 0.5)
    assert 0 < false[InterleavingVerdict.WORSE] <= most
    assert 0 < false[InterleavingVerdict.PREFERRED] <= most
