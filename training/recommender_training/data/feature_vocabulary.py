"""Vocabulary of a feature, fitted to its values: frequent categories, and edges of bands."""

from __future__ import annotations

import polars as pl

from recommender_contract.features import BANDS, Kind, Transform
from recommender_training.common.arrays import Floats
from recommender_training.config.feature import Feature
from recommender_training.config.feature_schema import FeatureTable
from recommender_training.data import bands
from recommender_training.data.encoding_rows import EncodingRows

SECONDS_A_DAY = 86_400


def most_frequent(feature: Feature, rows: pl.LazyFrame, most: int) -> list[str]:
    """The categories with the most rows, of equal ones the first by name."""
    column = pl.col(feature.name).drop_nulls()
    if feature.kind is Kind.MULTI_CATEGORICAL:
        column = column.str.split(" ").explode(empty_as_null=True)
    counts = rows.select(column.alias("name")).group_by("name").len()
    ordered = counts.sort(pl.col("len"), "name", descending=[True, False])
    names: list[str] = ordered.head(most).collect(engine="streaming")["name"].to_list()
    return names


def band_edges(
    feature: Feature, place: FeatureTable, past: EncodingRows, every: EncodingRows
) -> tuple[float, ...]:
    """The edges of at most `bands` bands of the values of the past, or of all if it has none."""
    found = numbers(feature, past.of(feature, place))
    if len(found) == 0 and past is not every:
        found = numbers(feature, every.of(feature, place))
    learn = bands.logarithmic if feature.transform is Transform.LOG else bands.quantiles
    return learn(found, feature.bands or BANDS)


def numbers(feature: Feature, rows: pl.LazyFrame) -> Floats:
    """[N] the values that bands are learned from; of a time, the ages in days."""
    number = pl.col(feature.name)
    if feature.kind is Kind.TIMESTAMP:
        number = ((pl.col("timestamp") - number) / SECONDS_A_DAY).clip(lower_bound=0.0)
    known = rows.select(number.drop_nulls().cast(pl.Float32).alias("value"))
    values: Floats = known.collect(engine="streaming")["value"].to_numpy()
    return values
