"""Mitigation of unfairness on MovieLens 100K: each part before and after, with three seeds.

Judged on rolling windows that end before the test window, which is cut off before anything is
read. In each the models are fitted as `train` fits them: epochs, temperature and bonus from the
validation window before it, weights of the model from all earlier data. Differences are
paired: the same seed, the same rows, the same requests.

The last line is one JSON object: means over windows and seeds with their standard deviation, and
each of them under `runs`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from recommender_contract.resource.mitigation import (
    POPULARITY,
    Exposure,
    MitigationSpec,
    Reweighting,
)
from recommender_training.config.training import TrainingConfig
from recommender_training.data.dataset import Dataset
from recommender_training.evaluation import mitigation_effect, predictions
from recommender_training.evaluation.predictions import Window
from recommender_training.features.prepared_data import PreparedData, prepare_data
from recommender_training.fitted.bundle import Bundle
from recommender_training.pipeline import fit_mitigation
from recommender_training.search.folds import past
from recommender_training.statistics import bootstrap
from recommender_training.trainer.fit_models import fit_models, refit
from tests.benchmarks.machine import machine
from tests.benchmarks.quality import SEEDS, load

#: Where the data ends in each run, as a share of all events; its last tenth is evaluated.
ENDS = (0.9, 0.8)
#: Parts that are compared with equal weights.
WEIGHTS = {
    "label": Reweighting(by="age", label_strength=1, size_strength=0),
    "size": Reweighting(by="age", label_strength=0, size_strength=1),
}
#: Parts that are compared with the lists of the model alone.
GROUPS = {by.lower(): Exposure(by=by) for by in ("genre", POPULARITY)}


def compare(data: Dataset, seed: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each part of the mitigation with its comparison, judged on the last tenth of the data."""
    plain = TrainingConfig(seed=seed)
    prepared = prepare_data(data, plain)
    held = fit_models(prepared, plain, 1)
    fitted = refit(held, prepared, plain, 1)
    judged = predictions.window(prepared, prepared.split.test, fitted.sources)
    drawn = bootstrap.draw(judged.user)
    old = predictions.answer(fitted, prepared, judged)
    for name, exposure in GROUPS.items():
        settings = MitigationSpec(exposure=exposure)
        config = plain.model_copy(update={"mitigation": settings})
        found = replace(fitted, bonus=fit_mitigation.with_bonus(held, prepared, config).bonus)
        yield f"exposure.{name}", _exposure(settings, found, prepared, judged)
    for name, weights in WEIGHTS.items():
        config = plain.model_copy(update={"mitigation": MitigationSpec(reweighting=weights)})
        new = predictions.answer(
            refit(fit_models(prepared, config, 1), prepared, config, 1), prepared, judged
        )
        for model in ("recommender", "baseline"):
            told = mitigation_effect.compare_mitigation(drawn, judged, old[model], new[model])
            told["segments"] = mitigation_effect.segments(drawn, judged, old[model], new[model])
            yield f"reweighting.{name}.{model}", told


def _exposure(
    settings: MitigationSpec, bundle: Bundle, prepared: PreparedData, judged: Window
) -> dict[str, Any]:
    said = predictions.answer(bundle, prepared, judged)
    compared = mitigation_effect.Before(settings, None, [])
    told: dict[str, Any] = mitigation_effect.effect_section(
        compared, bundle, prepared, judged, said
    )["exposure"]
    counted = [group for group in told["groups"] if group["counted"]]
    for side in ("Before", "After"):
        ratios = [group[f"share{side}"] / group["relevanceShare"] for group in counted]
        told[side.lower()]["leastGroupRatio"] = round(min(ratios), 6)
    return told


def summary(runs: list[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """For each metric the mean before and after, the mean difference and its deviation."""
    result = {}
    for name in runs[0]["before"]:
        pairs = [(run["before"][name], run["after"][name]) for run in runs]
        change = [after - before for before, after in pairs]
        result[name] = {
            "before": round(statistics.fmean(pair[0] for pair in pairs), 4),
            "after": round(statistics.fmean(pair[1] for pair in pairs), 4),
            "change": round(statistics.fmean(change), 4),
            "deviation": round(statistics.stdev(change), 4) if len(change) > 1 else 0.0,
        }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--ends", type=float, nargs="+", default=ENDS)
    args = parser.parse_args()
    start, runs = time.perf_counter(), dict[str, list[dict[str, Any]]]()
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=1):
        data = load(Path(folder))
        times = data.events.time
        for end in args.ends:
            known = past(data, int(times[int(len(times) * end)]))
            for seed in args.seeds:
                for name, told in compare(known, seed):
                    run = {"seed": seed, "end": end, **told}
                    runs.setdefault(name, []).append(run)
                    print(name, json.dumps(run), flush=True)
    result = {
        "benchmark": "fairness",
        "data": "MovieLens 100K, windows before the test window",
        "compared": "the same models without the mitigation, same seeds and windows",
        "settings": {
            name: part.model_dump(mode="json", by_alias=True)
            for name, part in (*WEIGHTS.items(), *GROUPS.items())
        },
        "seeds": list(args.seeds),
        "ends": list(args.ends),
        **{name: summary(list(each)) for name, each in runs.items()},
        "machine": machine(),
        "versions": {"torch": torch.__version__},
        "seconds": round(time.perf_counter() - start),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
