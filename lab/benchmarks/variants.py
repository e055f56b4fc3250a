"""The exported ranker on MovieLens 100K as it is, in whole numbers and pruned.

One training as `train` does it with `export.variants: [Int8, Pruned]`: the models are fitted
without the validation window, the variants judged on it by their gate, the models fitted again
with it. Then size, time and answers of all three graphs on the test window, which is read once
and decides nothing. Differences are paired, on the same rows, requests and resamples of users.

The last line is one JSON object. `--rehearse` does the same on the data without its test window.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from recommender_contract.resource.export import ExportSpec, Variant
from recommender_training.config.training import TrainingConfig
from recommender_training.data import splits
from recommender_training.data.dataset import Dataset
from recommender_training.data.splits import OnceOnly
from recommender_training.export import repository
from recommender_training.features.prepared_data import prepare_split
from recommender_training.pipeline import variants
from recommender_training.pipeline.variants import Candidate
from recommender_training.trainer.fit_models import fit_models, refit
from tests.benchmarks.machine import machine
from tests.benchmarks.quality import load, without_test

SEED = 17


def run(data: Dataset, config: TrainingConfig) -> dict[str, Any]:
    """Fit, decide on the validation window, and return the figures of the test window."""
    split = splits.temporal(data.events)
    window = OnceOnly(split.test)
    prepared = prepare_split(data, split, config)
    known = repository.export_inputs(prepared, config)
    held_out = fit_models(prepared, config, 1)
    known = replace(known, sources=held_out.sources)
    decision = variants.decide(held_out, prepared, known, config)
    assert decision is not None
    bundle = refit(held_out, prepared, config, 1)
    known = replace(known, sources=bundle.sources)
    judged, found = variants.measured(bundle, prepared, known, config.export, window.open())
    return {
        **figures(found),
        "served": decision.section["served"],
        "decided_by": {
            one["name"]: one["reason"] for one in decision.section["candidates"] if "reason" in one
        },
        "rows": len(judged.rows),
        "requests": len(judged.task.requests),
    }


def figures(found: Sequence[Candidate]) -> dict[str, Any]:
    """For each graph its size, times and quality, and its differences to the full one."""
    told: dict[str, Any] = {}
    for one in found:
        name = one.name.lower()
        told[f"{name}_megabytes"] = round(one.megabytes, 3)
        told[f"{name}_p50_ms"] = one.milliseconds["p50Milliseconds"]
        told[f"{name}_p99_ms"] = one.milliseconds["p99Milliseconds"]
        for metric, short in (("auc", "auc"), ("ndcgAt10", "ndcg_at_10")):
            told[f"{name}_{short}"] = one.quality[metric]["value"]
            if one.minus is not None:
                for end, suffix in (("value", ""), ("low", "_low"), ("high", "_high")):
                    told[f"{name}_{short}_minus_full{suffix}"] = one.minus[metric][end]
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rehearse", action="store_true", help="leave the test window out")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--keep", type=float, default=ExportSpec().keep)
    args = parser.parse_args()
    start = time.perf_counter()
    export = ExportSpec(variants=tuple(Variant), keep=args.keep)
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=1):
        data = load(Path(folder))
        data = without_test(data) if args.rehearse else data
        found = run(data, TrainingConfig(seed=args.seed, export=export))
    result = {
        "benchmark": "variants",
        "data": "MovieLens 100K" + (", without the test window" if args.rehearse else ""),
        "compared": "the full graph, same weights, rows and requests; times in turn, one thread",
        "seed": args.seed,
        "keep": args.keep,
        **found,
        "machine": machine(),
        "versions": {"torch": torch.__version__},
        "seconds": round(time.perf_counter() - start),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
