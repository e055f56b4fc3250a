"""The default segment of users: the band or category of the first feature with `fairness`.

The segment names a folder of the interactions, so it must have few values.
"""

from __future__ import annotations

import polars as pl

from recommender_contract.bands import UNKNOWN
from recommender_contract.features import Kind
from recommender_training.config.feature import Feature
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data import bands
from recommender_training.data.local_calendar import LocalCalendar

#: Most categories of a default segment; with more, all users are in one.
MAX_VALUES = 20


def fill(users: pl.DataFrame, present: pl.DataFrame, declaration: FeatureSchema) -> pl.DataFrame:
    """Fill the segment where it is null.

    `users` are the rows to write and `present` those of the lake, both with the columns of the
    table of users; together they decide whether a feature has few categories.
    """
    feature = next((each for each in declaration.users if each.fairness), None)
    default = pl.lit(UNKNOWN)
    if feature is not None:
        default = _of(feature, pl.concat([users[feature.name], present[feature.name]]))
    return users.with_columns(pl.coalesce("segment", default).alias("segment"))


def _of(feature: Feature, values: pl.Series) -> pl.Expr:
    column = pl.col(feature.name)
    if feature.ages:  # its bands change with time
        return pl.lit(UNKNOWN)
    calendar = LocalCalendar.of(feature)
    if calendar is not None:
        values = calendar.named(values)
        column = column.map_batches(calendar.named, return_dtype=pl.String)
    if feature.kind is Kind.NUMERIC:
        if not feature.edges:
            return pl.lit(UNKNOWN)
        return bands.named(column, feature.edges, feature.minimum)
    if values.drop_nulls().n_unique() > MAX_VALUES:
        return pl.lit(UNKNOWN)
    return column.fill_null(UNKNOWN)
