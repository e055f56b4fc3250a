"""One row a session of the window, as reference.json counts them, of a bounded sample of users.

Whole users are drawn, for they are the independent units, and by a digest of their id: the same
users in every check, so that a check repeats itself and two windows differ by no chance of ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from recommender_training.artifact import reference
from recommender_training.artifact.reference import Value
from recommender_training.common.arrays import Ints
from recommender_training.data.dataset import NO_GENRE, Dataset
from recommender_training.data.sessions import HISTORY_LENGTH, sample_requests

#: Interactions of the sample; a user has a few sessions, and each becomes one row.
MAX_ROWS = 200_000
#: Users with more in a window are no people, and one of them would fill the sample.
MAX_USER_ROWS = 20_000
#: Columns of the interactions that `read` needs.
COLUMNS = ("user_id", "item_id", "value", "timestamp")
_SEED = 17
_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Sessions:
    """Values of the features of requests; S sessions, sorted by user and time."""

    user_S: Ints  # noqa: N815
    columns: dict[str, list[Value]]
    categories: dict[str, list[str]]
    #: Users of the window that these are of, all if 1.
    share: float

    def __len__(self) -> int:
        return len(self.user_S)


def draw(users: pl.DataFrame, seed: int = _SEED) -> pl.DataFrame:
    """The users of the sample; `users` has `user_id` and `rows`, the result the same columns."""
    users = users.filter(pl.col("rows") <= MAX_USER_ROWS)
    ids = users["user_id"].to_numpy().astype(np.uint64)
    mixed = (ids + np.uint64(seed)) * _MIX
    mixed = (mixed ^ (mixed >> np.uint64(32))) * _MIX
    users = users.with_columns(pl.Series("order", mixed)).sort("order", "user_id")
    return users.filter(pl.col("rows").cum_sum() <= MAX_ROWS).select("user_id", "rows")


def of_users(data: Dataset) -> pl.DataFrame:
    """The events of a data set in COLUMNS: all, or those of the users of the sample."""
    events, ids = data.events, data.users.ids
    rows = np.bincount(events.user, minlength=len(ids))
    if len(events) > MAX_ROWS:
        drawn = draw(pl.DataFrame({"user_id": ids, "rows": rows}).filter(pl.col("rows") > 0))
        events = events.take(np.isin(ids, drawn["user_id"].to_numpy())[events.user])
    columns = (ids[events.user], data.items.ids[events.item], events.value, events.time)
    return pl.DataFrame(dict(zip(COLUMNS, columns, strict=True)))


def read(
    tables: dict[str, pl.LazyFrame], events: pl.DataFrame, drawn: pl.DataFrame, share: float
) -> Sessions:
    """Sessions of the drawn users' `events`, who are this share of all."""
    ids = drawn.select("user_id").lazy()
    # sessions are drawn in an order that must not depend on how the rows were read
    events = events.sort("user_id", "timestamp", "item_id", "value")
    side = (
        tables["users"]
        .join(ids, on="user_id", how="semi")
        .select("user_id", "age", "gender", "occupation")
        .collect(engine="streaming")
    )
    genre = pl.col("genres").fill_null("").str.split(" ").list.first()
    genre = pl.when(genre.str.len_bytes() > 0).then(genre).otherwise(pl.lit(NO_GENRE))
    items = (
        tables["items"]
        .join(events.select(pl.col("item_id").unique()).lazy(), on="item_id", how="semi")
        .select("item_id", genre.alias("genre"))
        .collect(engine="streaming")
    )
    words = _vocabulary(side, items)
    reader = reference.FeatureReader(words)
    users: list[int] = []
    values: dict[str, list[Value]] = {name: [] for name in reference.OF_REQUESTS}
    # a request holds the events before it: one at a time, for there may be as many as events
    for request in sample_requests(events, side, items.select("item_id"), _SEED):
        users.append(int(request["user_id"]))
        for name, value in reader.read(request).items():
            values[name].append(value)
    return Sessions(np.array(users, dtype=np.int64), values, reader.categories, round(share, 6))


def _vocabulary(users: pl.DataFrame, items: pl.DataFrame) -> dict[str, Any]:
    genres = sorted(items["genre"].unique().to_list())
    index = {genre: code for code, genre in enumerate(genres)}
    return {
        "genders": sorted(users["gender"].drop_nulls().unique().to_list()),
        "occupations": sorted(users["occupation"].drop_nulls().unique().to_list()),
        "genres": genres,
        "historyLength": HISTORY_LENGTH,
        "items": {
            "ids": items["item_id"].to_list(),
            "genre": [index[genre] for genre in items["genre"].to_list()],
        },
    }
