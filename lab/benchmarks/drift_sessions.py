"""Session rows for the drift benchmark: of MovieLens 100K, and of generated users.

MovieLens has few users, some with fifty sessions; the generated service has many.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recommender_examples import movielens
from recommender_training.artifact.reference import FeatureReader, Value, edges_of
from recommender_training.artifact.vocabulary import content
from recommender_training.data import item_columns
from recommender_training.data.feature_encoding import FeatureEncoding
from recommender_training.data.sessions import HISTORY_LENGTH, sample_session_requests
from recommender_training.ingestion import raw
from recommender_training.statistics.design_effect import design_effect

NUMERIC = ("age", "session_length", "mean_value")
CATEGORICAL = ("gender", "occupation", "last_genre")
#: Users of the generated service.
USERS = 4000
Floats = npt.NDArray[np.float64]
#: A column by feature; a category is its index, -1 unknown; NaN is null.
Rows = dict[str, Floats]


@dataclasses.dataclass(frozen=True)
class Sessions:
    source: str
    user: npt.NDArray[np.int64]
    columns: Rows
    categories: Mapping[str, int]


def load(seed: int) -> dict[str, Sessions]:
    """Return one row per session by population."""
    with tempfile.TemporaryDirectory() as folder:
        movielens.fetch(Path(folder))
        return {"movielens": _movielens(Path(folder), seed), "generated": generated(seed)}


def take(columns: Rows, rows: npt.NDArray[np.int64]) -> Rows:
    return {name: column[rows] for name, column in columns.items()}


class Binner:
    """Bins with the edges of one reference, as an artifact freezes them."""

    def __init__(self, reference: Rows, categories: Mapping[str, int]) -> None:
        self._categories = categories
        self._edges = {
            name: edges_of(reference[name][~np.isnan(reference[name])].tolist())
            for name in NUMERIC
        }

    def counts(self, rows: Rows) -> dict[str, dict[str, int]]:
        """Counts by feature and bin."""
        return {name: self._bins(name, column) for name, column in rows.items()}

    def place(self, name: str, known: Floats) -> npt.NDArray[np.int64]:
        """Indices of the bins of known values."""
        if name in NUMERIC:
            return np.searchsorted(self._edges[name], known, side="right")
        return known.astype(np.int64)

    def _bins(self, name: str, column: Floats) -> dict[str, int]:
        known = column[~np.isnan(column)]
        bins = {"null": len(column) - len(known)}
        size = len(self._edges[name]) + 1 if name in NUMERIC else self._categories[name]
        if name in CATEGORICAL:
            bins["unknown"] = int((known < 0).sum())
        counts = np.bincount(self.place(name, known[known >= 0]), minlength=size)
        return bins | {str(i): int(n) for i, n in enumerate(counts)}


def design_effects(
    user: npt.NDArray[np.int64], rows: Rows, binner: Binner
) -> tuple[dict[str, float], dict[str, float]]:
    """Design effects of each feature's values, and of missing ones (docs/contracts.md)."""
    effects, of_missing = {}, {}
    for name, column in rows.items():
        known = ~np.isnan(column) & ((column >= 0) | (name in NUMERIC))
        effects[name] = design_effect(user[known], binner.place(name, column[known]))
        kinds = (np.isnan(column), ~np.isnan(column) & ~known)
        of_missing[name] = max(design_effect(user, kind.astype(np.int64)) for kind in kinds)
    return effects, of_missing


def _movielens(folder: Path, seed: int) -> Sessions:
    data, declared = raw.read_source(folder), raw.declaration()
    users, items = data.users, data.items.sort("item_id")
    coded = FeatureEncoding.of(declared, users, items, data.interactions.lazy())
    first = dict(zip(coded.blocks, item_columns.first(coded.blocks, items), strict=True))
    ids = items["item_id"].to_numpy().astype(np.int64)
    reader = FeatureReader(content(coded.attributes, ids, first, HISTORY_LENGTH))
    requests = list(
        sample_session_requests(data.interactions, users, items, seed, declared=declared)
    )
    rows = [reader.read(request) for request in requests]
    return Sessions(
        source=f"MovieLens 100K, {len(rows)} sessions of {len(users)} users",
        user=np.asarray([request["user_id"] for request in requests], dtype=np.int64),
        columns={
            name: np.asarray([_number(row[name]) for row in rows])
            for name in NUMERIC + CATEGORICAL
        },
        categories={name: len(reader.categories[name]) for name in CATEGORICAL},
    )


def _number(value: Value) -> float:
    assert not isinstance(value, tuple)
    return np.nan if value is None else float(value)


def generated(seed: int, users: int = USERS) -> Sessions:
    """Users with fixed age, gender and occupation, and some sessions each; 5 % state no age."""
    rng = np.random.default_rng(seed)
    per_user = 1 + rng.geometric(0.4, users)
    user = np.repeat(np.arange(users), per_user)
    length = np.minimum(rng.geometric(0.12, len(user)) - 1, 20).astype(np.float64)
    level = rng.normal(3.5, 0.4, users)[user] + rng.normal(0, 0.3, len(user))
    genre = rng.choice(18, len(user), p=rng.dirichlet(np.full(18, 2.0))).astype(np.float64)
    age = np.clip(rng.gamma(7, 5, users).round(), 7, 80)
    age[rng.random(users) < 0.05] = np.nan
    columns = {
        "age": age[user],
        "session_length": length,
        "mean_value": np.where(length > 0, np.clip(level, 1, 5), np.nan),
        "gender": rng.choice(2, users, p=[0.29, 0.71])[user].astype(np.float64),
        "occupation": rng.choice(21, users, p=rng.dirichlet(np.full(21, 1.0)))[user] * 1.0,
        "last_genre": np.where(length > 0, genre, np.nan),
    }
    return Sessions(
        source=f"generated, {len(user)} sessions of {users} users",
        user=user.astype(np.int64),
        columns=columns,
        categories={"gender": 2, "occupation": 21, "last_genre": 18},
    )
