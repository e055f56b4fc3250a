"""Lists against tuned peers over rolling windows: is the lead larger than chance?

One window has too few requests to tell. Each window is a tenth of the events. A peer has the
setting that is best on the tenth before it, and is fitted to all events before the window; so are
the package's models, which stop and calibrate by the tenth before it. The best peer is the one
with the best lists over all windows. The package's own settings were chosen on the windows that
end at 0.6 to 0.9 (ADR 0008, ADR 0013): `fresh` is the ratio on the others.

The last line is one JSON object; intervals resample users over all windows.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from lab.benchmarks.lists import fitted, rolling
from recommender_training.common.arrays import Doubles, Ints
from recommender_training.config.training import TrainingConfig
from recommender_training.data.dataset import Dataset
from recommender_training.evaluation import predictions, ranking_metrics
from recommender_training.evaluation.predictions import TOP_K
from tests.benchmarks import quality
from tests.benchmarks import quality_peers as peers
from tests.benchmarks.machine import machine

SEEDS, ENDS = (17, 1, 2), (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True)
class Window:
    """NDCG@10 of the requests of one window."""

    end: float
    user: Ints  # [R]
    ours: Doubles  # [R] mean over the seeds
    peers: dict[str, Doubles]  # each [R]

    @property
    def chosen_on(self) -> bool:
        """Whether settings of the package were chosen on this window."""
        return self.end in quality.WINDOWS


def judge(data: Dataset, end: float, seeds: tuple[int, ...]) -> Window:
    """The lists of all models on one window."""
    lists, user, task, tuned = [], None, None, {}
    for seed in seeds:
        config = TrainingConfig(seed=seed)
        prepared = rolling(data, end, config)
        if task is None:
            known, split = prepared.data, prepared.split
            tuned = quality.tune(
                [quality.task_of(known.until(split.test_start), split.validation)]
            )
            task = quality.task_of(known, split.test)
        bundle = fitted(prepared, config)
        judged = predictions.window(prepared, prepared.split.test, bundle.sources)
        _, scorer = predictions.scorers(bundle, prepared)
        top = judged.plain.best(judged.scores(judged.plain, scorer), TOP_K)
        lists.append(ranking_metrics.per_request(judged.task, top)["ndcg"])
        user = judged.request_user
    assert task is not None
    assert user is not None
    theirs = {}
    for name, (setting, _) in tuned.items():
        model = peers.fit(name, setting, task.past)
        session = task.sessions(setting["positives"], setting["last"])
        theirs[name] = quality.ndcg(task, peers.score(name, setting, model, session))
    return Window(end, user, np.mean(lists, axis=0), theirs)


def compare(windows: list[Window], best: str) -> dict[str, Any]:
    """The ratio of the means over all requests of these windows, with its interval."""
    mine = np.concatenate([each.ours for each in windows])
    theirs = np.concatenate([each.peers[best] for each in windows])
    user = np.concatenate([each.user for each in windows])
    low, high = quality.ratio_interval(mine, theirs, user) or (None, None)
    return {
        "ratio": round(float(mine.mean() / theirs.mean()), 4),
        "low": low if low is None else round(low, 4),
        "high": high if high is None else round(high, 4),
        "requests": len(user),
        "ndcg_at_10": round(float(mine.mean()), 4),
        "best_peer_ndcg_at_10": round(float(theirs.mean()), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--ends", type=float, nargs="+", default=ENDS)
    args = parser.parse_args()
    start, windows = time.perf_counter(), list[Window]()
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=1):
        data = quality.load(Path(folder))
        for end in args.ends:
            windows.append(judge(data, end, tuple(args.seeds)))
            means = {name: round(float(v.mean()), 4) for name, v in windows[-1].peers.items()}
            print(f"to {end}: ours {windows[-1].ours.mean():.4f}, {means}", flush=True)
    names = windows[0].peers
    overall = {
        name: float(np.concatenate([each.peers[name] for each in windows]).mean())
        for name in names
    }
    best = max(overall, key=lambda name: overall[name])
    every, fresh = compare(windows, best), [each for each in windows if not each.chosen_on]
    result = {
        "benchmark": "rolling",
        "data": "MovieLens 100K",
        "compared": "NDCG@10 with the best peer, tuned on the tenth before each window",
        "ndcg_ratio": every["ratio"],
        "ndcg_ratio_low": every["low"],
        "ndcg_ratio_high": every["high"],
        "ratio": every["ratio"],
        "best_peer": best,
        "peers": {name: round(value, 4) for name, value in overall.items()},
        "all": every,
        "fresh": compare(fresh, best) if fresh else None,
        "by_window": [{"end": each.end, **compare([each], best)} for each in windows],
        "seeds": args.seeds,
        "machine": machine(),
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
        "seconds": round(time.perf_counter() - start),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
