"""Order of new items of a generated shop: items without an event before the test days.

Legend of shapes: R requests, C new items, K rank.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender_examples.shop_visits import FRESH_ITEM, FRESH_ITEM_DAYS
from recommender_examples.shop_world import DAY_MS, World
from recommender_training.common.arrays import Doubles, Ints
from recommender_training.data.dataset import Dataset
from recommender_training.evaluation import predictions, ranking_metrics
from recommender_training.features.catalogue_state import CatalogueState
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.bundle import Bundle
from recommender_training.statistics import model_metrics

TOP_K = 10
#: Number of users of the test days whose lists are evaluated; a fixed seed draws them.
MAX_USERS = 500
#: Impressions of the overall share of clicks that are added to those of a brand.
_ADDED = 250.0


@dataclass(frozen=True)
class NewItems:
    """Mean NDCG of the model's order, and of simple ones: `random` is the expected value."""

    model: float
    random: float
    by_brand: float
    items: int

    @property
    def ratio(self) -> float:
        """The model's NDCG over that of the best simple order."""
        return self.model / max(self.random, self.by_brand)


def order(
    world: World, bundle: Bundle, prepared: PreparedData, places: tuple[Ints, Ints], end: int
) -> NewItems:
    """Order all new items for users of the test window as at its end.

    The gain of an item is its true odds of a click, so that no chance of a click decides. The
    model knows what it does at the start of the window, the items' columns and their age at `end`
    (seconds). The simple answers are a random order, and the items' brands by share of clicks
    before the window. `places` are the rows of the data set's users and items in `world`. Raises
    ValueError where there are fewer than two new items.
    """
    data, rows = prepared.data, prepared.split.test
    start = int(data.events.time[rows[0]])
    before = data.events.time < start
    seen = np.zeros(data.items.count, dtype=np.bool_)
    seen[data.events.item[before]] = True
    new = np.setdiff1d(data.events.item[rows], np.flatnonzero(seen)).astype(np.int64)
    if len(new) < 2:
        raise ValueError(f"{len(new)} items have their first event in the test days: 2 are needed")
    requests = requests_at(data, prepared, end)
    users = np.array([each.user for each in requests], dtype=np.int64)
    gain = true_odds(world, places[0][users], places[1][new], end)
    frozen = prepared.constants
    known = ranking_metrics.Known(
        data, frozen, CatalogueState.at(data, start, frozen.groups), prepared.history_length
    )
    scorer = predictions.scorers(bundle, prepared)[1]
    scores = known.scores(requests, np.tile(new, (len(users), 1)), scorer)
    share = brand_shares(world, places[1], data, before)
    by_brand = np.tile(share[world.items.brand[places[1][new]]], (len(users), 1))
    return NewItems(
        float(ndcg(scores, gain).mean()),
        float(ndcg_of_chance(gain).mean()),
        float(ndcg(by_brand, gain).mean()),
        len(new),
    )


def requests_at(
    data: Dataset, prepared: PreparedData, end: int, most: int = MAX_USERS
) -> list[ranking_metrics.Request]:
    """A request at `end` of each user drawn, with what was before the window."""
    rows, length = prepared.split.test, prepared.history_length
    users = np.unique(data.events.user[rows])
    if len(users) > most:
        users = np.sort(np.random.default_rng(0).choice(users, most, replace=False))
    context = data.as_served(np.full((1, data.context_width), np.nan, dtype=np.float32))[0]
    earlier = np.flatnonzero(data.events.time < data.events.time[rows[0]])
    of_users = [earlier[data.events.user[earlier] == user][-length:] for user in users]
    return [
        ranking_metrics.Request(int(user), session, end, context)
        for user, session in zip(users, of_users, strict=True)
    ]


def true_odds(world: World, user: Ints, item: Ints, end: int) -> Doubles:
    """[R, C] odds of a click up to a factor for each request."""
    return odds_of(world, user[:, None], item[None, :], end)


def odds_of(world: World, user: Ints, item: Ints, end: int) -> Doubles:
    """[...] the same for users and items that broadcast."""
    logit = world.logits(user, item).astype(np.float64)
    age = np.maximum(end * 1000 - world.items.created[item], 0) / DAY_MS
    found: Doubles = np.exp(logit + FRESH_ITEM * np.exp(-age / FRESH_ITEM_DAYS))
    return found


def brand_shares(world: World, place: Ints, data: Dataset, before: np.ndarray) -> Doubles:
    """Share of clicks of each brand, shrunk to the overall one."""
    label = data.events.label[before]
    brand = world.items.brand[place[data.events.item[before]]]
    count = int(world.items.brand.max()) + 1
    shown = np.bincount(brand, minlength=count)
    clicked = np.bincount(brand[label], minlength=count)
    found: Doubles = (clicked + _ADDED * label.mean()) / (shown + _ADDED)
    return found


def ndcg(scores: Doubles, gain: Doubles) -> Doubles:
    """[R] NDCG at TOP_K of the order by `scores` [R, C]; ties go to the first item."""
    k = min(TOP_K, gain.shape[1])
    top = model_metrics.top_k(scores, k)
    return ndcg_of(top, gain)


def ndcg_of(top: Ints, gain: Doubles) -> Doubles:
    """[R] NDCG of the lists `top` [R, K] of columns of `gain` [R, C]."""
    k = top.shape[1]
    found: Doubles = (
        np.take_along_axis(gain, top, 1) @ model_metrics.discounts(k) / _ideal(gain, k)
    )
    return found


def ndcg_of_chance(gain: Doubles) -> Doubles:
    """[R] expected NDCG of a random order."""
    k = min(TOP_K, gain.shape[1])
    found: Doubles = gain.mean(1) * model_metrics.discounts(k).sum() / _ideal(gain, k)
    return found


def _ideal(gain: Doubles, k: int) -> Doubles:
    best: Doubles = -np.sort(-gain, axis=1)[:, :k] @ model_metrics.discounts(k)
    return best
