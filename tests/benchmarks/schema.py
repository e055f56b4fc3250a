"""Clicks of a generated shop with known probabilities: how well a model estimates them.

Three shops and trainings, one per seed. Each is compared with the true probabilities on the last
days, as is the best of two scikit-learn models that read every column (`schema_peer`) and a fit of
the true form (`schema_form`), which shows what so many clicks can tell at all. `--rows` takes
several numbers of impressions: all figures are those of the first one, and `auc_gap` has the
distance to the truth for each, whichever rows were clicked (`known_truth.expected_auc`). It is not
`auc_truth` less `auc`, which are of the clicks that happened.

The package reads the shop's columns as recommender_examples/mappings/shop.json declares them.
`auc_gain_low` is the lower end of the 95 % interval, users resampled, of its AUC minus that of the
same model fitted without any declared feature; `new_item_ndcg_ratio` is explained in
`schema_new_items.order`.

The last line is one JSON object: medians over the seeds, and the least and the most of each.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from recommender_examples import shop
from recommender_examples.shop_settings import Settings
from recommender_examples.shop_world import DAY_MS, START_MS, World
from recommender_training.common.arrays import Bools, Doubles, Ints
from recommender_training.statistics import bootstrap, known_truth
from tests.benchmarks import schema_form, schema_new_items, schema_peer
from tests.benchmarks.machine import machine
from tests.benchmarks.schema_gap import Logged, by_rows, gaps
from tests.benchmarks.schema_models import THREADS, Trained, answers, places_in_world, train

SEEDS = (17, 1, 2)


#: Reported of each seed.
FIGURES = (
    "auc", "auc_truth", "auc_form", "ratio", "auc_peer", "ratio_peer", "normalised_entropy",
    "normalised_entropy_truth", "normalised_entropy_form", "normalised_entropy_peer", "pr_auc",
    "pr_auc_truth", "pr_auc_peer", "calibration_at_true_rate", "calibration_at_true_rate_peer",
    "auc_undeclared", "auc_gain_low", "new_item_ndcg", "new_item_ndcg_ratio",
)  # fmt: skip


def run(folder: Path, settings: Settings, seed: int, *, whole: bool) -> dict[str, Any]:
    """One shop: how far models stay behind the truth; with `whole` all figures of the first."""
    shop.write(folder, settings, seed)
    logged = Logged.read(folder, settings)
    began = time.perf_counter()
    model = train(folder, seed, shop.mapping(), settings.days)
    found = {"ranker": answers(model, logged.tested)}
    seconds = time.perf_counter() - began
    world = World.of(settings, seed)
    found["true_form"] = schema_form.fit(world, logged.log, logged.train)[logged.test]
    told: dict[str, Any] = {"seed": seed, "impressions": settings.impressions, **logged.counts()}
    if whole:
        peer = fit_peer(folder, logged)
        found["peer"] = peer.probability[logged.test]
        told |= {"peer": [peer.name, peer.setting], **_figures(logged, found)}
        told |= without_features(folder, seed, logged, found["ranker"])
        told |= new_items(model, folder, world)
    told |= {"auc_gap": gaps(logged.true, found), "train_s": round(seconds, 1)}
    return told


def without_features(folder: Path, seed: int, logged: Logged, mine: Doubles) -> dict[str, float]:
    """What the model would be without any declared feature, and how much it gains from them."""
    bare = answers(train(folder, seed, undeclared(shop.mapping()), logged.days), logged.tested)
    label, user = logged.label, logged.user
    return {
        "auc_undeclared": round(known_truth.compare(label, bare, logged.true, user).auc, 4),
        "auc_gain_low": round(gain_low(label, mine, bare, user), 4),
    }


def _figures(logged: Logged, answers: Mapping[str, Doubles]) -> dict[str, Any]:
    """By the names of FIGURES."""
    ours, theirs, form = (
        known_truth.compare(logged.label, answers[name], logged.true, logged.user)
        for name in ("ranker", "peer", "true_form")
    )
    found = {
        "auc_truth": ours.auc_truth,
        "auc_form": form.auc,
        "normalised_entropy_truth": ours.normalised_entropy_truth,
        "normalised_entropy_form": form.normalised_entropy,
        "pr_auc_truth": ours.pr_auc_truth,
    }
    for ending, model in (("", ours), ("_peer", theirs)):
        found |= {
            f"auc{ending}": model.auc,
            f"ratio{ending}": model.auc_ratio,
            f"normalised_entropy{ending}": model.normalised_entropy,
            f"pr_auc{ending}": model.pr_auc,
            f"calibration_at_true_rate{ending}": model.calibration.value,
        }
    interval = [ours.calibration.low, ours.calibration.high]
    rounded = {name: round(value, 4) for name, value in found.items()}
    return {**rounded, "calibration_interval": interval}


def undeclared(mapping: str) -> str:
    """The mapping without its features."""
    parts = json.loads(mapping)
    return json.dumps(
        {
            name: {key: value for key, value in part.items() if key != "features"}
            for name, part in parts.items()
        }
    )


def gain_low(label: Bools, more: Doubles, less: Doubles, user: Ints) -> float:
    """Lower end of the paired interval of a difference in AUC; NaN where none is to be trusted."""
    drawn = bootstrap.draw(user)
    gain = bootstrap.auc(drawn, label, more, user) - bootstrap.auc(drawn, label, less, user)
    found = bootstrap.interval(drawn, gain)
    return float("nan") if found is None else found[0]


def new_items(model: Trained, folder: Path, world: World) -> dict[str, float]:
    """How well the model orders items without an event before the test days."""
    data = model.prepared.data
    places = places_in_world(folder, data)
    end = (START_MS + world.settings.days * DAY_MS) // 1000
    found = schema_new_items.order(world, model.bundle, model.prepared, places, end)
    return {
        "new_item_ndcg": round(found.model, 4),
        "new_item_ndcg_ratio": round(found.ratio, 4),
        "new_items": found.items,
    }


def fit_peer(folder: Path, logged: Logged) -> schema_peer.Peer:
    """The best model of scikit-learn with all columns."""
    users, items = (
        pl.read_parquet(folder / "raw" / name / "*.parquet") for name in ("users", "items")
    )
    rows = schema_peer.columns(logged.log, users, items)
    return schema_peer.fit(rows, logged.train, ~logged.train & ~logged.test)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[200_000])
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    arguments = parser.parse_args()
    began, told = time.perf_counter(), []
    for rows in arguments.rows:
        for seed in arguments.seeds:
            with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=THREADS):
                whole = rows == arguments.rows[0]
                told.append(run(Path(folder), Settings(impressions=rows), seed, whole=whole))
            print(told[-1], file=sys.stderr, flush=True)
    first = [each for each in told if each["impressions"] == arguments.rows[0]]
    result = {
        "benchmark": "schema",
        "compared": "AUC beyond chance with that of the true probabilities",
        **{name: statistics.median(each[name] for each in first) for name in FIGURES},
        "auc_gap": by_rows(told, arguments.rows),
        "least": {name: min(each[name] for each in first) for name in FIGURES},
        "most": {name: max(each[name] for each in first) for name in FIGURES},
        "seeds": told,
        "peak_rss_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "seconds": round(time.perf_counter() - began),
        "machine": machine(),
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
