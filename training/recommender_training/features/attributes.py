"""Buckets of what a request says of its user and context (`data.feature_encoding.Attribute`).

Everywhere a bucket stands for its value: 0 is unknown, bucket c + 1 is category or band c. Models
hold one table with a row for each bucket of an attribute; where all tables are one, `offsets` are
the first rows. An attribute has several columns if it has several values, and so many lanes, each
of which names a bucket (`request_columns`). Legend of shapes: U users, A attributes, F columns, K
lanes, V numbers of embeddings, P buckets of all attributes, E edges.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from recommender_training.common.arrays import Floats, Ints, Places
from recommender_training.config.feature_schema import FeatureTable
from recommender_training.data import feature_encoding
from recommender_training.data.dataset import Dataset
from recommender_training.data.feature_encoding import Attribute
from recommender_training.features import graph, request_columns
from recommender_training.features.request_columns import Layout

#: Most buckets of an attribute whose groups of users have rates of their own.
MAX_RATED = 64


def sizes(data: Dataset) -> tuple[int, ...]:
    """[A] number of buckets of each attribute."""
    return tuple(attribute.buckets for attribute in data.attributes)


def spans(data: Dataset) -> tuple[tuple[int, int], ...]:
    """[A] how many lanes each attribute has, and how many numbers, if it is an Embedding."""
    return tuple((attribute.lanes, attribute.length) for attribute in data.attributes)


def of_lanes(attributes: Sequence[Attribute]) -> list[Attribute]:
    """[K] the attribute of each lane."""
    return [each for each in attributes for _ in range(each.lanes)]


def of_columns(attributes: Sequence[Attribute]) -> list[Attribute]:
    """[F] the attribute of each column."""
    return [each for each in attributes for _ in range(each.width)]


def offsets(buckets: Sequence[int]) -> Ints:
    """[A] first row of each attribute, of so many `buckets`, in a table of all."""
    return np.concatenate([[0], np.cumsum(buckets)]).astype(np.int64)[: len(buckets)]


def rated(data: Dataset) -> tuple[int, ...]:
    """Places of the attributes that DemographicRates reads: those of users for cold start."""
    return tuple(
        place
        for place, each in enumerate(data.attributes)
        if each.place is FeatureTable.USERS
        and each.feature.cold_start
        and each.buckets <= MAX_RATED
    )


def rated_lanes(data: Dataset) -> list[int]:
    """The lanes of these attributes, each of which has one."""
    starts = [0, *accumulate(each.lanes for each in data.attributes)]
    return [starts[place] for place in rated(data)]


def edges(attributes: Sequence[Attribute]) -> Tensor:
    """[A, E] first value of each band but the lowest; NaN, which no value reaches, where an
    attribute has fewer.
    """
    width = max((len(attribute.edges) for attribute in attributes), default=0)
    filled = [[*each.edges, *[math.nan] * (width - len(each.edges))] for each in attributes]
    return torch.tensor(filled, dtype=torch.float32).reshape(len(attributes), width)


def banded(attributes: Sequence[Attribute]) -> Tensor:
    """[A] True where an attribute is a number that falls into bands."""
    return torch.tensor([attribute.banded for attribute in attributes], dtype=torch.bool)


def timed(attributes: Sequence[Attribute]) -> Tensor:
    """[A] True where an attribute is a time, whose age falls into bands."""
    return torch.tensor([attribute.timed for attribute in attributes], dtype=torch.bool)


def limits(attributes: Sequence[Attribute]) -> Tensor:
    """[2, A] smallest and largest known value of each attribute."""
    found = [attribute.limits for attribute in attributes]
    return torch.tensor(found, dtype=torch.float32).reshape(len(attributes), 2).t()


def served(attributes: Sequence[Attribute]) -> Tensor:
    """[A] default of a value that a request lacks; NaN: none."""
    return torch.tensor([attribute.served for attribute in attributes], dtype=torch.float32)


def buckets(data: Dataset, side: Floats, times: Ints) -> Tensor:
    """[N, K] buckets of what is known of N requests, [N, F] (`Dataset.side`), at `times` [N]."""
    own, layout = data.attributes, Layout.of(data.attributes)
    values = graph.aged(torch.from_numpy(side), timed(of_columns(own)), torch.from_numpy(times))
    values, each = values[:, layout.lanes], of_lanes(own)
    found = torch.as_tensor(graph.side_buckets(values, edges(each), banded(each)))
    if layout.is_plain:
        return found
    unknown = torch.isnan(values)
    return request_columns.named(
        found, unknown, layout.lane_owner, layout.lane_first, layout.lane_embedded
    )


def vectors(data: Dataset, side: Floats) -> Tensor:
    """[N, V] the embeddings among what is known of N requests, [N, F], as models read them."""
    layout = Layout.of(data.attributes)
    return request_columns.scaled(torch.from_numpy(side)[:, layout.numbers], layout.number_scale)


def named_buckets(data: Dataset, name: str) -> tuple[Attribute, int]:
    """The attribute of this name, and its first column."""
    place = [attribute.name for attribute in data.attributes].index(name)
    return data.attributes[place], feature_encoding.starts(data.attributes)[place]


def of_users(data: Dataset, name: str) -> Ints:
    """[U] index of each user's newest category or band of one attribute, -1 where it is unknown.

    Not of a time, whose age depends on the request, and of an attribute of one column, as the
    other functions for one attribute.
    """
    own, column = named_buckets(data, name)
    return _values(own, data.users.side[:, column])


def of_users_at(data: Dataset, name: str, users: Places, times: Ints) -> Ints:
    """[R] the same of the users at these rows, as it was at `times` [R]."""
    if data.users.history is None:
        return of_users(data, name)[users]
    own, column = named_buckets(data, name)
    return _values(own, data.users.at(users, times)[:, column])


def of_context(data: Dataset, name: str, context: Floats) -> Ints:
    """[R] the same of an attribute of the context, of its values [R, C]."""
    own, column = named_buckets(data, name)
    return _values(own, context[:, column - data.users.side.shape[1]])


def _values(own: Attribute, column: Floats) -> Ints:
    side = torch.from_numpy(np.ascontiguousarray(column[:, None]))
    found = graph.side_buckets(side, edges([own]), banded([own]))
    return np.asarray(torch.as_tensor(found)[:, 0].numpy() - 1)


def of_events(data: Dataset, name: str, rows: Ints) -> Ints:
    """[R] the same of the events at `rows`, for an attribute of users or of context."""
    own, place = named_buckets(data, name)
    if own.timed:
        column = torch.from_numpy(data.side_of_events(rows)[:, [place]])
        now = torch.from_numpy(data.events.time[rows])
        ages = graph.aged(column, timed([own]), now).numpy()
        return _values(own, ages[:, 0])
    if own.place is FeatureTable.USERS:
        return of_users_at(data, name, data.events.user[rows], data.events.time[rows])
    return of_context(data, name, data.events.context_of(rows))
