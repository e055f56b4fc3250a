"""Buckets of the users' categorical attributes, which `declared.USER_ATTRIBUTES` describes.

An attribute is a column of `Users.side`: the code of a category, or a number that falls into
bands. Everywhere a bucket stands for its value: 0 is unknown, bucket c + 1 is category c. Models
hold one table with a row for each bucket of an attribute; where all tables are one, `offsets` are
the first rows. Legend of shapes: U users, K attributes, P buckets of all attributes, E edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from recommender_training.common.arrays import Ints
from recommender_training.data.dataset import Users
from recommender_training.features import graph
from recommender_training.features.declared import USER_ATTRIBUTES, Attribute

#: Above every value; fills the edges of attributes that have fewer.
_NEVER = np.iinfo(np.int64).max


def of_users(users: Users) -> tuple[Attribute, ...]:
    """The attributes with the categories of these users."""
    return tuple(
        replace(each, categories=getattr(users, each.listed)) if each.listed else each
        for each in USER_ATTRIBUTES
    )


def sizes(users: Users) -> tuple[int, ...]:
    """[K] number of buckets of each attribute."""
    return tuple(attribute.buckets for attribute in of_users(users))


def offsets(buckets: Sequence[int]) -> Ints:
    """[K] first row of each attribute, of so many `buckets`, in a table of all."""
    return np.concatenate([[0], np.cumsum(buckets)[:-1]]).astype(np.int64)


def edges() -> Tensor:
    """[K, E] first value of each band but the lowest; an attribute of codes has none."""
    width = max(len(attribute.edges) for attribute in USER_ATTRIBUTES)
    filled = ([*each.edges, *[_NEVER] * (width - len(each.edges))] for each in USER_ATTRIBUTES)
    return torch.tensor(list(filled))


def banded() -> Tensor:
    """[K] whether an attribute is a number that falls into bands."""
    return torch.tensor([bool(attribute.edges) for attribute in USER_ATTRIBUTES])


def buckets(users: Users, rows: Ints) -> Tensor:
    """[N, K] buckets of the users at `rows` [N]."""
    side = torch.from_numpy(users.side[rows])
    return torch.as_tensor(graph.side_buckets(side, edges(), banded()))


def categories(users: Users, name: str) -> Ints:
    """[U] index of each user's category of one attribute, -1 where it is unknown."""
    place = [attribute.name for attribute in USER_ATTRIBUTES].index(name)
    return np.asarray(buckets(users, np.arange(users.count))[:, place].numpy() - 1)
