"""Small generated shops and their logs."""

from __future__ import annotations

import polars as pl

from recommender_training.samples import shop
from recommender_training.samples.shop_settings import Settings
from recommender_training.samples.shop_world import DAY_MS, START_MS

SMALL = Settings(users=400, items=120, impressions=12_000, days=6)
LARGE = Settings(users=3000, items=600, impressions=300_000, days=6)
SEED = 17


def logged(settings: Settings, seed: int = SEED) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The whole log and the truth of each row."""
    return of_shop(shop.Shop(settings, seed))


def of_shop(made: shop.Shop) -> tuple[pl.DataFrame, pl.DataFrame]:
    parts = list(made.impressions())
    return pl.concat([part.log for part in parts]), pl.concat([part.truth for part in parts])


def day_of(log: pl.DataFrame) -> pl.Series:
    return (log["time"].dt.epoch("ms") - START_MS) // DAY_MS
