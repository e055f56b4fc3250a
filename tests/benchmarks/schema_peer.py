"""Peers that read every declared column of the generated shop, with scikit-learn alone.

Each is fitted on the training days; its setting is the one with the least log loss on the
validation days. Neither is fitted again on both, and neither reads a user's or item's id.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
import scipy.sparse as sp
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from recommender_training.common.arrays import Bools, Doubles, Floats
from recommender_training.statistics import model_metrics

_DAY_MS = 86_400_000
CATEGORICAL = ("loyalty_tier", "region", "device", "page", "slot_position", "brand", "attribute")
NUMERIC = ("log_price", "age_days", "tenure_days", "click_recency")
#: Inverse strengths of the regression's penalty, and most leaves of a tree, to choose from.
STRENGTHS, LEAVES = (0.03, 0.1, 0.3), (4, 8)
#: Rows that a category needs for its own column in the regression; a tree takes 255 of them.
_LEAST_ROWS, _TREE_CATEGORIES = 500, 250
_BINS = 10
#: Seconds after which a click of the session counts e times less.
_CLICK_SECONDS = 300.0


@dataclass(frozen=True)
class Peer:
    """Probabilities of all rows, and the setting behind them."""

    name: str
    setting: float
    probability: Doubles


def columns(log: pl.DataFrame, users: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """Every declared column of each impression; the log is sorted by time."""
    rows = with_last_click(log)
    rows = rows.join(users.drop("valid_from"), on="user_id", how="left", maintain_order="left")
    rows = rows.join(items.drop("valid_from"), on="item_id", how="left", maintain_order="left")
    age, tenure = (
        (pl.col("time") - pl.col(name)).dt.total_milliseconds()
        for name in ("created_at", "signed_up_at")
    )
    return rows.with_columns(
        log_price=pl.col("price").log(),
        age_days=age / _DAY_MS,
        tenure_days=tenure / _DAY_MS,
    )


def with_last_click(log: pl.DataFrame) -> pl.DataFrame:
    """The log with the time of the session's last click, and with how recent it is.

    That click is of an earlier page: impressions of one page share their time.
    """
    session = log.select("session_id", "time", "clicked").group_by("session_id", "time")
    pages = session.agg(pl.col("clicked").any()).sort("session_id", "time")
    clicked_at = pl.when("clicked").then("time").shift(1).forward_fill().over("session_id")
    pages = pages.select("session_id", "time", last_click=clicked_at)
    rows = log.join(pages, on=["session_id", "time"], how="left", maintain_order="left")
    since = (pl.col("time") - pl.col("last_click")).dt.total_milliseconds()
    recency = (-since / 1000 / _CLICK_SECONDS).exp().fill_null(0.0)
    return rows.with_columns(click_recency=recency)


def fit(rows: pl.DataFrame, train: Bools, held: Bools) -> Peer:
    """The best of both peers and their settings on the held-out days."""
    label = rows["clicked"].to_numpy()
    tried = [
        (model_metrics.log_loss(label[held], peer.probability[held]), peer)
        for build in (_regressions, _trees)
        for peer in build(rows, label, train)
    ]
    return min(tried, key=lambda pair: pair[0])[1]


def _regressions(rows: pl.DataFrame, label: Bools, train: Bools) -> Iterator[Peer]:
    found = design(rows, train)
    for strength in STRENGTHS:
        model = LogisticRegression(C=strength, max_iter=200, tol=1e-4)
        model.fit(found[train], label[train])
        yield Peer("LogisticRegression", strength, model.predict_proba(found)[:, 1])


def _trees(rows: pl.DataFrame, label: Bools, train: Bools) -> Iterator[Peer]:
    codes = [_codes(rows[name], train) for name in CATEGORICAL]
    numbers = rows.select(NUMERIC).to_numpy()
    parts = [*codes, numbers, _embedding(rows), _categories(rows).toarray()]
    found = np.column_stack(parts).astype(np.float32)
    for leaves in LEAVES:
        model = HistGradientBoostingClassifier(
            categorical_features=range(len(codes)),
            learning_rate=0.05,
            max_iter=150,
            max_leaf_nodes=leaves,
            min_samples_leaf=200,
            l2_regularization=10.0,
            early_stopping=False,
            random_state=0,
        )
        model.fit(found[train], label[train])
        yield Peer("HistGradientBoosting", leaves, model.predict_proba(found)[:, 1])


def design(rows: pl.DataFrame, train: Bools) -> sp.csr_matrix:
    """One-hot categories, numbers and their bins, and the crosses that a shop would choose."""
    hot = {name: _one_hot(rows[name], train) for name in CATEGORICAL}
    numbers = rows.select(
        "log_price",
        pl.col("age_days", "tenure_days").clip(lower_bound=0).log1p(),
        "click_recency",
    )
    binned = [_bins(numbers[name], train) for name in NUMERIC[:3]]
    scaled = StandardScaler().fit(numbers.filter(pl.Series(train)).to_numpy())
    scaled = np.nan_to_num(scaled.transform(numbers.to_numpy())).astype(np.float32)
    embedding = sp.csr_matrix(_embedding(rows))
    price = sp.csr_matrix(scaled[:, :1])
    crosses = [
        _cross(hot["region"], embedding),
        _cross(hot["loyalty_tier"], price),
        _cross(hot["loyalty_tier"], hot["brand"]),
    ]
    known = [sp.csr_matrix(scaled), embedding, _categories(rows)]
    parts = [*hot.values(), *binned, *known, *crosses]
    return sp.hstack(parts, format="csr", dtype=np.float32)


def _cross(one: sp.csr_matrix, other: sp.csr_matrix) -> sp.csr_matrix:
    """[rows, A B] products of each column of one with each of the other."""
    return sp.hstack([other.multiply(one[:, [code]]) for code in range(one.shape[1])], "csr")


def _one_hot(values: pl.Series, train: Bools) -> sp.csr_matrix:
    """Null is a category; rare and unseen categories share one."""
    texts = values.cast(pl.String).fill_null("").to_numpy().reshape(-1, 1)
    encoder = OneHotEncoder(
        min_frequency=_LEAST_ROWS, handle_unknown="infrequent_if_exist", dtype=np.float32
    )
    return encoder.fit(texts[train]).transform(texts)


def _bins(values: pl.Series, train: Bools) -> sp.csr_matrix:
    """One-hot quantiles of the training rows; null is a category."""
    numbers = values.cast(pl.Float64).to_numpy()
    edges = np.unique(np.nanquantile(numbers[train], np.arange(1, _BINS) / _BINS))
    place = np.where(np.isnan(numbers), -1, np.searchsorted(edges, numbers))
    return _one_hot(pl.Series(place), train)


def _codes(values: pl.Series, train: Bools) -> Floats:
    """The place of each frequent category by its rows in training; NaN for others and for null."""
    texts = values.cast(pl.String)
    counts = texts.filter(pl.Series(train)).drop_nulls().value_counts(sort=True)
    names = counts[values.name][:_TREE_CATEGORIES].to_list()
    place = {name: float(code) for code, name in enumerate(names)}
    codes = texts.replace_strict(place, default=None, return_dtype=pl.Float32)
    return codes.fill_null(float("nan")).to_numpy()


def _embedding(rows: pl.DataFrame) -> Floats:
    """[rows, 16]; zeros where there is none."""
    width = int(rows["embedding"].list.len().max())  # type: ignore[arg-type]
    filled = rows["embedding"].fill_null([0.0] * width).list.to_array(width)
    return np.asarray(filled.to_numpy(), dtype=np.float32)


def _categories(rows: pl.DataFrame) -> sp.csr_matrix:
    """[rows, categories] zero or one."""
    lists = rows["categories"]
    flat = lists.explode(empty_as_null=False)
    names = sorted(flat.unique().to_list())
    codes = flat.replace_strict(names, list(range(len(names))), return_dtype=pl.Int32)
    pointer = np.r_[0, np.cumsum(lists.list.len().to_numpy())]
    ones = np.ones(len(flat), dtype=np.float32)
    return sp.csr_matrix((ones, codes.to_numpy(), pointer), shape=(len(lists), len(names)))
