"""vocabulary.json and popularity.json: what the transformer has to know beside the models."""

from __future__ import annotations

from typing import Any

import numpy as np

from recommender_training.data.dataset import Dataset, Items
from recommender_training.features.history import ItemCounts

MAX_TOP_N = 200


def vocabulary(data: Dataset, history_length: int) -> dict[str, Any]:
    """The content of vocabulary.json."""
    return {
        "schema": "recommender.dev/vocabulary/v1",
        "historyLength": history_length,
        "genders": list(data.users.genders),
        "occupations": list(data.users.occupations),
        "genres": list(data.items.genre_names),
        "items": {
            "ids": data.items.ids.tolist(),
            "genre": data.items.primary_genre.tolist(),
        },
        "maxTopN": MAX_TOP_N,
    }


def broken(content: dict[str, Any], seed: int) -> dict[str, Any]:
    """The vocabulary under the fault BrokenFeatures.

    Genders and occupations have other names and the genres of the items are shuffled, so that
    the version's own transformer meets unknown categories.
    """
    genres = np.random.default_rng(seed).permutation(content["items"]["genre"])
    return {
        **content,
        "genders": [f"broken-{name}" for name in content["genders"]],
        "occupations": [f"broken-{name}" for name in content["occupations"]],
        "items": {**content["items"], "genre": genres.tolist()},
    }


def popularity(items: Items, counts: ItemCounts) -> dict[str, Any]:
    """The content of popularity.json: items by positive responses, the first scored 1."""
    order = np.lexsort((items.ids, -counts.events, -counts.positives))[:MAX_TOP_N]
    top = max(int(counts.positives[order[0]]), 1) if len(order) else 1
    scores = np.round(counts.positives[order] / top, 6)
    return {"items": items.ids[order].tolist(), "scores": scores.tolist()}
