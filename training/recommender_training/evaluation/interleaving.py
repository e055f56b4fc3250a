"""Team-draft interleaving: one list of two rankers, and which of them the clicks prefer.

Every user sees items of both rankers side by side, so differences between users cancel, and a
preference shows with far fewer users than two arms need. It tells which ranker is preferred, not
by how much a metric changes: a first look, no verdict.

Source: F. Radlinski, M. Kurup and T. Joachims, How does clickthrough data reflect retrieval
quality?, CIKM 2008; O. Chapelle et al., Large-scale validation and analysis of interleaved search
evaluation, TOIS 30 (2012).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from recommender_training.common.arrays import Bools, Ints

#: Below this number of users with a preference there is no interval and no p-value.
MIN_USERS = 30


def team_draft(
    first: Sequence[int], second: Sequence[int], length: int, rng: np.random.Generator
) -> tuple[list[int], list[bool]]:
    """Return at most `length` items of both rankings, and whether each is the first one's.

    Like captains who choose teams: in each round chance decides who chooses first, and each
    ranker adds its best item that is not in the list yet. A round that only one ranker can
    complete is left out, so both have the same number of items, up to one in the last round if
    `length` is odd. Give rankings that are longer than the list.
    """
    items: list[int] = []
    teams: list[bool] = []
    taken: set[int] = set()
    while len(items) < length:
        chosen: list[tuple[int, bool]] = []
        order = (True, False) if rng.random() < 0.5 else (False, True)
        for team in order:
            ranking = first if team else second
            best = next((item for item in ranking if item not in taken), None)
            if best is None:
                return items, teams
            taken.add(best)
            chosen.append((best, team))
        for item, team in chosen[: length - len(items)]:
            items.append(item)
            teams.append(team)
    return items, teams


@dataclass(frozen=True, kw_only=True)
class Preference:
    """How the users' clicks divide between two rankers.

    `value`: -1 (all clicks of every user on items of the first ranker) to 1 (of the second), 0
    without a preference; the mean over users with a click. `users`: those users.
    """

    value: float
    users: int
    low: float | None
    high: float | None
    p_value: float | None


def preference(user: Ints, from_first: Bools, *, level: float = 0.95) -> Preference:
    """Return the preference from clicks on interleaved lists, arrays of [N] clicks.

    Each user counts once, whatever the number of clicks (their difference over their sum), so
    that a few active users do not decide and clicks of one user do not count as independent.
    `from_first` are the teams of the clicked items.
    """
    if user.shape != from_first.shape or user.ndim != 1:
        raise ValueError("user and from_first: not one value for each click")
    if not len(user):
        return Preference(value=0.0, users=0, low=None, high=None, p_value=None)
    _, row = np.unique(user, return_inverse=True)
    clicks_U = np.bincount(row)
    score_U = np.bincount(row, weights=np.where(from_first, -1.0, 1.0)) / clicks_U
    users, value = len(score_U), float(score_U.mean())
    error = float(score_U.std(ddof=1)) / math.sqrt(users) if users > 1 else 0.0
    if np.count_nonzero(score_U) < MIN_USERS:
        return Preference(value=value, users=users, low=None, high=None, p_value=None)
    # Without any spread every user prefers the same ranker; chance does so in 2 of 2^users cases.
    z = abs(value) / error if error else math.inf
    half = NormalDist().inv_cdf((1 + level) / 2) * error
    return Preference(
        value=value,
        users=users,
        low=max(-1.0, value - half),
        high=min(1.0, value + half),
        p_value=math.erfc(z / math.sqrt(2)),
    )
