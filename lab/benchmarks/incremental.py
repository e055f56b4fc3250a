"""A warm start on new events alone, against all events and a cold start.

Each window is a tenth of the events. The champion has seen the events up to three tenths before
its end; the next training has one tenth more, stops by the next one, is fitted again with it, and
is evaluated on the last. All are the ranker alone, uncalibrated, one thread.

The last line is one JSON object: means over windows and seeds, and differences to the cold start
with 95 % intervals by resampling users over all windows, seeds averaged.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from lab.benchmarks.lists import rolling
from recommender_contract.resource.training_settings import WarmEvents, WarmMode
from recommender_training.artifact import checkpoint
from recommender_training.common.arrays import Doubles, Ints
from recommender_training.config.training import TrainingConfig
from recommender_training.data.dataset import Dataset
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.predict import predict
from recommender_training.models.ranker import Ranker
from recommender_training.statistics import bootstrap, calibration, model_metrics
from recommender_training.trainer.deep_ranker import fit_deep, new_ranker, refit_deep
from recommender_training.trainer.fit_context import FitContext
from recommender_training.trainer.initial_weights import WarmStart
from tests.benchmarks.machine import machine
from tests.benchmarks.quality import load

SEEDS, ENDS = (17, 1, 2), (0.6, 0.7, 0.8, 0.9)
COLD, ALL, NEW = "cold", "all", "new"


@dataclass
class Side:
    """One way to train, over all windows and seeds."""

    losses: list[Doubles] = field(default_factory=list)  # [rows] of each evaluated window
    aucs: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    epochs: list[float] = field(default_factory=list)
    old: list[float] = field(default_factory=list)  # log loss on data that the champion has seen


def probability(model: Ranker, prepared: PreparedData, rows: Ints) -> Doubles:
    logits = predict(model, prepared.inputs, torch.from_numpy(rows)).numpy()
    return calibration.probability(logits)


def champion(data: Dataset, end: float, config: TrainingConfig) -> checkpoint.Checkpoint:
    """The part of a training one window earlier that an artifact keeps."""
    prepared = rolling(data, end - 0.1, config)
    model, _ = fit_deep(prepared, config, 1)
    until, groups = prepared.split.validation_start, prepared.constants.groups
    with tempfile.TemporaryDirectory() as folder:
        checkpoint.write_checkpoint(Path(folder), model, prepared.data, groups, until)
        return checkpoint.read_checkpoint(Path(folder))


def judge(data: Dataset, end: float, seed: int, sides: dict[str, Side]) -> Ints:
    """Train in each way; users of the evaluated rows."""
    config = TrainingConfig(seed=seed)
    kept = champion(data, end, config)
    prepared = rolling(data, end, config)
    rows, events = prepared.split.test, prepared.data.events
    seen = prepared.split.train[events.time[prepared.split.train] < kept.seen_until]
    starts = {
        COLD: None,
        ALL: WarmStart(kept, WarmMode.ALL_WEIGHTS, "", WarmEvents.ALL),
        NEW: WarmStart(kept, WarmMode.ALL_WEIGHTS, "", WarmEvents.NEW),
    }
    for name, start in starts.items():
        context, began = FitContext(start=start), time.process_time()
        first, log = fit_deep(prepared, config, 1, context=context)
        model = refit_deep(first.size, log, prepared, config, 1, context)
        side = sides[name]
        side.seconds.append(time.process_time() - began)
        side.epochs.append(log.best_epoch)
        found = probability(model, prepared, rows)
        side.losses.append(model_metrics.log_losses(events.label[rows], found))
        side.aucs.append(model_metrics.auc(events.label[rows], found) or 0.5)
        old = probability(first, prepared, seen)
        side.old.append(model_metrics.log_loss(events.label[seen], old))
    fresh = new_ranker(prepared, config)
    starts[NEW].apply(fresh, prepared.data)  # type: ignore[union-attr]
    before = model_metrics.log_loss(events.label[seen], probability(fresh, prepared, seen))
    sides["champion"].old.append(before)
    return events.user[rows].astype(np.int64)


def compare(side: Side, cold: Side, user: Ints, seeds: int) -> dict[str, Any]:
    """Means, and the log loss less that of the cold start."""
    lead = np.concatenate(
        [
            np.mean([a - b for a, b in zip(one, other, strict=True)], axis=0)
            for one, other in zip(_by(side.losses, seeds), _by(cold.losses, seeds), strict=True)
        ]
    )
    drawn = bootstrap.draw(user)
    low, high = bootstrap.interval(drawn, bootstrap.mean(drawn, lead, user)) or (None, None)
    return {
        "log_loss": round(float(np.mean([loss.mean() for loss in side.losses])), 5),
        "auc": round(float(np.mean(side.aucs)), 5),
        "log_loss_minus_cold": round(float(lead.mean()), 5),
        "low": low if low is None else round(low, 5),
        "high": high if high is None else round(high, 5),
        "cpu_seconds": round(float(np.median(side.seconds)), 2),
        "best_epoch": round(float(np.mean(side.epochs)), 2),
        "old_log_loss": round(float(np.mean(side.old)), 5),
    }


def _by(parts: list[Doubles], seeds: int) -> list[list[Doubles]]:
    """The losses of each window, one a seed."""
    return [parts[start : start + seeds] for start in range(0, len(parts), seeds)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--ends", type=float, nargs="+", default=ENDS)
    args = parser.parse_args()
    start, users = time.perf_counter(), list[Ints]()
    sides = {name: Side() for name in (COLD, ALL, NEW, "champion")}
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=1):
        data = load(Path(folder))
        for end in args.ends:
            for seed in args.seeds:
                user = judge(data, end, seed, sides)
                found = {n: round(float(s.losses[-1].mean()), 4)
                         for n, s in sides.items() if s.losses}  # fmt: skip
                print(f"to {end}, seed {seed}: {found}", flush=True)
            users.append(user)
    every = np.concatenate(users)
    told = {
        name: compare(sides[name], sides[COLD], every, len(args.seeds))
        for name in (COLD, ALL, NEW)
    }
    before = float(np.mean(sides["champion"].old))
    result = {
        "benchmark": "incremental",
        "data": "MovieLens 100K",
        "compared": "CPU time of a cold start with that of a fit on new events alone",
        **told,
        "champion_old_log_loss": round(before, 5),
        "forgotten": round(told[NEW]["old_log_loss"] - before, 5),
        "ratio": round(told[COLD]["cpu_seconds"] / told[NEW]["cpu_seconds"], 2),
        "machine": machine(),
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
        "seconds": round(time.perf_counter() - start),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
