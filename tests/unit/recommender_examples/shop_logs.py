"""Small generated shops and their logs."""

from __future__ import annotations

import tempfile
from pathlib import Path

import polars as pl

from recommender_contract.resource.mapping import Format
from recommender_examples import shop
from recommender_examples.shop_settings import Settings
from recommender_examples.shop_world import DAY_MS, START_MS
from recommender_training.data import load
from recommender_training.data.dataset import Dataset
from recommender_training.ingestion import ingest
from recommender_training.ingestion.mapping_argument import parse_mapping

SMALL = Settings(users=400, items=120, impressions=12_000, days=6)
LARGE = Settings(users=3000, items=600, impressions=300_000, days=6)
SEED = 17


def logged(settings: Settings, seed: int = SEED) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The whole log and the truth of each row."""
    return of_shop(shop.Shop(settings, seed))


def of_shop(made: shop.Shop) -> tuple[pl.DataFrame, pl.DataFrame]:
    parts = list(made.impressions())
    return pl.concat([part.log for part in parts]), pl.concat([part.truth for part in parts])


def ingested(folder: Path, mapping: str = "") -> Dataset:
    """The data set of a shop that `shop.write` wrote to a folder, by its own mapping or another.

    It comes by way of a lake of its own.
    """
    with tempfile.TemporaryDirectory(dir=folder) as lake:
        checked = ingest.ingest_and_check(
            folder / "raw",
            Path(lake),
            kind=Format.PARQUET,
            mapping=parse_mapping(mapping or f"@{folder}/mapping.json", Format.PARQUET),
            max_quarantined_share=0.0,
        )
        return load.load_dataset(Path(lake), checked.data_version, None)[1]


def day_of(log: pl.DataFrame) -> pl.Series:
    return (log["time"].dt.epoch("ms") - START_MS) // DAY_MS
