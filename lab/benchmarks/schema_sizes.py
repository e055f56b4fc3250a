"""How near the ranker comes to the truth of a generated shop, by its number of impressions.

    python -m lab.benchmarks.schema_sizes --rows 1000000 --seeds 17 1 2

As `schema`, but of the ranker alone, so that large shops take minutes. On the last days:

- `auc_gap`: AUC of the truth less that of the ranker, each row counted as positive by its true
  probability, and its 95 % interval (users resampled);
- `auc` and `normalised_entropy` of the clicks that happened, those of the truth, and the
  calibration at the true rate;
- `auc_gain_low`, with `--gain`: the lower end of the interval of the AUC less that of the same
  model without any declared feature.

`fit_cpu_s` is processor time from the raw files to the fitted models, one thread, `train_s` the
time on the clock, and `rss_gb` the largest resident memory of the process until then. `looks` are
the losses on the validation days by epoch, and `best_epoch` is 0 if the weights are those that the
fit started from (ADR 0095). The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from recommender_examples import shop
from recommender_examples.shop_settings import Settings
from recommender_training.common.arrays import Doubles
from recommender_training.statistics import known_truth
from tests.benchmarks.machine import machine
from tests.benchmarks.schema import SEEDS, without_features
from tests.benchmarks.schema_gap import Logged, gaps, interval
from tests.benchmarks.schema_models import THREADS, answers, train


def run(folder: Path, settings: Settings, seed: int, *, gain: bool) -> dict[str, Any]:
    """One shop and one fit."""
    shop.write(folder, settings, seed)
    began, used = time.perf_counter(), time.process_time()
    model = train(folder, seed, shop.mapping(), settings.days)
    spent = {
        "train_s": round(time.perf_counter() - began),
        "fit_cpu_s": round(time.process_time() - used),
        "rss_gb": peak_gb(),
    }
    logged = Logged.read(folder, settings)
    found = answers(model, logged.tested)
    log = model.bundle.log
    told = {
        "seed": seed,
        "impressions": settings.impressions,
        **logged.counts(),
        "clicks_to_learn_from": int(logged.log["clicked"].to_numpy()[logged.train].sum()),
        **figures(logged, found),
        **spent,
        "looks": [(epoch, round(loss, 5)) for epoch, loss in log.looks],
        "best_epoch": log.best_epoch,
    }
    print(told, file=sys.stderr, flush=True)
    return told | (without_features(folder, seed, logged, found) if gain else {})


def figures(logged: Logged, found: Doubles) -> dict[str, Any]:
    """Of the ranker's probabilities of the test days."""
    close = known_truth.compare(logged.label, found, logged.true, logged.user)
    ends = interval(logged.true, found, logged.user)
    return {
        "auc_gap": gaps(logged.true, {"ranker": found})["ranker"],
        "auc_gap_interval": None if ends is None else [round(end, 4) for end in ends],
        "auc": round(close.auc, 4),
        "auc_truth": round(close.auc_truth, 4),
        "normalised_entropy": round(close.normalised_entropy, 4),
        "normalised_entropy_truth": round(close.normalised_entropy_truth, 4),
        "calibration_at_true_rate": round(close.calibration.value, 4),
        "calibration_interval": [close.calibration.low, close.calibration.high],
    }


def peak_gb() -> float:
    """The largest resident memory of this process until now."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--gain", action="store_true", help="also without any declared feature")
    arguments = parser.parse_args()
    told = []
    for rows in arguments.rows:
        for seed in arguments.seeds:
            with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=THREADS):
                settings = Settings(impressions=rows)
                told.append(run(Path(folder), settings, seed, gain=arguments.gain))
    result = {
        "benchmark": "schema-sizes",
        "compared": "AUC by true probabilities with that of the truth",
        "shops": told,
        "peak_rss_gb": peak_gb(),
        "machine": machine(),
        "versions": {"torch": torch.__version__},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
