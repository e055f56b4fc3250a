"""The true form of the generated shop's probabilities, fitted to the clicks of its log.

All is given that nobody knows of a real shop: the formula (`samples.shop`), the prestige of each
brand and the hidden cluster of each attribute, how fast effects fall with time, and how large the
effects of each group are. What is left are their values. They are fitted to the training days by
penalised maximum likelihood, each with a normal prior whose deviation is the one that generated
it (the mode of the posterior). So the distance to the truth is what the clicks of a log of this
size leave to chance, and a model that has to find the form, too, can hardly be nearer.

The private part of a user's taste is left out: it is small, and most users have no click.
"""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression

from recommender_examples import shop_tables
from recommender_examples.shop_visits import FRESH_ITEM_DAYS, FRESH_USER_DAYS
from recommender_examples.shop_world import (
    ATTRIBUTE_SPREAD,
    BRAND_SPREAD,
    CLUSTER_TASTE,
    CLUSTERS,
    COMMON_TASTE,
    DAY_MS,
    DEVICES,
    EMBEDDING,
    PAGES,
    REGION_TASTE,
    REGIONS,
    TIERS,
    World,
    attribute_count,
    brand_count,
)
from recommender_training.common.arrays import Bools, Doubles, Floats, Ints
from tests.benchmarks import schema_peer

#: Impressions whose columns are made at a time.
_ROWS = 250_000
#: Of the gradient of the mean loss; with a tenth of it the figures are the same.
TOLERANCE = 1e-9


def fit(world: World, log: pl.DataFrame, train: Bools) -> Doubles:
    """The probability of each impression of `log`, which is sorted by time."""
    rows = known(world, log)
    parts = [design(world, part) for part in rows.iter_slices(_ROWS)]
    columns = sp.vstack(parts, format="csr")
    model = mode(columns[train], log["clicked"].to_numpy()[train])
    found: Doubles = model.predict_proba(columns)[:, 1]
    return found


def mode(columns: sp.csr_matrix, clicked: Bools) -> LogisticRegression:
    """The mode of the posterior: the penalty of half the sum of squares is the normal priors'.

    scikit-learn divides loss and penalty by the number of rows, and its tolerance is one of the
    gradient of that mean: by default it would stop far from the mode of a million rows.
    """
    return LogisticRegression(C=1.0, max_iter=3000, tol=TOLERANCE).fit(columns, clicked)


def known(world: World, log: pl.DataFrame) -> pl.DataFrame:
    """What the columns are made of: rows of `world`, codes and how recent the last click is."""
    users = shop_tables.users(world).select("user_id").with_row_index("user")
    items = shop_tables.items(world).select("item_id").with_row_index("item")
    rows = schema_peer.with_last_click(log)
    rows = rows.join(users, on="user_id", how="left", maintain_order="left")
    rows = rows.join(items, on="item_id", how="left", maintain_order="left")
    return rows.select(
        pl.col("user", "item").cast(pl.Int64),
        pl.col("time").dt.epoch("ms"),
        "click_recency",
        slot=pl.col("slot_position"),
        device=_coded("device", DEVICES),
        page=_coded("page", PAGES),
    )


def _coded(column: str, names: tuple[str, ...]) -> pl.Expr:
    """Codes from 1; 0 is null."""
    codes = {name: code for code, name in enumerate(names, start=1)}
    return pl.col(column).replace_strict(codes, default=0, return_dtype=pl.Int64)


def design(world: World, rows: pl.DataFrame) -> sp.csr_matrix:
    """[N, columns] the terms of the formula, each times the deviation of its coefficient.

    With a penalty of half the sum of squares the coefficients then have those priors. Effects that
    the formula gives as numbers have the deviation 1.
    """
    users, items, settings = world.users, world.items, world.settings
    user, item = (rows[name].to_numpy() for name in ("user", "item"))
    tier = users.tier[user] + 1  # guests are a tier, too
    one = np.ones(len(user))
    parts = [
        *_tastes(world, user, item),
        _by(tier, len(TIERS) + 1, items.prestige[item]),
        _by(tier, len(TIERS) + 1, items.cost[item]),
        _by(items.brand[item], brand_count(settings), one * BRAND_SPREAD),
        _by(users.attribute[user], attribute_count(settings), one * ATTRIBUTE_SPREAD),
        _by(rows["device"].to_numpy(), len(DEVICES), one),
        _by(rows["page"].to_numpy(), len(PAGES), one),
        _numbers(world, rows),
    ]
    return sp.hstack(parts, format="csr", dtype=np.float64)


def _tastes(world: World, user: Ints, item: Ints) -> list[sp.csr_matrix]:
    """The embedding, once for all users, for their region and for their hidden cluster."""
    users, embedding = world.users, world.items.embedding[item]
    deviation = 1.0 / math.sqrt(EMBEDDING)  # of a number of a vector of length one
    return [
        _by(code, count, embedding * (length * deviation))
        for code, count, length in (
            (np.ones_like(user), 1, COMMON_TASTE),
            (users.region[user], len(REGIONS), REGION_TASTE),
            (users.cluster[user], CLUSTERS, CLUSTER_TASTE),
        )
    ]


def _by(code: Ints, count: int, values: Doubles | Floats) -> sp.csr_matrix:
    """[N, count * E] the values [N] or [N, E] of each row, in the columns of its code.

    Codes count from 1; 0 is null, which has no effect.
    """
    values = values.reshape(len(code), -1)
    known = np.flatnonzero(code > 0)
    width = values.shape[1]
    columns = (code[known, None] - 1) * width + np.arange(width)
    places = (np.repeat(known, width), columns.ravel())
    shape = (len(code), count * width)
    return sp.csr_matrix((values[known].ravel().astype(np.float64), places), shape=shape)


def _numbers(world: World, rows: pl.DataFrame) -> sp.csr_matrix:
    """Slot, newness of item and user, and the session's last click."""
    time = rows["time"].to_numpy()
    created = world.items.created[rows["item"].to_numpy()]
    signed_up = world.users.signed_up[rows["user"].to_numpy()]
    age = np.maximum(time - created, 0) / DAY_MS
    tenure = np.where(signed_up < 0, np.inf, np.maximum(time - signed_up, 0) / DAY_MS)
    columns = [
        np.log(rows["slot"].to_numpy()),
        np.exp(-age / FRESH_ITEM_DAYS),
        np.exp(-tenure / FRESH_USER_DAYS),
        rows["click_recency"].to_numpy(),
    ]
    return sp.csr_matrix(np.column_stack(columns))
