"""vocabulary.json and item_ids.json, which the transformer reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from recommender_contract.features import TEXTS, WITH_VOCABULARY, Kind
from recommender_training.common.arrays import Ints
from recommender_training.config.feature_schema import FeatureTable
from recommender_training.data.dataset import Dataset
from recommender_training.data.feature_encoding import Attribute, Block
from recommender_training.data.items import Items

MAX_TOP_N = 200


def vocabulary(
    data: Dataset, history_length: int, repeat_after: int | None = None, *, trends: bool = False
) -> dict[str, Any]:
    """Return the content of vocabulary.json."""
    items = data.items
    first = dict(zip(items.blocks, items.first, strict=True))
    words = content(data.attributes, items.ids, first, history_length)
    further = {block.name: _further(block, items) for block in items.blocks}
    for column in words["items"]["features"]:
        if further[column["name"]]["items"]:
            column["further"] = further[column["name"]]
    if repeat_after is not None:
        words["repeatAfterSeconds"] = repeat_after
    if trends:
        words["trends"] = True
    return words


def content(
    attributes: Sequence[Attribute],
    ids: Ints,
    first: Mapping[Block, Ints],
    history_length: int,
) -> dict[str, Any]:
    """Return the same of features, items [I], and the first category [I] of each item feature.

    Categories after the first are left out.
    """
    return {
        "schema": "recommender.dev/vocabulary/v2",
        "historyLength": history_length,
        "features": [_feature(attribute) for attribute in attributes],
        "items": {
            "ids": ids.tolist(),
            "features": [
                {
                    "name": block.name,
                    "categories": list(block.categories),
                    "primary": codes.tolist(),
                }
                for block, codes in first.items()
                if block.feature.kind is not Kind.NUMERIC
            ],
        },
        "maxTopN": MAX_TOP_N,
    }


def _further(block: Block, items: Items) -> dict[str, list[int]]:
    """Return the places of items and the categories that they have after their first one."""
    start = items.blocks.index(block)
    before = items.listed.ends[start - 1] if start else 0
    own = slice(before, items.listed.ends[start])
    places, has = items.listed.places[:, own] - block.start, items.listed.shares[:, own] > 0
    row, column = np.nonzero(has & (places != items.first[start][:, None]))
    return {"items": row.tolist(), "categories": places[row, column].tolist()}


def _feature(attribute: Attribute) -> dict[str, Any]:
    """Return a column of the tensor `features`, or several: as many as `maxPerRow` or `length`."""
    own = attribute.feature
    place = "user" if attribute.place is FeatureTable.USERS else "context"
    kind = Kind.CATEGORICAL if own.kind in TEXTS else own.kind
    entry: dict[str, Any] = {"name": own.name, "of": place, "kind": kind.value}
    if attribute.timed:
        entry |= {"edges": list(attribute.edges)}
    elif own.length is not None:
        entry["length"] = own.length
    elif attribute.banded:
        entry |= {"minimum": own.minimum, "maximum": own.maximum, "edges": list(attribute.edges)}
    else:
        entry["categories"] = list(attribute.categories)
    if own.kind is Kind.MULTI_CATEGORICAL:
        entry["maxPerRow"] = own.most
        if own.separator is not None:
            entry["separator"] = own.separator
    if attribute.calendar is not None:
        entry |= {"calendar": attribute.calendar.part.value, "zone": attribute.calendar.rules()}
    if own.hash_buckets is not None:
        entry["hashBuckets"] = own.hash_buckets
    return entry if own.served_as is None else {**entry, "servedAs": own.served_as}


def width(feature: Mapping[str, Any]) -> int:
    """Return how many columns of the tensor `features` a feature of vocabulary.json has."""
    return int(feature.get("length") or feature.get("maxPerRow") or 1)


def item_ids(texts: Sequence[str]) -> dict[str, Any]:
    """Return the content of item_ids.json: the texts of the items in vocabulary.json, in order.

    The ids in vocabulary.json are the hashes of these texts.
    """
    return {"schema": "recommender.dev/item-ids/v1", "texts": list(texts)}


def broken(content: dict[str, Any], seed: int, feature: str | None = None) -> dict[str, Any]:
    """Return the vocabulary with the fault BrokenFeatures: of one feature, or of all.

    The categories of requests have other names, so that the transformer of this version finds
    unknown ones, and the categories of the items are shuffled. All are those of users and items.
    """
    random, items = np.random.default_rng(seed), content["items"]

    def breaks(each: dict[str, Any]) -> bool:
        if feature is not None:
            return bool(each["name"] == feature)
        return bool(each.get("of", "item") != "context")

    features = [
        {
            **{key: value for key, value in each.items() if key != "hashBuckets"},
            "categories": [f"broken-{name}" for name in each["categories"]],
        }
        if each["kind"] in WITH_VOCABULARY and breaks(each)
        else each
        for each in content["features"]
    ]
    of_items = [
        {
            **{key: value for key, value in each.items() if key != "further"},
            "primary": random.permutation(each["primary"]).tolist(),
        }
        if breaks(each)
        else each
        for each in items["features"]
    ]
    return {**content, "features": features, "items": {**items, "features": of_items}}
