"""Refit the chosen configuration with several seeds, to separate differences from chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

import torch

from recommender_training.common.progress import say, silence
from recommender_training.config.training import TrainingConfig
from recommender_training.features.prepared_data import PreparedData
from recommender_training.models import ranker
from recommender_training.statistics import model_metrics
from recommender_training.trainer import fit
from recommender_training.trainer.deep_ranker import fit_deep


@dataclass(frozen=True)
class SeedResult:
    """Metrics of one seed on the validation window, before calibration."""

    seed: int
    loss: float
    auc: float


def spread(
    prepared: PreparedData,
    config: TrainingConfig,
    count: int,
    threads: int,
    first: tuple[ranker.Ranker, fit.FitLog] | None = None,
) -> list[SeedResult]:
    """Return results of `count` seeds from the configuration's own up; `first` is its own fit."""
    found = []
    for offset in range(count):
        own = config.model_copy(update={"seed": (config.seed + offset) % 2**31})
        fitted = first if offset == 0 else None
        if fitted is None:
            with silence():
                fitted = fit_deep(prepared, own, threads)
        found.append(_evaluate(prepared, own.seed, *fitted))
        last = found[-1]
        say(f"search: seed {last.seed} validation log loss {last.loss:.4f}, auc {last.auc:.4f}")
    return found


def _evaluate(
    prepared: PreparedData, seed: int, model: ranker.Ranker, log: fit.FitLog
) -> SeedResult:
    rows = prepared.split.validation
    logits = fit.predict(model, prepared.inputs, torch.from_numpy(rows)).numpy()
    area = model_metrics.auc(prepared.data.events.label[rows], logits)
    assert area is not None, "the split has both classes in each window"
    return SeedResult(seed, log.best_loss, area)


def seeds_summary(results: Sequence[SeedResult]) -> dict[str, Any]:
    """Return mean, sample standard deviation (None for one seed) and range of each metric."""
    columns = {
        "logLoss": [result.loss for result in results],
        "auc": [result.auc for result in results],
    }
    return {
        name: {
            "mean": round(fmean(values), 6),
            "standardDeviation": round(stdev(values), 6) if len(values) > 1 else None,
            "lowest": round(min(values), 6),
            "highest": round(max(values), 6),
        }
        for name, values in columns.items()
    }
