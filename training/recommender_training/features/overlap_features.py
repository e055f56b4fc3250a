"""Features of requests and of items that may say the same (ADR 0086).

A user's interests and an item's categories, or the vector of a query and that of a text: a model
that learns a row for each category and each number has to find from responses that one name means
the same on both sides. With a few thousand positives it does not. So the ranker also reads how far
both agree, which is one number of each pair of features.

Pairs are taken by what is declared: categories of the same name, embeddings of the same length.
Whether agreement matters is learned.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from recommender_contract.features import WITH_VOCABULARY
from recommender_training.data.dataset import Dataset
from recommender_training.data.feature_encoding import Attribute, Block


@dataclass(frozen=True)
class Overlap:
    """A feature of requests, and one of items."""

    name: str  # both names
    place: int  # of the attribute
    first: int  # its first lane; of an Embedding, its first number among those of requests
    width: int  # how many of these it has
    #: Of each of its buckets the column among the categories of items; -1 none. Empty for an
    #: Embedding.
    columns: tuple[int, ...] = ()
    #: Of an Embedding the first of the numbers of items.
    number: int = 0


def overlap_features(data: Dataset) -> tuple[Overlap, ...]:
    """Return the pairs of a data set."""
    return (*_of_categories(data), *_of_embeddings(data))


def _of_categories(data: Dataset) -> Iterator[Overlap]:
    lanes = accumulate((each.lanes for each in data.attributes), initial=0)
    for place, (own, lane) in enumerate(zip(data.attributes, lanes, strict=False)):
        for block in data.items.blocks:
            if not _comparable(own, block):
                continue
            columns = {name: block.start + at for at, name in enumerate(block.categories)}
            found = tuple(columns.get(name, -1) for name in own.categories)
            if max(found, default=-1) >= 0:
                yield Overlap(_name(own, block.name), place, lane, own.lanes, (-1, *found))


def _comparable(own: Attribute, block: Block) -> bool:
    """True if both have categories that mean the same if they have the same name."""
    kinds = own.feature.kind in WITH_VOCABULARY and block.feature.kind in WITH_VOCABULARY
    return kinds and own.feature.hash_buckets == block.feature.hash_buckets


def _of_embeddings(data: Dataset) -> Iterator[Overlap]:
    numbers = accumulate((each.length for each in data.attributes), initial=0)
    for place, (own, number) in enumerate(zip(data.attributes, numbers, strict=False)):
        start = 0
        for name, length in data.items.vectors:
            if own.length == length:
                yield Overlap(_name(own, name), place, number, length, number=start)
            start += length


def _name(own: Attribute, item: str) -> str:
    return f"{own.name}:{item}"
