"""vocabulary.json, item_ids.json and popularity.json, which the transformer reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from recommender_training.common.arrays import Doubles
from recommender_training.data.dataset import Dataset, Items
from recommender_training.data.schema import AGE_BANDS, AGE_EDGES
from recommender_training.features import attributes
from recommender_training.features import popularity as popularity_model
from recommender_training.features.declared import USER_ATTRIBUTES
from recommender_training.features.history import ItemCounts

MAX_TOP_N = 200
#: Most users in popularity.json, which the transformer holds in memory.
MAX_USERS = 100_000


def vocabulary(data: Dataset, history_length: int) -> dict[str, Any]:
    """Return the content of vocabulary.json."""
    return {
        "schema": "recommender.dev/vocabulary/v1",
        "historyLength": history_length,
        **{
            each.listed: list(each.categories)
            for each in attributes.of_users(data.users)
            if each.listed
        },
        "genres": list(data.items.genre_names),
        "items": {
            "ids": data.items.ids.tolist(),
            "genre": data.items.primary_genre.tolist(),
        },
        "maxTopN": MAX_TOP_N,
    }


def item_ids(texts: Sequence[str]) -> dict[str, Any]:
    """Return the content of item_ids.json: the texts of the items in vocabulary.json, in order.

    The ids in vocabulary.json are the hashes of these texts.
    """
    return {"schema": "recommender.dev/item-ids/v1", "texts": list(texts)}


def broken(content: dict[str, Any], seed: int) -> dict[str, Any]:
    """Return the vocabulary with the fault BrokenFeatures.

    The categories of users have other names, and the genres of the items are shuffled, so that the
    transformer of this version finds unknown categories.
    """
    listed = [attribute.listed for attribute in USER_ATTRIBUTES if attribute.listed]
    genres = np.random.default_rng(seed).permutation(content["items"]["genre"])
    return {
        **content,
        **{name: [f"broken-{each}" for each in content[name]] for name in listed},
        "items": {**content["items"], "genre": genres.tolist()},
    }


def popularity(data: Dataset, counts: ItemCounts) -> dict[str, Any]:
    """Return the content of popularity.json: items by positive responses; the first scores 1.

    `counts` [I] are those at the end of the data. There is one list for all users, and one per
    segment of age band and gender if these are known.
    """
    segments = _segments(data, counts)
    listed = _listed(data.items, counts, counts.positives.astype(np.float64))
    return {**listed, **({"segments": segments} if segments["lists"] else {})}


def _listed(items: Items, counts: ItemCounts, score: Doubles) -> dict[str, Any]:
    """Return the best items by `score` [I], relative to the score of the first."""
    order = np.lexsort((items.ids, -counts.events, -score))[:MAX_TOP_N]
    top = float(score[order[0]]) if len(order) else 0.0
    scores = np.round(score[order] / (top or 1.0), 6)
    return {"items": items.ids[order].tolist(), "scores": scores.tolist()}


def _segments(data: Dataset, counts: ItemCounts) -> dict[str, Any]:
    """Return the lists by segment, and the segments of the MAX_USERS most recent users."""
    bands, users = len(AGE_BANDS), data.users
    band, gender = (attributes.categories(users, name) for name in ("age", "gender"))
    seen = np.full(users.count, -1, dtype=np.int64)
    np.maximum.at(seen, data.events.user, data.events.time)
    known = np.flatnonzero((band >= 0) | (gender >= 0))
    recent = np.sort(known[np.argsort(-seen[known], kind="stable")[:MAX_USERS]])
    return {
        "ageEdges": list(AGE_EDGES),
        "genders": list(users.genders),
        "lists": [
            {"ageBand": code % bands, "gender": code // bands, **_listed(data.items, counts, own)}
            for code, own in popularity_model.by_segment(data, None)
        ],
        "users": {
            "ids": users.ids[recent].tolist(),
            "ageBand": band[recent].tolist(),
            "gender": gender[recent].tolist(),
        },
    }
