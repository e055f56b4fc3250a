"""The rows of the tables that the encoding of a feature is fitted to."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from recommender_contract.features import Kind
from recommender_training.config.feature import Feature
from recommender_training.config.feature_schema import FeatureTable
from recommender_training.data import row_times


@dataclass(frozen=True)
class EncodingRows:
    """Users and items with all their rows, and the interactions."""

    users: pl.DataFrame
    items: pl.DataFrame
    interactions: pl.LazyFrame

    def until(self, time: int | None) -> EncodingRows:
        """Return those that were there strictly before a time (None: all).

        A row of a user or item without a time was always there.
        """
        if time is None:
            return self
        return EncodingRows(
            row_times.until(self.users, time),
            row_times.until(self.items, time),
            self.interactions.filter(pl.col("timestamp") < time),
        )

    def of(self, feature: Feature, place: FeatureTable) -> pl.LazyFrame:
        """Return the rows whose values count."""
        if place is FeatureTable.USERS:
            return self._of_users(feature)
        return (
            self.interactions if place is FeatureTable.CONTEXT else self._of_items(feature).lazy()
        )

    def _of_users(self, feature: Feature) -> pl.LazyFrame:
        """Users, or for a time, which ages, their interactions."""
        if not feature.ages:
            return self.users.lazy()
        events = self.interactions.select("user_id", "timestamp")
        times = [each for each in (row_times.COLUMN,) if each in self.users.columns]
        known = row_times.newest(self.users.select("user_id", feature.name, *times), "user_id")
        return events.join(known.lazy().select("user_id", feature.name), on="user_id")

    def _of_items(self, feature: Feature) -> pl.DataFrame:
        """Items; with a history, each counts once, however often it changed: for its newest
        number, or for each category that it ever had.
        """
        items = self.items
        if row_times.COLUMN not in items.columns:
            return items
        known = items.drop_nulls(feature.name)
        if feature.kind is Kind.NUMERIC:
            return row_times.newest(known, "item_id")
        names = pl.col(feature.name)
        if feature.kind is Kind.MULTI_CATEGORICAL:
            names = names.str.split(" ")
            known = known.select("item_id", names).explode(feature.name, empty_as_null=True)
        return known.select("item_id", feature.name).unique()
