"""Catalogue metrics of lists: coverage, popularity and groups of the shown items.

Exposure of an item is the sum of the discounts of the ranks it was given
(`model_metrics.discounts`); relevance of an item is its share of the relevant items, each request
counting the same. Legend: R requests, K ranks, I items, G groups.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import rankdata

from recommender_contract.resource.mitigation import POPULARITY
from recommender_training.common.arrays import Doubles, Ints
from recommender_training.evaluation.predictions import Window
from recommender_training.evaluation.ranking_metrics import RankingTask
from recommender_training.features import item_groups
from recommender_training.features.event_history import ItemCounts
from recommender_training.statistics import model_metrics


def beyond_accuracy(top: Ints, counts: ItemCounts, k: int) -> dict[str, float]:
    """Coverage, novelty and popularity bias of lists [R, K]; zero where lists are empty, and
    nothing without a request.

    `coverage`: share of the catalogue that is in a list at all. `novelty`: mean self-information
    in bits of the items shown, -log2 of their share of the events before the window, one event
    added to each. `popularityRank`: mean percentile of the items shown by these events, 0 the
    least and 1 the most popular. `exposureGini`: inequality of exposure over the catalogue, 0 all
    items get the same, 1 one item gets it all.
    """
    count = len(counts.events)
    names = [f"{name}At{k}" for name in ("coverage", "novelty", "popularityRank", "exposureGini")]
    if top.size == 0:
        return dict.fromkeys(names if len(top) else (), 0.0)
    share = (counts.events + 1.0) / (counts.events.sum() + count)
    percentile = (rankdata(counts.events) - 1) / max(1, count - 1)
    values = (
        len(np.unique(top)) / count,
        float(-np.log2(share[top]).mean()),
        float(percentile[top].mean()),
        model_metrics.gini(item_exposure(top, count)),
    )
    return dict(zip(names, values, strict=True))


def item_exposure(top: Ints, count: int) -> Doubles:
    """[I] discounted exposure of each item."""
    weight = np.broadcast_to(model_metrics.discounts(top.shape[1]), top.shape)
    exposure = np.bincount(top.ravel(), weights=weight.ravel(), minlength=count)
    return np.asarray(exposure, dtype=np.float64)


def group_exposure(top: Ints, membership: Doubles) -> Doubles:
    """[R, G] share of each list's exposure that goes to each group of items.

    `membership` [I, G] sums to one over the groups.
    """
    if top.size == 0:
        return np.zeros((len(top), membership.shape[1]))
    weight = model_metrics.discounts(top.shape[1])
    exposed = np.einsum("k,rkg->rg", weight / weight.sum(), membership[top])
    return np.asarray(exposed, dtype=np.float64)


def group_relevance(task: RankingTask, membership: Doubles) -> Doubles:
    """[R, G] share of each request's relevant items that is of each group of items."""
    found = task.relevant @ membership
    return np.asarray(found / np.maximum(task.wanted, 1)[:, None], dtype=np.float64)


def popularity_bands(window: Window, lists: dict[str, Ints]) -> list[dict[str, Any]]:
    """One entry a band: items, share of the relevance, share of each model's exposure."""
    membership = window.membership(POPULARITY)
    relevance = mean_share(group_relevance(window.task, membership))
    exposure = {name: mean_share(group_exposure(top, membership)) for name, top in lists.items()}
    return [
        {
            "items": int(membership[:, index].sum()),
            "relevanceShare": round(float(relevance[index]), 6),
            "exposureShare": {
                name: round(float(share[index]), 6) for name, share in exposure.items()
            },
        }
        for index in range(item_groups.POPULARITY_BANDS)
    ]


def mean_share(shares: Doubles) -> Doubles:
    """[G] mean of the shares [R, G] of all requests; zeros without a request."""
    return np.asarray(shares.mean(0) if len(shares) else np.zeros(shares.shape[1]))
