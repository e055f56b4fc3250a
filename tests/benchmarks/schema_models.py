"""The package's models of a generated shop, fitted and asked.

From the raw files on, as the operator's Jobs do it, in one process.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from recommender_contract import ids
from recommender_contract.resource.hyperparameters import Retrieval
from recommender_examples.shop_world import DAY_MS, START_MS
from recommender_training.common.arrays import Doubles, Ints
from recommender_training.config.training import Hyperparameters, TrainingConfig
from recommender_training.data import splits
from recommender_training.data.dataset import Dataset
from recommender_training.features.prepared_data import PreparedData, prepare_split
from recommender_training.fitted.bundle import Bundle, probability
from recommender_training.trainer.fit_models import fit_models
from tests.benchmarks.schema_gap import TEST_DAYS, VALIDATION_DAYS
from tests.unit.recommender_examples.shop_logs import ingested

THREADS = 1


@dataclass(frozen=True)
class Trained:
    """The package's models, fitted on the training days alone."""

    prepared: PreparedData
    bundle: Bundle


def train(
    folder: Path, seed: int, mapping: str, days: int, retrieval: Retrieval = Retrieval.WEIGHTS
) -> Trained:
    """From ingestion to fitted models.

    As the peer's, the fit on the training days is not repeated with the validation days. Towers
    order lists alone, so by default none are fitted.
    """
    data, settings = ingested(folder, mapping), Hyperparameters(retrieval=retrieval)
    config = TrainingConfig(seed=seed, hyperparameters=settings)
    prepared = prepare_split(data, split_by_days(data, days), config)
    return Trained(prepared, fit_models(prepared, config, THREADS))


def answers(model: Trained, tested: pl.DataFrame) -> Doubles:
    """The package's probabilities of these impressions."""
    prepared = model.prepared
    found = probability(model.bundle, prepared, prepared.split.test)
    return of_impressions(prepared, found, tested)


def of_impressions(prepared: PreparedData, probability: Doubles, tested: pl.DataFrame) -> Doubles:
    """The probabilities of the test rows in the order of these impressions.

    The data set has whole seconds, in which no user of a generated shop sees an item twice.
    """
    data, rows = prepared.data, prepared.split.test
    events = data.events
    known = pl.DataFrame(
        {
            "user": data.users.ids[events.user[rows]],
            "item": data.items.ids[events.item[rows]],
            "second": events.time[rows],
            "probability": probability,
        }
    )
    asked = tested.select(
        _hashed(tested["user_id"]).alias("user"),
        _hashed(tested["item_id"]).alias("item"),
        pl.col("time").dt.epoch("s").alias("second"),
    )
    found = asked.join(known, on=asked.columns, how="left", maintain_order="left", validate="1:1")
    return found["probability"].to_numpy()


def places_in_world(folder: Path, data: Dataset) -> tuple[Ints, Ints]:
    """Rows of the data set's users and items in the shop's world."""
    raw = folder / "raw"
    return (
        _places(raw / "users", "user_id", data.users.ids),
        _places(raw / "items", "item_id", data.items.ids),
    )


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
