"""What it costs that ids with few events share rows of the embeddings, and what it saves.

Generated events of `large_data`, where most items have few of them. For each number of events
below which an id is rare (`hyperparameters.minIdEvents`; 1 is without sharing) and each seed: a
training without the refit, evaluated on the validation window, and the bytes of its embeddings.

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from recommender_training.config.training import TrainingConfig
from recommender_training.data import load
from recommender_training.pipeline import training
from recommender_training.trainer import embedding_plan
from tests.benchmarks import large_data, stream_training
from tests.benchmarks.machine import machine

ROWS, ITEMS, LEAST, SEEDS = 400_000, 100_000, (1, 2, 5, 10), (17, 1)
SHOWN = ("auc", "logLoss", "ndcgAt10")


def one(folder: Path, least: int, seed: int, threads: int) -> dict[str, Any]:
    """Metrics of the validation window, and the memory of the embeddings."""
    began, version = time.perf_counter(), (folder / "version").read_text()
    settings = TrainingConfig().hyperparameters.model_copy(
        update={"epochs": 2, "min_id_events": least}
    )
    config = TrainingConfig(hyperparameters=settings, seed=seed)
    found = training.validate(folder / "lake", version, config, threads=threads)
    _, data = load.load_dataset(folder / "lake", version, None)
    memory = embedding_plan.plan_embeddings(data, config)
    told = {
        "minIdEvents": least,
        "seed": seed,
        **{name: round(found[name], 4) for name in SHOWN},
        "peak_mb": round(memory.peak / 1e6, 1),
        "item_rows": next(t.rows for t in memory.tables if t.name == "items"),
        "seconds": round(time.perf_counter() - began),
    }
    print(told, file=sys.stderr, flush=True)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--items", type=int, default=ITEMS)
    parser.add_argument("--least", type=int, nargs="+", default=LEAST)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        large_data.write(folder, arguments.rows, arguments.items)
        stream_training.ingest(folder)
        runs = [
            one(folder, least, seed, arguments.threads)
            for seed in arguments.seeds
            for least in arguments.least
        ]
    result = {
        "benchmark": "rare_ids",
        "rows": arguments.rows,
        "items": arguments.items,
        "runs": runs,
        "machine": machine(),
        "versions": {"torch": torch.__version__},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
