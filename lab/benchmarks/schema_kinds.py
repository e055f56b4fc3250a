"""What lists, vectors and times of users and requests are worth to the ranker.

    python -m lab.benchmarks.schema_kinds

In a generated shop with features of all kinds (`samples.shop_kinds`) the ranker is fitted once
with all of them, and once without each. `kind_gains` has for each kind what the former is ahead on
the same rows, and what the truth is ahead of the truth without this kind's part of the logit:

- `auc` of the clicks on the test days;
- `normalised_entropy`, lower by so much: by the true probabilities of the test days, so that no
  chance of a click decides;
- `ndcg` at 10 of lists of CANDIDATES items for users of the test days, by the true odds.

Each is a mean over the seeds, with the 95 % interval of the ranker's: users of each shop are
resampled. `recovered` is the ranker's gain over that of the truth. A kind that adds as much to
every item of a request has no gain of lists: `hour`, and the `birth_month` of the user.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from scipy.optimize import brentq
from scipy.special import expit, xlogy
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from lab.benchmarks.schema_kinds_lists import Lists
from lab.benchmarks.schema_kinds_ranker import Fitted, without
from recommender_examples import shop
from recommender_examples.shop_kinds import KINDS
from recommender_examples.shop_settings import Settings
from recommender_training.common.arrays import Bools, Doubles, Ints
from recommender_training.data.dataset import Dataset
from recommender_training.statistics import bootstrap, model_metrics
from recommender_training.statistics.bootstrap import Resamples
from tests.benchmarks.machine import machine
from tests.benchmarks.schema_gap import Logged, gaps
from tests.benchmarks.schema_models import THREADS
from tests.unit.recommender_examples.shop_logs import ingested

SEEDS = (17,)
#: With the largest share of clicks that a shop allows, for as many clicks in half the impressions.
IMPRESSIONS, RATE = 100_000, 0.01
RESAMPLES = 1000
METRICS = ("auc", "normalised_entropy", "ndcg")


@dataclass(frozen=True)
class Rows:
    """The impressions of the test days."""

    label: Bools  # [T]
    user: Ints  # [T]
    probability: Doubles  # [T] the true one
    logit: Doubles  # [T]
    parts: Mapping[str, Doubles]  # [T] of the logit, by kind
    drawn: Resamples

    @classmethod
    def read(cls, folder: Path, logged: Logged) -> Rows:
        """The test days of a shop with all kinds."""
        files = folder / "truth/impressions/*.parquet"
        truth = pl.read_parquet(files).sort("time", "impression_id")
        rows = truth.filter(pl.Series(logged.test))
        user = logged.user
        return cls(
            logged.label,
            user,
            logged.true,
            rows["logit"].to_numpy(),
            {kind: rows[f"of_{kind}"].to_numpy() for kind in KINDS},
            bootstrap.draw(user, resamples=RESAMPLES),
        )

    def without(self, kind: str) -> Doubles:
        """[T] the true probabilities as they would be without a kind, at the same mean."""
        logit, mean = self.logit - self.parts[kind], self.probability.mean()
        shift = brentq(lambda by: expit(logit + by).mean() - mean, -5.0, 5.0)
        return np.asarray(expit(logit + shift), dtype=np.float64)

    def aucs(self, score: Doubles) -> Doubles:
        """[1 + B] AUC of a score [T]: of all rows, then of the resamples."""
        whole = model_metrics.auc(self.label, score)
        assert whole is not None, "both classes are there"
        found = bootstrap.auc(self.drawn, self.label, score, self.user)
        return np.concatenate([[whole], found])

    def entropies(self, probability: Doubles) -> Doubles:
        """[1 + B] expected normalised entropy of probabilities [T], likewise.

        The base rate is that of all rows, so that a difference is one of losses alone.
        """
        true, mean = self.probability, np.array([self.probability.mean()])
        base = -(xlogy(mean, mean) + xlogy(1 - mean, 1 - mean))[0]
        loss: Doubles = -(xlogy(true, probability) + xlogy(1 - true, 1 - probability)) / base
        return with_mean(self.drawn, loss, self.user)


def with_mean(drawn: Resamples, values: Doubles, user: Ints) -> Doubles:
    """[1 + B] the mean of values [N]: of all, then of the resamples."""
    return np.concatenate([[values.mean()], bootstrap.mean(drawn, values, user)])


@dataclass(frozen=True)
class Judged:
    """Of one model or truth on one shop, [1 + B] of each of the METRICS, the last one reversed
    where less is better, so that every gain is above 0.
    """

    of: Mapping[str, Doubles]

    @classmethod
    def by(cls, rows: Rows, lists: Lists, probability: Doubles, scores: Doubles) -> Judged:
        """Judge probabilities [T] and scores of the lists' candidates [R, C]."""
        drawn = bootstrap.draw(lists.user, resamples=RESAMPLES)
        return cls(
            {
                "auc": rows.aucs(probability),
                "normalised_entropy": -rows.entropies(probability),
                "ndcg": with_mean(drawn, lists.ndcg(scores), lists.user),
            }
        )

    def ahead(self, other: Judged) -> dict[str, Doubles]:
        """[1 + B] how far it is ahead of the other, by metric."""
        return {name: self.of[name] - other.of[name] for name in METRICS}


@dataclass(frozen=True)
class Gain:
    """Of one kind on one shop, [1 + B] by metric."""

    ranker: Mapping[str, Doubles]
    truth: Mapping[str, Doubles]


def run(
    folder: Path, settings: Settings, seed: int, kinds: Sequence[str] = KINDS
) -> tuple[dict[str, Gain], dict[str, Any]]:
    """Return the gain of each of the `kinds` on one shop, and the figures of the shop."""
    shop.write(folder, settings, seed, all_kinds=True)
    logged = Logged.read(folder, settings)
    rows, lists = Rows.read(folder, logged), Lists.of(settings, seed, logged)

    data = ingested(folder, shop.mapping(all_kinds=True))

    def fitted(own: Dataset) -> tuple[Doubles, Judged]:
        model = Fitted.of(own, seed, settings.days)
        found = model.answers(logged.tested)
        return found, Judged.by(rows, lists, found, lists.scores(folder, model))

    probability, whole = fitted(data)
    truth = Judged.by(rows, lists, rows.probability, lists.logit)
    told: dict[str, Any] = {"seed": seed, **logged.counts(), "lists": len(lists.user)}
    told["auc_gap"] = gaps(rows.probability, {"ranker": probability})["ranker"]
    told["ranker"] = {name: round(abs(float(whole.of[name][0])), 4) for name in METRICS}
    told["truth"] = {name: round(abs(float(truth.of[name][0])), 4) for name in METRICS}
    gains = {}
    for kind in kinds:
        bare = Judged.by(rows, lists, rows.without(kind), lists.logit - lists.parts[kind])
        gains[kind] = Gain(whole.ahead(fitted(without(data, kind))[1]), truth.ahead(bare))
        so_far = dict(_summaries([gains[kind]]))
        print(f"seed {seed}, {kind}: {so_far}", file=sys.stderr, flush=True)
    return gains, told


def summary(found: Sequence[Mapping[str, Gain]]) -> dict[str, Any]:
    """Of each kind and metric: the mean gain over the shops, its interval, and the truth's."""
    return {kind: dict(_summaries([each[kind] for each in found])) for kind in found[0]}


def _summaries(gains: Sequence[Gain]) -> Iterator[tuple[str, dict[str, float | None]]]:
    for name in METRICS:
        ranker = np.mean([each.ranker[name] for each in gains], axis=0)
        truth = float(np.mean([each.truth[name][0] for each in gains]))
        low, high = np.quantile(ranker[1:], [0.025, 0.975])
        numbers = {"gain": ranker[0], "low": low, "high": high, "truth": truth}
        told: dict[str, float | None] = {key: round(float(n), 4) for key, n in numbers.items()}
        told["recovered"] = round(float(ranker[0]) / truth, 2) if truth > 1e-6 else None
        yield name, told


def figures(
    seeds: Sequence[int], impressions: int = IMPRESSIONS, kinds: Sequence[str] = KINDS
) -> dict[str, Any]:
    """Return `kind_gains` of these kinds, the figures of each shop, and how long it took."""
    began, found, told = time.perf_counter(), [], []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=THREADS):
            settings = Settings(impressions=impressions, positive_rate=RATE)
            gains, of_shop = run(Path(folder), settings, seed, kinds)
        found.append(gains)
        told.append(of_shop)
    seconds = round(time.perf_counter() - began)
    return {"kind_gains": summary(found), "kind_shops": told, "kind_seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--impressions", type=int, default=IMPRESSIONS)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--kinds", choices=KINDS, nargs="+", default=KINDS)
    arguments = parser.parse_args()
    result = {
        "benchmark": "schema-kinds",
        "compared": "the same ranker fitted without the feature; the truth without its part",
        **figures(arguments.seeds, arguments.impressions, arguments.kinds),
        "machine": machine(),
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
