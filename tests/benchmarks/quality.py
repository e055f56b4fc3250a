"""Quality on MovieLens 100K: responses against logistic regression, lists against four peers.

All settings are chosen on windows before the test window: the peers' in this run, our own
before it (ADR 0008). Then all models, ours with three seeds, are fitted on the data
before the test window, which is read once. Never compare with figures of another protocol.

The last line is one JSON object: means over the seeds, and the least favourable end of their
intervals. `--rehearse` does the same on the data without its test window, to choose with.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from recommender_contract.resource.mapping import Format
from recommender_examples import movielens
from recommender_training.common.arrays import Doubles, Ints
from recommender_training.config.training import TrainingConfig
from recommender_training.data import splits
from recommender_training.data.dataset import Dataset
from recommender_training.data.load import load_dataset as read_data
from recommender_training.data.splits import OnceOnly
from recommender_training.evaluation import predictions, ranking_metrics
from recommender_training.evaluation.evaluate import report
from recommender_training.evaluation.predictions import TOP_K
from recommender_training.features import popularity
from recommender_training.features.prepared_data import prepare_split
from recommender_training.ingestion import ingest
from recommender_training.statistics import bootstrap
from recommender_training.trainer.fit_models import fit_models, refit
from tests.benchmarks import quality_peers as peers
from tests.benchmarks.machine import machine

SEEDS = (17, 1, 2)
#: Ends of the rolling windows that the peers are tuned on, as shares of the events; each window
#: is a tenth.
WINDOWS = (0.6, 0.7, 0.8, 0.9)
_EVERYTHING = 1_000_000


@dataclass(frozen=True)
class Task:
    """Protocol B on one window, and the past before it."""

    past: peers.Fitted
    task: ranking_metrics.RankingTask
    sessions: Callable[[bool, int], sp.csr_matrix]  # positives alone, last events


def load(folder: Path) -> Dataset:
    """MovieLens 100K through the lake, as every run reads it."""
    movielens.fetch(folder / "source")
    checked = ingest.ingest_and_check(
        folder / "source", folder / "lake", kind=Format.MOVIELENS_100K
    )
    return read_data(folder / "lake", checked.data_version, None)[1]


def task_of(data: Dataset, rows: Ints) -> Task:
    """The requests of a window with all revealed events, and the positive events before it."""
    events, count = data.events, data.items.count
    task = ranking_metrics.reveal_half(data, rows, _EVERYTHING)
    before = np.flatnonzero((events.time < events.time[rows[0]]) & events.label)
    shape = (data.users.count, count)
    ones = np.ones(len(before))
    liked = sp.csr_matrix((ones, (events.user[before], events.item[before])), shape=shape)

    def sessions(positives: bool, last: int) -> sp.csr_matrix:
        matrix = sp.lil_matrix((len(task.requests), count))
        for row, request in enumerate(task.requests):
            session = request.session
            if positives:
                session = session[events.label[session]]
            matrix[row, events.item[session[-last:]]] = 1.0
        return matrix.tocsr()

    return Task(peers.Fitted(liked), task, sessions)


def rolling_tasks(data: Dataset) -> list[Task]:
    """The windows that settings are chosen on."""
    time_, count = data.events.time, len(data.events)
    tasks = []
    for end in WINDOWS:
        first, last = time_[int(count * (end - 0.1))], time_[int(count * end)]
        tasks.append(task_of(data, np.flatnonzero((time_ >= first) & (time_ < last))))
    return tasks


def ndcg(task: Task, scores: Doubles) -> Doubles:
    """[R] NDCG@10 of each request."""
    order = np.zeros(scores.shape)
    order[task.task.excluded.nonzero()] = -np.inf
    every = np.tile(np.arange(scores.shape[1], dtype=np.int64), (len(scores), 1))
    top = ranking_metrics.Shortlist(every, order).best(scores, TOP_K)
    return ranking_metrics.per_request(task.task, top)["ndcg"]


def tune(tasks: list[Task]) -> dict[str, tuple[peers.Setting, float]]:
    """The best setting of each peer over all requests of the windows, and its NDCG@10 there."""
    best: dict[str, tuple[peers.Setting, float]] = {}
    for name, grid in peers.GRID.items():
        fitted: dict[Any, Any] = {}
        tried = []
        for setting in grid:
            values = []
            for number, task in enumerate(tasks):
                key = (number, peers.without_sessions(setting))
                if key not in fitted:
                    fitted[key] = peers.fit(name, setting, task.past)
                session = task.sessions(setting["positives"], setting["last"])
                values.append(ndcg(task, peers.score(name, setting, fitted[key], session)))
            tried.append((float(np.concatenate(values).mean()), setting))
        value, setting = max(tried, key=lambda pair: pair[0])
        best[name] = (setting, round(value, 4))
        print(f"tuned {name}: {setting}, NDCG@10 {value:.4f} of {len(grid)} settings", flush=True)
    return best


def ours(data: Dataset, split: splits.Split, seeds: tuple[int, ...]) -> list[Any]:
    """For each seed the fitted models, none of which has read the test window's labels to fit."""
    fitted = []
    prepared = prepare_split(data, split, TrainingConfig())
    for seed in seeds:
        config = TrainingConfig(seed=seed)
        fitted.append(
            (seed, prepared, refit(fit_models(prepared, config, 1), prepared, config, 1))
        )
    return fitted


def judge(fitted: list[Any], rows: Ints) -> tuple[list[dict[str, Any]], list[Doubles]]:
    """The report of each seed, and its NDCG of each request."""
    reports, lists = [], []
    for seed, prepared, bundle in fitted:
        judged = predictions.window(prepared, rows, bundle.sources)
        said = predictions.answer(bundle, prepared, judged)
        reports.append({"seed": seed, **report(judged, said)})
        lists.append(ranking_metrics.per_request(judged.task, said["recommender"].top)["ndcg"])
    return reports, lists


def segment_differences(one: Mapping[str, Any]) -> dict[str, float]:
    """AUC of the ranker less that of the regression in each segment that is large enough."""
    return {
        entry["name"]: entry["minusBaseline"]["auc"]["value"]
        for entry in one["fairness"]["segments"]
        if entry["counted"]
    }


def ratio_interval(mine: Doubles, theirs: Doubles, user: Ints) -> tuple[float, float] | None:
    """95 % interval of the ratio of two means over the same requests, by resampling users."""
    drawn = bootstrap.draw(user)
    ratio = bootstrap.mean(drawn, mine, user) / bootstrap.mean(drawn, theirs, user)
    return bootstrap.interval(drawn, ratio)


def run(data: Dataset, seeds: tuple[int, ...]) -> dict[str, Any]:
    """Tune, fit, read the last tenth of the events once, and judge all models on it."""
    split = splits.temporal(data.events)
    window = OnceOnly(split.test)
    tuned = tune(rolling_tasks(data))
    fitted = ours(data, split, seeds)

    rows = window.open()
    reports, lists = judge(fitted, rows)
    task = task_of(data, rows)
    user = np.array([request.user for request in task.task.requests], dtype=np.int64)
    theirs: dict[str, npt.NDArray[np.float64]] = {}
    for name, (setting, _) in tuned.items():
        model = peers.fit(name, setting, task.past)
        session = task.sessions(setting["positives"], setting["last"])
        theirs[name] = ndcg(task, peers.score(name, setting, model, session))
    theirs["popularity_by_segment"] = ndcg(task, by_segment(data, rows, user, task))
    for name in theirs:
        print(f"peer {name}: NDCG@10 {theirs[name].mean():.4f}", flush=True)
    for one in reports:
        values = one["metrics"]
        names = ("auc", "logLoss", "calibrationError", "ndcgAt10", "baselineAuc")
        worst = min(segment_differences(one).items(), key=lambda pair: pair[1])
        print(one["seed"], {k: values[k] for k in names}, "least ahead in", worst, flush=True)

    best = max(theirs, key=lambda name: float(theirs[name].mean()))
    mean = np.mean(lists, axis=0)
    ends = ratio_interval(mean, theirs[best], user) or (None, None)
    best_value = float(theirs[best].mean())
    ratio = float(mean.mean()) / best_value
    figures = {
        "auc": _mean(reports, "auc"),
        "log_loss": _mean(reports, "logLoss"),
        "ece": _mean(reports, "calibrationError"),
        "lr_auc": _mean(reports, "baselineAuc"),
        "lr_log_loss": _mean(reports, "baselineLogLoss"),
        "auc_minus_lr": _mean(reports, "aucMinusBaseline"),
        "auc_minus_lr_low": min(one["metrics"]["aucMinusBaselineLow"] for one in reports),
        "auc_minus_lr_high": max(one["metrics"]["aucMinusBaselineHigh"] for one in reports),
        "ndcg_at_10": float(mean.mean()),
        "best_peer_ndcg_at_10": best_value,
        "ndcg_ratio": ratio,
        "ndcg_ratio_low": ends[0],
        "ndcg_ratio_high": ends[1],
        "worst_segment_auc_minus_lr": min(
            value for one in reports for value in segment_differences(one).values()
        ),
        "ratio": ratio,
    }
    return {
        "benchmark": "quality",
        "compared": "AUC with logistic regression; NDCG@10 with the best of the peers",
        **{k: v if v is None else round(v, 4) for k, v in figures.items()},
        "best_peer": best,
        "peers": {name: round(float(values.mean()), 4) for name, values in theirs.items()},
        "tuned": {name: setting for name, (setting, _) in tuned.items()},
        "seeds": [
            {
                "seed": one["seed"],
                **{
                    name: one["metrics"][name]
                    for name in ("auc", "logLoss", "calibrationError", "ndcgAt10")
                },
            }
            for one in reports
        ],
        "requests": len(user),
        "rows": len(rows),
    }


def by_segment(data: Dataset, rows: Ints, user: Ints, task: Task) -> Doubles:
    """[R, I] scores of the baseline: the popularity of each user's segment."""
    overall = np.asarray(task.past.liked.sum(0), dtype=np.float64).ravel()
    context = np.stack([request.context for request in task.task.requests])
    times = np.array([request.time for request in task.task.requests], dtype=np.int64)
    segment = popularity.segment_of(data, user, times, context)
    scores = np.tile(overall, (len(segment), 1))
    for code, own in popularity.by_segment(data, int(data.events.time[rows[0]])):
        scores[segment == code] = own
    return scores


def _mean(reports: list[dict[str, Any]], name: str) -> float:
    return float(np.mean([one["metrics"][name] for one in reports]))


def without_test(data: Dataset) -> Dataset:
    """The data before the test window; its last ninth replaces the test window."""
    known = data.events.time < splits.temporal(data.events).test_start
    return Dataset(data.events.take(known), data.users, data.items)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rehearse", action="store_true", help="leave the test window out")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    args = parser.parse_args()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=1):
        data = load(Path(folder))
        found = run(without_test(data) if args.rehearse else data, tuple(args.seeds))
    result = {
        **found,
        "data": "MovieLens 100K" + (", without the test window" if args.rehearse else ""),
        "machine": machine(),
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
        "seconds": round(time.perf_counter() - start),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
