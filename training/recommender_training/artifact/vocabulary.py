"""vocabulary.json, item_ids.json and popularity.json: what the transformer needs beside models."""

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
#: Users in popularity.json, which the transformer holds in memory.
MAX_USERS = 100_000


def vocabulary(data: Dataset, history_length: int) -> dict[str, Any]:
    """The content of vocabulary.json."""
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
    """The content of item_ids.json: the texts of the items of vocabulary.json, in their order.

    The ids there are the hashes of these.
    """
    return {"schema": "recommender.dev/item-ids/v1", "texts": list(texts)}


def broken(content: dict[str, Any], seed: int) -> dict[str, Any]:
    """The vocabulary under the fault BrokenFeatures.

    Categories of users have other names and the genres of the items are shuffled, so that
    the version's own transformer meets unknown categories.
    """
    listed = [attribute.listed for attribute in USER_ATTRIBUTES if attribute.listed]
    genres = np.random.default_rng(seed).permutation(content["items"]["genre"])
    return {
        **content,
        **{name: [f"broken-{each}" for each in content[name]] for name in listed},
        "items": {**content["items"], "genre": genres.tolist()},
    }


def popularity(data: Dataset, counts: ItemCounts) -> dict[str, Any]:
    """The content of popularity.json: items by positive responses, the first scored 1.

    `counts` [I] are those at the end of the data. Beside the list of all there is one for each
    segment of age band and gender, where such are known.
    """
    segments = _segments(data, counts)
    listed = _listed(data.items, counts, counts.positives.astype(np.float64))
    return {**listed, **({"segments": segments} if segments["lists"] else {})}


def _listed(items: Items, counts: ItemCounts, score: Doubles) -> dict[str, Any]:
    """The best items by `score` [I], which is told relative to the first one's."""
    order = np.lexsort((items.ids, -counts.events, -score))[:MAX_TOP_N]
    top = float(score[order[0]]) if len(order) else 0.0
    scores = np.round(score[order] / (top or 1.0), 6)
    return {"items": items.ids[order].tolist(), "scores": scores.tolist()}


def _segments(data: Dataset, counts: ItemCounts) -> dict[str, Any]:
    """The lists by segment, and who belongs where: MAX_USERS, those seen last."""
    bands, users = len(AGE_BANDS), data.users
    band, gender = (attributes.categories(users, name) for name in ("age", "gender"))
    seen = np.full(users.count, -1, dtype=np.int64)
    np.maximum.at(seen, data.events.user, data.events.time)
    known = np.flatnonzero((band >= 0) | (gender >= 0))
    told = np.sort(known[np.argsort(-seen[known], kind="stable")[:MAX_USERS]])
    return {
        "ageEdges": list(AGE_EDGES),
        "genders": list(users.genders),
        "lists": [
            {"ageBand": code % bands, "gender": code // bands, **_listed(data.items, counts, own)}
            for code, own in popularity_model.by_segment(data, None)
        ],
        "users": {
            "ids": users.ids[told].tolist(),
            "ageBand": band[told].tolist(),
            "gender": gender[told].tolist(),
        },
    }
