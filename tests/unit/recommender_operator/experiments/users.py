"""Users drawn one by one, and their moments."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from recommender_operator.experiments.arm_moments import COMPONENTS, Moments, product_key

Floats = npt.NDArray[np.float64]
#: Component -> one number for each user.
Users = Mapping[str, Floats]


def drawn(seed: int, count: int, *, click: float = 0.1, buy: float = 0.1) -> dict[str, Floats]:
    """Draw users who differ in activity; every component has values."""
    rng = np.random.default_rng(seed)
    activity = rng.gamma(1.0, 2.0, count) + 0.2
    answers = 1 + rng.poisson(activity)
    clicks = rng.binomial(answers, click * rng.beta(2, 2, count) * 2)
    purchases = rng.poisson(buy * activity)
    sessions = 1 + rng.binomial(answers - 1, 0.3)
    values = {
        "answers": answers,
        "before": rng.poisson(5 * activity),
        "clicks": clicks,
        "converted": purchases > 0,
        "dislikes": rng.binomial(answers, 0.05),
        "dwell": sessions * rng.lognormal(3, 1, count),
        "fallbacks": rng.binomial(answers, 0.02),
        "purchases": purchases,
        "returned": rng.random(count) < 0.4,
        "revenue": purchases * rng.lognormal(2, 1, count),
        "sessions": sessions,
    }
    requests = rng.binomial(answers, 0.9)  # others were answered by an earlier release
    errors = rng.binomial(requests, 0.03 * rng.beta(2, 2, count) * 2)
    shown = 10 * requests
    values |= {
        "errors": errors,
        "grouped": rng.binomial(shown, rng.beta(2, 8, count)),
        "requests": requests,
        "shown": shown,
        "slow": errors + rng.binomial(requests - errors, 0.05 * rng.beta(2, 2, count) * 2),
    }
    return {name: np.asarray(values[name], dtype=np.float64) for name in COMPONENTS}


def moments(users: Users) -> Moments:
    """Add the users up as the collector does."""
    count = len(next(iter(users.values())))
    pairs = itertools.combinations_with_replacement(sorted(users), 2)
    return Moments(
        users=count,
        sums={name: float(values.sum()) for name, values in users.items()},
        products={product_key(a, b): float(users[a] @ users[b]) for a, b in pairs},
    )


def arm(seed: int, count: int, *, click: float = 0.1, buy: float = 0.1) -> Moments:
    return moments(drawn(seed, count, click=click, buy=buy))


def scaled(users: Users, name: str, by: float) -> dict[str, Floats]:
    """Return the users with one component multiplied."""
    return {**users, name: users[name] * by}
