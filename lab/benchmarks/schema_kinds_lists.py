"""Lists of a generated shop with all kinds of features, judged by the true odds of a click.

Legend of shapes: R requests, C candidates; rows of users and items are those of the shop's world.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from lab.benchmarks.schema_kinds_ranker import Fitted
from recommender_examples import shop_tables
from recommender_examples.shop_kinds import Asked, Kinds
from recommender_examples.shop_settings import Settings
from recommender_examples.shop_visits import FRESH_ITEM, FRESH_ITEM_DAYS
from recommender_examples.shop_world import CATEGORIES, DAY_MS, EMBEDDING, World
from recommender_training.common.arrays import Bools, Doubles, Floats, Ints
from recommender_training.evaluation import ranking_metrics
from recommender_training.features.prepared_data import PreparedData
from tests.benchmarks import schema_new_items
from tests.benchmarks.schema_gap import Logged
from tests.benchmarks.schema_models import places_in_world

#: Users with a list, and items of each; a fixed seed draws both.
USERS, CANDIDATES = 500, 200


@dataclass(frozen=True)
class Lists:
    """The first request of users in the test days, and items that they might be shown."""

    user: Ints  # [R]
    time: Ints  # [R] milliseconds since 1970
    item: Ints  # [R, C]
    logit: Doubles  # [R, C] true one of a click, up to a number for each request
    parts: Mapping[str, Doubles]  # [R, C] of it, by kind

    @classmethod
    def of(cls, settings: Settings, seed: int, logged: Logged) -> Lists:
        """Draw users, and items that were there before the test days."""
        world, random = World.of(settings, seed), np.random.default_rng(0)
        first = logged.tested.unique("user_id", keep="first", maintain_order=True)
        if first.height > USERS:
            first = first[np.sort(random.choice(first.height, USERS, replace=False))]
        user = _rows(first["user_id"], shop_tables.users(world)["user_id"])
        time = first["time"].dt.epoch("ms").to_numpy()
        known = np.flatnonzero(world.items.created < time.min())
        count = min(CANDIDATES, len(known))
        item = np.stack([random.choice(known, count, replace=False) for _ in user])
        asked = Asked(
            user[:, None],
            item,
            _categories(first["basket"])[:, None],
            _vectors(first["query"])[:, None],
            time[:, None],
        )
        parts = Kinds.of(world, seed).parts(world, asked)
        age = (time[:, None] - world.items.created[item]) / DAY_MS
        logit = world.logits(user[:, None], item) + FRESH_ITEM * np.exp(-age / FRESH_ITEM_DAYS)
        return cls(user, time, item, logit + np.sum([*parts.values()], axis=0), parts)

    def ndcg(self, scores: Doubles) -> Doubles:
        """[R] NDCG of the order by scores [R, C]; the gain of an item is its true odds."""
        return schema_new_items.ndcg(scores, np.exp(self.logit))

    def scores(self, folder: Path, model: Fitted) -> Doubles:
        """[R, C] logits of a model, which knows what was before the test days."""
        data = model.prepared.data
        users, items = (np.argsort(places) for places in places_in_world(folder, data))
        requests = requests_of(model.prepared, users[self.user].astype(np.int64), self.time)
        return model.scores(requests, items[self.item].astype(np.int64))


def requests_of(prepared: PreparedData, users: Ints, time: Ints) -> list[ranking_metrics.Request]:
    """The first requests in the test days of these rows of the data set's users, at `time` [R].

    Raises ValueError where the data set has them at another time.
    """
    data, tested = prepared.data, prepared.split.test
    events = data.events
    named, first = np.unique(events.user[tested], return_index=True)
    rows = tested[first[np.searchsorted(named, users)]]
    if not np.array_equal(events.time[rows], time // 1000):
        raise ValueError("the data set has other requests than the log")
    contexts = data.as_served(events.context_of(rows))
    before = np.flatnonzero(events.time < events.time[tested[0]])
    of_users = [before[events.user[before] == user] for user in users]
    return [
        ranking_metrics.Request(int(user), session[-prepared.history_length :], int(at), context)
        for user, session, at, context in zip(
            users, of_users, events.time[rows], contexts, strict=True
        )
    ]


def _rows(ids: pl.Series, known: pl.Series) -> Ints:
    """[R] the row of each id among those known."""
    rows = {name: row for row, name in enumerate(known.to_list())}
    return np.array([rows[name] for name in ids.to_list()], dtype=np.int64)


def _categories(lists: pl.Series) -> Bools:
    """[R, C] which categories each list has; none where it is null."""
    return np.array(
        [[name in (each or ()) for name in CATEGORIES] for each in lists.to_list()],
        dtype=np.bool_,
    )


def _vectors(lists: pl.Series) -> Floats:
    """[R, E] the numbers of each list; zeros where it is null."""
    return np.array([each or [0.0] * EMBEDDING for each in lists.to_list()], dtype=np.float32)
