"""Sample the sessions of a bounded number of users, one row per session as in reference.json.

Users are the independent units, so whole users are drawn. A digest of the id decides: every check
draws the same users, so that checks are reproducible and the draw adds no difference between two
windows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from recommender_training.artifact import reference
from recommender_training.artifact.reference import Value
from recommender_training.artifact.vocabulary import content
from recommender_training.common.arrays import Ints
from recommender_training.config.feature_schema import FeatureSchema, FeatureTable
from recommender_training.data import feature_encoding, item_columns, row_times
from recommender_training.data.dataset import Dataset
from recommender_training.data.feature_encoding import FeatureEncoding
from recommender_training.data.labels import is_act
from recommender_training.data.sessions import ACT, HISTORY_LENGTH, sample_session_requests

#: Most interactions of the sample. A user has a few sessions, and each becomes one row.
MAX_ROWS = 200_000
#: Most interactions of a user. Users with more are probably bots; one would fill the sample.
MAX_USER_ROWS = 20_000
#: Columns of the interactions that `read` needs, beside the declared context.
COLUMNS = ("user_id", "item_id", "value", "timestamp")
_SEED = 17
_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Sessions:
    """Feature values of S sessions, sorted by user and time."""

    user_S: Ints  # noqa: N815
    columns: dict[str, list[Value]]
    categories: dict[str, list[str]]
    #: Share of the window's users in the sample.
    share: float

    def __len__(self) -> int:
        return len(self.user_S)


def columns(declared: FeatureSchema) -> list[pl.Expr]:
    """Return the columns that `read` needs, of the interactions."""
    names = [*COLUMNS, *(feature.name for feature in declared.context)]
    return [*map(pl.col, names), is_act(declared.label).alias(ACT)]


def draw(users: pl.DataFrame, seed: int = _SEED) -> pl.DataFrame:
    """Draw the users of the sample; `users` and the result have `user_id` and `rows`."""
    users = users.filter(pl.col("rows") <= MAX_USER_ROWS)
    ids = users["user_id"].to_numpy().astype(np.uint64)
    mixed = (ids + np.uint64(seed)) * _MIX
    mixed = (mixed ^ (mixed >> np.uint64(32))) * _MIX
    users = users.with_columns(pl.Series("order", mixed)).sort("order", "user_id")
    return users.filter(pl.col("rows").cum_sum() <= MAX_ROWS).select("user_id", "rows")


def of_users(data: Dataset) -> pl.DataFrame:
    """Return the events of a data set as `read` needs them; if there are many, of a sample."""
    events, ids = data.events.logged, data.users.ids
    rows = np.bincount(events.user, minlength=len(ids))
    if len(events) > MAX_ROWS:
        drawn = draw(pl.DataFrame({"user_id": ids, "rows": rows}).filter(pl.col("rows") > 0))
        events = events.take(np.isin(ids, drawn["user_id"].to_numpy())[events.user])
    acts = True if events.labels is None else events.labels.acts
    columns = (ids[events.user], data.items.ids[events.item], events.value, events.time)
    context = [each for each in data.attributes if each.place is FeatureTable.CONTEXT]
    stated, starts = events.context_of(np.arange(len(events))), feature_encoding.starts(context)
    return pl.DataFrame(dict(zip(COLUMNS, columns, strict=True))).with_columns(
        pl.Series(ACT, np.broadcast_to(acts, len(events))),
        *(
            each.stated(stated[:, start : start + each.width])
            for each, start in zip(context, starts, strict=False)
        ),
    )


def read_sessions(
    tables: dict[str, pl.LazyFrame],
    events: pl.DataFrame,
    drawn: pl.DataFrame,
    share: float,
    declared: FeatureSchema,
) -> Sessions:
    """Return the sessions in the `events` of the drawn users, which are `share` of all users.

    `events` has the `columns`.
    """
    # the draw depends on the order, which must not depend on how the rows were read
    events = events.sort("user_id", "timestamp", "item_id", "value")
    side = _semi(tables["users"], drawn.select("user_id"))
    items = _semi(tables["items"], events.select(pl.col("item_id").unique()))
    items = row_times.newest(items, "item_id")  # as the transformer knows them
    coded = FeatureEncoding.of(declared, side, items, events.lazy())
    first = dict(zip(coded.blocks, item_columns.first(coded.blocks, items), strict=True))
    ids = items["item_id"].to_numpy().astype(np.int64)
    reader = reference.FeatureReader(content(coded.attributes, ids, first, HISTORY_LENGTH))
    users: list[int] = []
    values: dict[str, list[Value]] = {name: [] for name in reader.names}
    # one request at a time: each holds the events before it
    requests = sample_session_requests(
        events, side, items.select("item_id"), _SEED, declared=declared
    )
    for request in requests:
        users.append(int(request["user_id"]))
        for name, value in reader.read(request).items():
            values[name].append(value)
    return Sessions(np.array(users, dtype=np.int64), values, reader.categories, round(share, 6))


def _semi(rows: pl.LazyFrame, ids: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of these ids."""
    return rows.join(ids.lazy(), on=ids.columns, how="semi").collect(engine="streaming")
