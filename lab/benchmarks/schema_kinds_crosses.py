"""What of weekday times category a fit can learn from the clicks of a shop, if it knows all else.

In a generated shop with all kinds (`samples.shop_kinds`) some items are liked at weekends. A fit
has the rest of the true logit as it is, and learns one weight for each pair of a weekday and a
category of items, with a normal prior: what it misses, no model with such weights could find.
`none` has no weight. `told` has a single one, for the true days and items.

- `entropy` and `ndcg`, as in `schema_kinds`: how far a fit is ahead of `none`.
- `pull`: the largest singular value of the sums of what is clicked beyond `none`, by weekday and
  category; `pull_true` has the true probabilities in place of clicks, `pull_chance` clicks drawn
  from those of `none`. A product of two embeddings with a prior of the variance v leaves zero only
  above 1 / v, which for the ranker is `least_pull`.

    python -m lab.benchmarks.schema_kinds_crosses --seeds 17 1 2

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy.optimize import brentq, minimize
from scipy.special import expit
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from lab.benchmarks.schema_kinds import IMPRESSIONS, RATE, Rows
from lab.benchmarks.schema_kinds_lists import Lists
from recommender_examples import shop
from recommender_examples.shop_kinds import OUTDOOR, OUTDOORS, SATURDAY, local
from recommender_examples.shop_settings import Settings
from recommender_examples.shop_world import CATEGORIES, World
from recommender_training.common.arrays import Bools, Doubles, Ints
from recommender_training.models.ranker import FEATURE_VARIANCE
from tests.benchmarks.machine import machine
from tests.benchmarks.schema_gap import Logged

#: Variances of the prior of the weights, with one fit for each.
VARIANCES = (0.003, FEATURE_VARIANCE, 0.1, 0.3, 1.0)
DAYS = 7


@dataclass(frozen=True)
class Asked:
    """Rows or candidates. The arrays broadcast."""

    day: Ints  # [...] the local weekday, from Monday on
    share: Doubles  # [..., C] of each category among those of the item
    liked: Bools  # [...] whether the item is liked at weekends, and it is one

    @classmethod
    def of(cls, world: World, item: Ints, time: Ints) -> Asked:
        """Items [...] at these times [...] in milliseconds."""
        day = local(time)[1]
        has = world.items.categories[item].astype(np.float64)
        outdoor = has[..., [CATEGORIES.index(name) for name in OUTDOOR]].any(-1)
        share = has / np.maximum(has.sum(-1, keepdims=True), 1)
        return cls(day, share, (day >= SATURDAY) & outdoor)

    def of_weights(self, weights: Doubles) -> Doubles:
        """[...] what weights [D, C] add to the logit."""
        return np.asarray((weights[self.day] * self.share).sum(-1), dtype=np.float64)

    def of_truth(self, weight: float = OUTDOORS) -> Doubles:
        """[...] what a `weight` of the true days and items adds to the logit."""
        return np.where(self.liked, weight, 0.0)

    def pull(self, beyond: Doubles) -> float:
        """The largest singular value of the sums of `beyond` [...] by weekday and category."""
        sums = np.stack(
            [beyond[self.day == day] @ self.share[self.day == day] for day in range(DAYS)]
        )
        return float(np.linalg.norm(sums, 2))


def crossed(asked: Asked, base: Doubles, clicked: Doubles, variance: float) -> Doubles:
    """[D, C] the weights of the mode, beside a known logit `base`."""
    by_day = [np.flatnonzero(asked.day == day) for day in range(DAYS)]

    def loss(flat: Doubles) -> tuple[float, Doubles]:
        weights = flat.reshape(DAYS, -1)
        logit = base + asked.of_weights(weights)
        beyond = expit(logit) - clicked
        slope = np.stack([beyond[rows] @ asked.share[rows] for rows in by_day])
        value = np.logaddexp(0, logit).sum() - clicked @ logit + flat @ flat / (2 * variance)
        return float(value), slope.ravel() + flat / variance

    start = np.zeros(DAYS * asked.share.shape[-1])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 300})
    return np.asarray(found.x.reshape(DAYS, -1), dtype=np.float64)


def told_weight(liked: Bools, base: Doubles, clicked: Doubles) -> float:
    """The weight of the true days and items, without a prior."""

    def slope(weight: float) -> float:
        return float((expit(base[liked] + weight) - clicked[liked]).sum())

    return float(brentq(slope, -5.0, 5.0))


@dataclass(frozen=True)
class Known:
    """A shop without what weekends add: the true logit of all else, and what judges a fit."""

    logged: Logged
    rows: Rows
    lists: Lists
    asked: Asked  # [N]
    candidates: Asked  # [R, C]
    base: Doubles  # [N]

    @classmethod
    def of(cls, folder: Path, settings: Settings, seed: int) -> Known:
        """Write a shop and read it."""
        shop.write(folder, settings, seed, all_kinds=True)
        logged, world = Logged.read(folder, settings), World.of(settings, seed)
        lists = Lists.of(settings, seed, logged)
        files = folder / "truth/impressions/*.parquet"
        logit = pl.read_parquet(files).sort("time", "impression_id")["logit"].to_numpy()
        item = logged.log["item_id"].str.strip_prefix("SKU-").cast(int).to_numpy()
        asked = Asked.of(world, item, logged.log["time"].dt.epoch("ms").to_numpy())
        time = np.broadcast_to(lists.time[:, None], lists.item.shape)
        base, train = logit - asked.of_truth(), logged.train
        mean = logged.truth[train].mean()
        base += brentq(lambda by: expit(base[train] + by).mean() - mean, -5.0, 5.0)
        return cls(
            logged,
            Rows.read(folder, logged),
            lists,
            asked,
            Asked.of(world, lists.item, time),
            base,
        )

    def judged(self, added: Doubles, to_lists: Doubles) -> Doubles:
        """[2] entropy, reversed, and NDCG of what is added to the test days and the lists."""
        entropy = self.rows.entropies(expit(self.base[self.logged.test] + added))[0]
        scores = self.lists.logit - self.candidates.of_truth() + to_lists
        return np.array([-entropy, self.lists.ndcg(scores).mean()])


def run(folder: Path, settings: Settings, seed: int) -> dict[str, Any]:
    """The figures of one shop."""
    shop_of = Known.of(folder, settings, seed)
    logged, candidates = shop_of.logged, shop_of.candidates
    train, test = (_rows_of(shop_of.asked, where) for where in (logged.train, logged.test))
    known = shop_of.base[logged.train]
    clicked = logged.log["clicked"].to_numpy()[logged.train].astype(float)
    weight = told_weight(train.liked, known, clicked)
    added = {name: (test.of_truth(by), candidates.of_truth(by))
             for name, by in (("none", 0.0), ("true", OUTDOORS), ("told", weight))}  # fmt: skip
    for variance in VARIANCES:
        weights = crossed(train, known, clicked, variance)
        added[f"{variance:g}"] = (test.of_weights(weights), candidates.of_weights(weights))
    found = {name: shop_of.judged(*each) for name, each in added.items()}
    fits = {
        name: dict(zip(("entropy", "ndcg"), (each - found["none"]).round(4).tolist(), strict=True))
        for name, each in found.items()
    }
    drawn = np.random.default_rng(seed).random(len(known)) < expit(known)
    pulls = {"pull": clicked, "pull_true": logged.truth[logged.train], "pull_chance": drawn}
    return {
        "seed": seed,
        "clicks": int(clicked.sum()),
        "fits": fits,
        **{name: round(train.pull(each - expit(known)), 1) for name, each in pulls.items()},
    }


def _rows_of(asked: Asked, where: Bools) -> Asked:
    return Asked(asked.day[where], asked.share[where], asked.liked[where])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--impressions", type=int, default=IMPRESSIONS)
    parser.add_argument("--seeds", type=int, nargs="+", default=(17,))
    arguments = parser.parse_args()
    told = []
    for seed in arguments.seeds:
        with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=1):
            settings = Settings(impressions=arguments.impressions, positive_rate=RATE)
            told.append(run(Path(folder), settings, seed))
    result = {
        "benchmark": "schema-kinds-crosses",
        "least_pull": round(1 / FEATURE_VARIANCE, 1),
        "shops": told,
        "machine": machine(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
