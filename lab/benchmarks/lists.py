"""Lists by towers beside the item-to-item weights, against the weights alone, and the cost.

Judged on rolling windows of a tenth of the events that end before the test window, which is cut
off before anything is fitted. In each the models are fitted as `train` fits them: epochs and
temperature from the tenth before it, weights from all earlier data. The order is the whole
one that is served, response and popularity included. Differences are paired: both orders have the
same ranker, the same requests, the same seed. The interval resamples users over all windows, of
the mean over seeds.

The last line is one JSON object. `holds` says whether the towers are ahead by the rule that was
fixed before (ADR 0013): the interval above 0, and no seed's mean below.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from recommender_contract.resource.hyperparameters import Retrieval, RetrievalLoss
from recommender_training.artifact.vocabulary import vocabulary
from recommender_training.common.arrays import Doubles, Ints
from recommender_training.config.training import TrainingConfig
from recommender_training.data.dataset import Dataset
from recommender_training.data.splits import Split
from recommender_training.evaluation import predictions, ranking_metrics
from recommender_training.export import build, latency, repository, torchscript
from recommender_training.features.prepared_data import PreparedData, prepare_split
from recommender_training.fitted.bundle import Bundle
from recommender_training.fitted.retrieval import RetrievalModels
from recommender_training.search.folds import past
from recommender_training.statistics import bootstrap
from recommender_training.trainer.fit_models import fit_models, refit
from tests.benchmarks.machine import machine
from tests.benchmarks.quality import WINDOWS, load

SEEDS = (17, 1, 2, 3, 4)


@dataclass(frozen=True)
class Judged:
    """NDCG@10 of the requests of one window, fitted with one seed, with and without towers."""

    end: float
    seed: int
    user: Ints  # [R]
    ndcg: Mapping[Retrieval, Doubles]  # each [R]

    @property
    def difference(self) -> Doubles:
        """[R] with towers less without."""
        return self.ndcg[Retrieval.BOTH] - self.ndcg[Retrieval.WEIGHTS]


def rolling(data: Dataset, end: float, config: TrainingConfig) -> PreparedData:
    """The data before this share of its events; the last tenth is judged, by the one before it."""
    count, times = len(data.events), data.events.time
    known = past(data, int(times[int(count * end)])) if end < 1 else data
    first, second = (int(times[int(count * (end - less))]) for less in (0.2, 0.1))
    rows = np.arange(len(known.events), dtype=np.int64)
    train, validation, test = np.split(rows, np.searchsorted(known.events.time, [first, second]))
    split = Split(train, validation, test, validation_start=first, test_start=second)
    return prepare_split(known, split, config)


def fitted(prepared: PreparedData, config: TrainingConfig) -> Bundle:
    """The models as they would serve after the window that they were chosen on."""
    return refit(fit_models(prepared, config, 1), prepared, config, 1)


def judge(bundle: Bundle, prepared: PreparedData, end: float, seed: int) -> Judged:
    """The lists of the judged window with and without the towers in the order."""
    both = predictions.window(prepared, prepared.split.test, bundle.sources)
    _, scorer = predictions.scorers(bundle, prepared)
    alone = replace(both, sources=RetrievalModels(bundle.sources.plan))
    windows = {Retrieval.WEIGHTS: alone, Retrieval.BOTH: both}
    found = {}
    for name, window in windows.items():
        top = window.plain.best(window.scores(window.plain, scorer), predictions.TOP_K)
        found[name] = ranking_metrics.per_request(window.task, top)["ndcg"]
    return Judged(end, seed, both.request_user, found)


def compare(runs: list[Judged]) -> dict[str, Any]:
    """The difference over all windows and seeds, by window, by seed, and the rule's result."""
    seeds, ends = sorted({run.seed for run in runs}), sorted({run.end for run in runs})
    at = {(run.end, run.seed): run for run in runs}
    user = np.concatenate([at[end, seeds[0]].user for end in ends])

    def over_seeds(values: Callable[[Judged], Doubles]) -> list[Doubles]:
        return [np.mean([values(at[end, seed]) for seed in seeds], axis=0) for end in ends]

    without = over_seeds(lambda run: run.ndcg[Retrieval.WEIGHTS])
    towers = over_seeds(lambda run: run.ndcg[Retrieval.BOTH])
    by_window = over_seeds(lambda run: run.difference)
    difference, drawn = np.concatenate(by_window), bootstrap.draw(user)
    low, high = bootstrap.interval(drawn, bootstrap.mean(drawn, difference, user)) or (None, None)
    of_seeds = {
        seed: float(np.concatenate([at[end, seed].difference for end in ends]).mean())
        for seed in seeds
    }
    windows = zip(ends, without, towers, by_window, strict=True)
    return {
        "weights_ndcg_at_10": _mean(without),
        "both_ndcg_at_10": _mean(towers),
        "difference": round(float(difference.mean()), 4),
        "low": low if low is None else round(low, 4),
        "high": high if high is None else round(high, 4),
        "holds": low is not None and low > 0 and min(of_seeds.values()) >= 0,
        "by_seed": {str(seed): round(value, 4) for seed, value in of_seeds.items()},
        "by_window": [
            {
                "end": end,
                "requests": len(lead),
                "weights": _mean([before]),
                "both": _mean([after]),
                "difference": _mean([lead]),
            }
            for end, before, after, lead in windows
        ],
        "requests": len(user),
        "users": len(drawn.users),
    }


def _mean(parts: list[Doubles]) -> float:
    return round(float(np.concatenate(parts).mean()), 4)


def cost(data: Dataset, end: float, config: TrainingConfig) -> dict[str, Any]:
    """Of both orders: CPU seconds of all fits, and the exported graph's size and latency."""
    told: dict[str, Any] = {}
    graphs, words = {}, dict[str, Any]()
    for order in (Retrieval.WEIGHTS, Retrieval.BOTH):
        settings = config.hyperparameters.model_copy(update={"retrieval": order})
        one = config.model_copy(update={"hyperparameters": settings})
        prepared = rolling(data, end, one)
        start = time.process_time()
        bundle = fitted(prepared, one)
        seconds = time.process_time() - start
        known = replace(repository.export_inputs(prepared, one), sources=bundle.sources)
        assert bundle.deep is not None
        archive = torchscript.archive(
            build.ranker_module(bundle.deep, known, bundle.deep_calibration)
        )
        graphs[order.value] = torchscript.loaded(archive)
        words = vocabulary(prepared.data, prepared.history_length)
        told[order.value] = {
            "fit_cpu_seconds": round(seconds, 1),
            "graph_megabytes": round(len(archive) / 1e6, 3),
        }
    for name, times in latency.compare_latency(graphs, words).items():
        told[name] |= times
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--ends", type=float, nargs="+", default=WINDOWS)
    parser.add_argument(
        "--loss",
        type=RetrievalLoss,
        choices=tuple(RetrievalLoss),
        default=RetrievalLoss.SAMPLED_SOFTMAX,
    )
    args = parser.parse_args()
    start, runs = time.perf_counter(), list[Judged]()
    hyperparameters = TrainingConfig().hyperparameters.model_copy(
        update={"retrieval": Retrieval.BOTH, "retrieval_loss": args.loss}
    )
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=1):
        data = load(Path(folder))
        for end in args.ends:
            for seed in args.seeds:
                config = TrainingConfig(seed=seed, hyperparameters=hyperparameters)
                prepared = rolling(data, end, config)
                run = judge(fitted(prepared, config), prepared, end, seed)
                runs.append(run)
                means = {name.value: _mean([ndcg]) for name, ndcg in run.ndcg.items()}
                print(f"to {end}, seed {seed}: {means}", flush=True)
        costs = cost(data, args.ends[-1], config)
    result = {
        "benchmark": "lists",
        "data": "MovieLens 100K, windows before the test window",
        "compared": "retrieval Both with Weights: same rankers, seeds and requests",
        "loss": args.loss.value,
        **compare(runs),
        "cost": costs,
        "machine": machine(),
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
        "seconds": round(time.perf_counter() - start),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
