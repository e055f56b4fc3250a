"""Users of simulated experiments, drawn one by one and added up to moments at each day's end.

Users differ: their activity is gamma distributed and goes on after their first day, so a user's
numbers grow from look to look; active users click less often; a few spend much (log-normal, up to
the cap). What they did before goes with their activity.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from recommender_operator.experiments import sample_ratio
from recommender_operator.experiments.arm_moments import Moments, product_key
from recommender_operator.experiments.plan import Phase

#: Most revenue of one user that counts.
CAP = 1000.0
#: Components that are drawn, alphabetically.
DRAWN = ("answers", "before", "clicks", "converted", "revenue")
Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, kw_only=True)
class World:
    """`arriving`: users of all arms who could come for the first time on a day.

    Each arm but the first, the champion's, has the same `share` of them.
    """

    days: int = 14
    arriving: int = 300
    share: float = 0.5
    arms: int = 2
    answers_a_day: float = 1.0
    click: float = 0.12
    buy: float = 0.02
    price_sigma: float = 1.5


def experiments(
    world: World, runs: int, effect: float, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Return sums of products, shaped runs x days x arm x vector x vector.

    The vector is (1, answers, before, clicks, converted, revenue). `effect` is the candidate's
    relative gain in clicks for an answer and in buyers; further arms are like the champion's.
    """
    users = world.arriving * world.days
    result = np.empty((runs, world.days, world.arms, 6, 6))
    for run in range(runs):
        result[run] = _one(world, users, effect, rng)
    return result


def _one(world: World, users: int, effect: float, rng: np.random.Generator) -> Floats:
    """Draw one experiment."""
    place = (rng.random(users) / world.share).astype(int)
    own = np.where(place < world.arms - 1, place + 1, 0)
    first = np.repeat(np.arange(world.days), world.arriving)
    activity = rng.gamma(1.0, world.answers_a_day, users) + 0.1
    gain = np.where(own == 1, 1 + effect, 1.0)
    taste = rng.beta(1.0, 1.0 / world.click - 1.0, users) / (1 + 0.2 * activity)
    click = np.minimum(1.0, taste * gain)
    buy = np.minimum(1.0, world.buy * gain / (1 + activity))
    vector = np.zeros((users, 6))
    vector[:, 2] = np.minimum(100, rng.poisson(5 * activity))
    result = np.empty((world.days, world.arms, 6, 6))
    for day in range(world.days):
        here = slice(0, (day + 1) * world.arriving)
        answers = np.where(first[here] <= day, rng.poisson(activity[here]), 0)
        vector[here, 1] += answers
        vector[here, 3] += rng.binomial(answers, click[here])
        buyers = np.flatnonzero(rng.random(answers.size) < buy[here] * (answers > 0))
        vector[buyers, 4] = 1
        spent = rng.lognormal(3.0, world.price_sigma, buyers.size)
        vector[buyers, 5] = np.minimum(CAP, vector[buyers, 5] + spent)
        vector[here, 0] = vector[here, 1] > 0
        for arm in range(world.arms):
            # A user without an answer so far has not been exposed.
            seen = vector[here][(own[here] == arm) & (vector[here, 0] > 0)]
            result[day, arm] = seen.T @ seen
    return result


def moments(products: Floats, drawn: Sequence[str] = DRAWN) -> Moments:
    """Return the moments of one arm from its sums of products of 1 and the components."""
    names = dict(enumerate(drawn, start=1))
    return Moments(
        users=int(products[0, 0]),
        sums={name: float(products[0, i]) for i, name in names.items()},
        products={
            product_key(a, b): float(products[i, j])
            for i, a in names.items()
            for j, b in names.items()
        },
    )


def buyers(runs: int, users: int, rng: np.random.Generator) -> list[tuple[Moments, Moments]]:
    """Draw arms of which 5 % buy, for log-normal sums up to the cap; a gain of 10 % in buyers."""

    def arm(share: float) -> Moments:
        spent = np.minimum(CAP, rng.lognormal(3.0, 1.5, rng.binomial(users, share)))
        return Moments(
            users=users,
            sums={"revenue": float(spent.sum())},
            products={"revenue*revenue": float(spent @ spent)},
        )

    return [(arm(0.05), arm(0.055)) for _ in range(runs)]


def mismatches(runs: int, lost: float, rng: np.random.Generator) -> tuple[float, float]:
    """Return the shares of experiments with an alarm at the last look, and at any of 28 looks.

    `lost`: share of the candidate's users who are never counted.
    """

    def alarm(champion: int, candidate: int) -> bool:
        arms = {"a": Moments(champion, {}, {}), "b": Moments(candidate, {}, {})}
        weights = {"a": 80.0, "b": 20.0}
        phase = Phase(number=0, weights=weights, champion="a", candidate="b", arms=arms)
        return bool(sample_ratio.problem(phase))

    daily = rng.binomial(1000, 0.2, size=(runs, 28))
    here = rng.binomial(daily, 1 - lost).cumsum(axis=1)
    there = (1000 - daily).cumsum(axis=1)
    alarms = [list(map(alarm, *run)) for run in zip(there.tolist(), here.tolist(), strict=True)]
    return sum(run[-1] for run in alarms) / runs, sum(map(any, alarms)) / runs
