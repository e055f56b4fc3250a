"""Sessions with their declared features, one row each, for the watch by segment.

A session has the values of its first event, and those of its user at that time. They are read with
expressions alone: the history before a session, which `sample.py` needs, does not matter here.
"""

from __future__ import annotations

import polars as pl

from recommender_contract.features import Kind
from recommender_training.config.feature import Feature
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data import row_times
from recommender_training.data.local_calendar import LocalCalendar
from recommender_training.data.sessions import SESSION_GAP
from recommender_training.data_checks import interaction_batches, sample

SECONDS_A_DAY = 86_400


def watched(declared: FeatureSchema) -> tuple[Feature, ...]:
    """Return the features whose values are watched: of users, then of the context.

    Not the age of a Timestamp, which grows with each day without any change.
    """
    return tuple(each for each in (*declared.users, *declared.context) if not each.ages)


def read_segment_rows(
    tables: dict[str, pl.LazyFrame], declared: FeatureSchema, first: int, last: int
) -> pl.DataFrame:
    """Return the sessions between two times, in seconds, of a sample of the users.

    They have `user_id`, `day` (days since 1970), and a column for each feature that is watched or
    divides: a text, a number, or a list of texts; null if unknown.
    """
    names = ["user_id", "timestamp", *(each.name for each in declared.context)]
    rows = tables["interactions"].filter(interaction_batches.between(first, last))
    counts = rows.group_by("user_id").agg(pl.len().cast(pl.Int64).alias("rows"))
    drawn = sample.draw(counts.collect(engine="streaming").sort("user_id"))
    ids = drawn.select("user_id")
    found = [
        part.select(names).join(ids, on="user_id", how="semi")
        for part in interaction_batches.of_window(tables["interactions"], first, last)
    ]
    if not found:
        return sessions(rows.select(names).collect(), tables["users"].collect(), declared)
    side = tables["users"].join(ids.lazy(), on="user_id", how="semi").collect(engine="streaming")
    return sessions(pl.concat(found), side, declared)


def sessions(events: pl.DataFrame, users: pl.DataFrame, declared: FeatureSchema) -> pl.DataFrame:
    """Return the sessions of events, with the rows of the users that count at their time."""
    ordered = events.sort("user_id", "timestamp", *(each.name for each in declared.context))
    time = pl.col("timestamp")
    begins = time.diff().over("user_id").fill_null(SESSION_GAP) >= SESSION_GAP
    started = ordered.filter(begins)
    # The context has features of its own name, which those of the users never share.
    columns = ["user_id", *(each.name for each in declared.users)]
    if row_times.COLUMN in users.columns:
        since = pl.col(row_times.COLUMN).fill_null(row_times.ALWAYS)
        right = users.with_columns(since).select(*columns, row_times.COLUMN)
        joined = started.sort("timestamp").join_asof(
            right.sort(row_times.COLUMN), left_on="timestamp", right_on=row_times.COLUMN,
            by="user_id", check_sortedness=False,
        )  # fmt: skip
    else:
        joined = started.join(users.select(columns), on="user_id", how="left")
    day = (time // SECONDS_A_DAY).cast(pl.Int64).alias("day")
    wanted = dict.fromkeys((*watched(declared), *declared.dividing))
    values = [_value(each).alias(each.name) for each in wanted]
    return joined.select("user_id", day, *values).sort("user_id", "day")


def _value(feature: Feature) -> pl.Expr:
    """Return a feature as it is watched: an age in days, the length of a vector, and so on."""
    value = pl.col(feature.name)
    calendar = LocalCalendar.of(feature)
    if calendar is not None:
        return value.map_batches(calendar.named, return_dtype=pl.String)
    if feature.ages:
        return ((pl.col("timestamp") - value) / SECONDS_A_DAY).cast(pl.Float64)
    if feature.kind is Kind.NUMERIC:
        return value.cast(pl.Float64)
    if feature.kind is Kind.MULTI_CATEGORICAL:
        return value.str.split(" ")
    if feature.kind is Kind.EMBEDDING:
        numbers = value.str.split(" ").cast(pl.List(pl.Float64))
        squared = numbers.list.eval(pl.element() ** 2).list.sum()
        return pl.when(value.is_null()).then(None).otherwise(squared.sqrt())
    return value.cast(pl.String)
