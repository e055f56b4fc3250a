"""Clicks of a generated shop with known probabilities: how well a model estimates them.

Three shops and trainings, one per seed. Each is compared with the true probabilities on the last
days, as is the best of two scikit-learn models that read every column (`schema_peer`).
The package reads the shop's columns as samples/mappings/shop.json declares them; a user's time of
sign-up is the one that it cannot read. `auc_gain_low` is the lower end of the 95 % interval, users
resampled, of its AUC minus that of the same model fitted without any declared feature;
`new_item_ndcg_ratio` is explained in `schema_new_items.order`.

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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from recommender_training.common.arrays import Bools, Doubles, Ints
from recommender_training.config.training import Hyperparameters, Retrieval, TrainingConfig
from recommender_training.data import load, splits
from recommender_training.data.dataset import Dataset
from recommender_training.features.prepared import Prepared, prepare_split
from recommender_training.fitted.bundle import Bundle, probability
from recommender_training.ingestion import ids, ingest
from recommender_training.ingestion.mapping import Format, parse_mapping
from recommender_training.samples import shop
from recommender_training.samples.shop_settings import Settings
from recommender_training.samples.shop_world import DAY_MS, START_MS, World
from recommender_training.statistics import bootstrap, known_truth
from recommender_training.trainer.fit_models import fit_models
from tests.benchmarks import schema_new_items, schema_peer
from tests.benchmarks.machine import machine

SEEDS = (17, 1, 2)
#: The last days of the log: to choose with, and to test on.
VALIDATION_DAYS, TEST_DAYS = 3, 5
THREADS = 1


#: Reported of each seed.
FIGURES = (
    "auc", "auc_truth", "auc_gap", "ratio", "auc_peer", "ratio_peer", "normalised_entropy",
    "normalised_entropy_truth", "normalised_entropy_peer", "pr_auc", "pr_auc_truth",
    "pr_auc_peer", "calibration_at_true_rate", "calibration_at_true_rate_peer",
    "auc_undeclared", "auc_gain_low", "new_item_ndcg", "new_item_ndcg_ratio",
)  # fmt: skip


def run(folder: Path, settings: Settings, seed: int) -> dict[str, Any]:
    """One shop: the figures of the package's model, of the peer and of the truth."""
    shop.write(folder, settings, seed)
    log, truth = (
        pl.read_parquet(folder / name / "impressions/*.parquet").sort("time", "impression_id")
        for name in ("raw", "truth")
    )
    day = ((log["time"].dt.epoch("ms") - START_MS) // DAY_MS).to_numpy()
    test = day >= settings.days - TEST_DAYS
    tested = log.filter(pl.Series(test))
    label, user = tested["clicked"].to_numpy(), tested["user_id"].rank("dense").to_numpy()
    true, user = truth["probability"].to_numpy()[test], user.astype(np.int64)
    del truth
    began = time.perf_counter()
    model = train(folder, seed, shop.mapping(), settings.days)
    mine = answers(model, tested)
    seconds = time.perf_counter() - began
    ours = known_truth.compare(label, mine, true, user)
    bare = answers(train(folder, seed, undeclared(shop.mapping()), settings.days), tested)
    of_new = new_items(model, folder, settings, seed)
    peer = fit_peer(folder, settings, log, day)
    theirs = known_truth.compare(label, peer.probability[test], true, user)
    return {
        "seed": seed,
        **_figures(ours, theirs),
        "auc_undeclared": round(known_truth.compare(label, bare, true, user).auc, 4),
        "auc_gain_low": round(gain_low(label, mine, bare, user), 4),
        "new_item_ndcg": round(of_new.model, 4),
        "new_item_ndcg_ratio": round(of_new.ratio, 4),
        "new_items": of_new.items,
        "calibration_interval": [ours.calibration.low, ours.calibration.high],
        "peer": [peer.name, peer.setting],
        "rows": log.height,
        "positives": int(log["clicked"].sum()),
        "test_rows": len(label),
        "test_positives": int(label.sum()),
        "train_s": round(seconds, 1),
    }


def _figures(ours: known_truth.Closeness, theirs: known_truth.Closeness) -> dict[str, float]:
    """By the names of FIGURES."""
    found = {
        "auc_truth": ours.auc_truth,
        "auc_gap": ours.auc_gap,
        "normalised_entropy_truth": ours.normalised_entropy_truth,
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
    return {name: round(value, 4) for name, value in found.items()}


@dataclass(frozen=True)
class Trained:
    """The package's models, fitted on the training days alone."""

    prepared: Prepared
    bundle: Bundle


def train(folder: Path, seed: int, mapping: str, days: int) -> Trained:
    """From ingestion to fitted models, in a lake of its own.

    As the peer's, the fit on the training days is not repeated with the validation days. Towers
    order lists alone, so none are fitted.
    """
    with tempfile.TemporaryDirectory(dir=folder) as lake:
        checked = ingest.check(
            folder / "raw",
            Path(lake),
            kind=Format.PARQUET,
            mapping=parse_mapping(mapping, Format.PARQUET),
            max_quarantined_share=0.0,
        )
        _, data = load.load(Path(lake), checked.data_version, None)
    settings = Hyperparameters(retrieval=Retrieval.WEIGHTS)
    config = TrainingConfig(seed=seed, hyperparameters=settings)
    prepared = prepare_split(data, split_by_days(data, days), config)
    return Trained(prepared, fit_models(prepared, config, THREADS))


def undeclared(mapping: str) -> str:
    """The mapping without its features."""
    parts = json.loads(mapping)
    return json.dumps(
        {
            name: {key: value for key, value in part.items() if key != "features"}
            for name, part in parts.items()
        }
    )


def answers(model: Trained, tested: pl.DataFrame) -> Doubles:
    """The package's probabilities of these impressions."""
    data, rows = model.prepared.data, model.prepared.split.test
    events = data.events
    known = pl.DataFrame(
        {
            "user": data.users.ids[events.user[rows]],
            "item": data.items.ids[events.item[rows]],
            "second": events.time[rows],
            "probability": probability(model.bundle, model.prepared, rows),
        }
    )
    asked = tested.select(
        _hashed(tested["user_id"]).alias("user"),
        _hashed(tested["item_id"]).alias("item"),
        pl.col("time").dt.epoch("s").alias("second"),
    )
    found = asked.join(
        known, on=["user", "item", "second"], how="left", maintain_order="left", validate="1:1"
    )
    return found["probability"].to_numpy()


def gain_low(label: Bools, more: Doubles, less: Doubles, user: Ints) -> float:
    """Lower end of the paired interval of a difference in AUC; NaN where none is to be trusted."""
    drawn = bootstrap.draw(user)
    gain = bootstrap.auc(drawn, label, more, user) - bootstrap.auc(drawn, label, less, user)
    found = bootstrap.interval(drawn, gain)
    return float("nan") if found is None else found[0]


def new_items(
    model: Trained, folder: Path, settings: Settings, seed: int
) -> schema_new_items.NewItems:
    """How well the model orders items without an event before the test days."""
    data = model.prepared.data
    places = tuple(
        _places(folder / "raw" / f"{name}s", f"{name}_id", known)
        for name, known in (("user", data.users.ids), ("item", data.items.ids))
    )
    end = (START_MS + settings.days * DAY_MS) // 1000
    world = World.of(settings, seed)
    return schema_new_items.order(world, model.bundle, model.prepared, (places[0], places[1]), end)


def _places(table: Path, column: str, known: Ints) -> Ints:
    """Row in the raw table, in the order of the shop's world, of each id of the data set."""
    hashed = _hashed(pl.read_parquet(table / "*.parquet")[column]).to_numpy()
    order = np.argsort(hashed)
    return np.asarray(order[np.searchsorted(hashed[order], known)], dtype=np.int64)


def _hashed(texts: pl.Series) -> pl.Series:
    numbers = {text: ids.hashed(text) for text in texts.unique().to_list()}
    return texts.replace_strict(numbers, return_dtype=pl.Int64)


def split_by_days(data: Dataset, days: int) -> splits.Split:
    """Whole days: the last ones to test on, those before them to choose with."""
    starts = [
        START_MS // 1000 + (days - back) * DAY_MS // 1000
        for back in (TEST_DAYS + VALIDATION_DAYS, TEST_DAYS)
    ]
    rows: Ints = np.arange(len(data.events), dtype=np.int64)
    train, held, test = np.split(rows, np.searchsorted(data.events.time, starts, side="left"))
    return splits.Split(train, held, test, *starts)


def fit_peer(folder: Path, settings: Settings, log: pl.DataFrame, day: Ints) -> schema_peer.Peer:
    """The best model of scikit-learn with all columns."""
    users, items = (
        pl.read_parquet(folder / "raw" / name / "*.parquet") for name in ("users", "items")
    )
    rows = schema_peer.columns(log, users, items)
    test = day >= settings.days - TEST_DAYS
    train = day < settings.days - TEST_DAYS - VALIDATION_DAYS
    return schema_peer.fit(rows, train, ~train & ~test)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--impressions", type=int, default=200_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    arguments = parser.parse_args()
    settings = Settings(impressions=arguments.impressions)
    began, told = time.perf_counter(), []
    for seed in arguments.seeds:
        with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=THREADS):
            told.append(run(Path(folder), settings, seed))
        print(told[-1], file=sys.stderr, flush=True)
    result = {
        "benchmark": "schema",
        "compared": "AUC beyond chance with that of the true probabilities",
        **{name: statistics.median(each[name] for each in told) for name in FIGURES},
        "least": {name: min(each[name] for each in told) for name in FIGURES},
        "most": {name: max(each[name] for each in told) for name in FIGURES},
        "seeds": told,
        "peak_rss_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "seconds": round(time.perf_counter() - began),
        "machine": machine(),
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
