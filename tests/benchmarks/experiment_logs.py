"""Logged decisions of a version that explores, and intervals of what another one would earn.

100 contexts, 20 actions. Both versions choose their best action, and in a fifth of the decisions
any; they agree on the best one in a part of the contexts. Users make several decisions and differ
in how easily they click.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recommender_training.evaluation.off_policy import Log, Method, estimate_value

CONTEXTS, ACTIONS, EXPLORED = 100, 20, 0.2
USERS, DECISIONS = 2000, 10
Table = npt.NDArray[np.float64]


def coverage(runs: int, rng: np.random.Generator) -> dict[str, float]:
    """Return the share of 95 % intervals with the truth, by method."""
    reward = rng.beta(1, 9, size=(CONTEXTS, ACTIONS))
    old = _choices(reward + rng.normal(0, 0.1, reward.shape))
    new = _choices(reward + rng.normal(0, 0.05, reward.shape))
    model = np.clip(reward + rng.normal(0, 0.05, reward.shape), 0, 1)
    truth = float((new * reward).sum(axis=1).mean())
    covered = dict.fromkeys(Method, 0)
    for _ in range(runs):
        log = _logged(reward, old, new, model, rng)
        for method in Method:
            found = estimate_value(log, method)
            if found.low is not None and found.high is not None:
                covered[method] += found.low <= truth <= found.high
    return {str(method): count / runs for method, count in covered.items()}


def _choices(score: Table) -> Table:
    """Return the probability of each action in each context."""
    chosen = np.full(score.shape, EXPLORED / ACTIONS)
    chosen[np.arange(CONTEXTS), score.argmax(axis=1)] += 1 - EXPLORED
    return chosen


def _logged(reward: Table, old: Table, new: Table, model: Table, rng: np.random.Generator) -> Log:
    user = np.repeat(np.arange(USERS), DECISIONS)
    context = rng.integers(CONTEXTS, size=user.size)
    best = old.argmax(axis=1)[context]
    explored = rng.random(user.size) < EXPLORED
    action = np.where(explored, rng.integers(ACTIONS, size=user.size), best)
    ease = rng.uniform(0.5, 1.5, USERS)[user]
    return Log(
        user=user,
        propensity=old[context, action],
        target=new[context, action],
        reward=(rng.random(user.size) < reward[context, action] * ease).astype(float),
        predicted=model[context, action],
        expected=(new * model).sum(axis=1)[context],
    )
