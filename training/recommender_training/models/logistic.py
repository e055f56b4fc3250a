"""The logistic regression with causal aggregates: baseline, sanity check, deployable fallback.

Fitted with scikit-learn. Its terms: the standardised numbers of `features.graph`, the item, what
the request says of its user and context, the item's categories, and the features of both sides
that have few values crossed with one another. Nothing depends on the user's id, so that it serves
new users as well as known ones. It reads no embedding, but whether one of the request is missing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from recommender_training.common.arrays import Bools, Floats, Ints
from recommender_training.data.dataset import Dataset
from recommender_training.data.items import Items
from recommender_training.features import attributes, request_columns
from recommender_training.features.assembly import Inputs
from recommender_training.features.event_features import Source, columns
from recommender_training.features.request_columns import Layout

#: Inverse strength of the L2 penalty, chosen on the validation window of MovieLens 100K.
PENALTY = 0.003
#: Features with more buckets or categories are not crossed: their weights would be too many.
MAX_CROSSED = 64
#: Newest rows that a fit reads, which bounds its memory: 300 bytes each, several times over.
MAX_ROWS = 500_000


@dataclass(frozen=True)
class LogisticModel:
    """Weights by term. P buckets of the request's attributes, G categories of items, X of these
    that are crossed, I items.
    """

    bias: float
    numbers: Floats  # [F] on standardised numbers
    mean: Floats  # [F]
    scale: Floats  # [F]
    item: Floats  # [I]
    tag: Floats  # [G]
    side: Floats  # [P]
    cross: Floats  # [P, X] zeros for attributes that are not crossed

    def logits(self, inputs: Inputs, data: Dataset) -> npt.NDArray[np.float64]:
        """Logit of each row."""
        numbers = (inputs.numbers.numpy() - self.mean) / self.scale
        target = inputs.target.numpy() - 1
        side, tags = side_hot(inputs.side, data), _tags(data.items, target, inputs.items_at)
        few = tags[:, crossed_columns(data.items)]
        crossed = np.asarray(few.multiply(side @ self.cross).sum(1)).ravel()
        of_items = self.item[target] + tags @ self.tag
        linear = numbers @ self.numbers + of_items + side @ self.side
        return np.asarray(linear + crossed + self.bias, dtype=np.float64)


def crossed_columns(items: Items) -> Ints:
    """[X] the columns of the categories of the features that are crossed."""
    few = [each.columns for each in items.blocks if len(each.categories) <= MAX_CROSSED]
    none = np.zeros(0, dtype=np.int64)
    return np.concatenate([none, *(np.arange(each.start, each.stop) for each in few)])


def crossed_tags(items: Items) -> sp.csr_matrix:
    """[I, X] sparse, the categories of the features that are crossed."""
    return items.tags[:, crossed_columns(items)]


def _tags(items: Items, target: Ints, items_at: Tensor) -> sp.csr_matrix:
    """[N, G] sparse, the categories of the items `target` [N] at these times [N]."""
    known, rows = items.at(target, items_at.numpy())
    return known.tags[rows]


def crossed_side(data: Dataset) -> Ints:
    """The places among the P buckets of the attributes that are crossed."""
    sizes = attributes.sizes(data)
    starts = attributes.offsets(sizes)
    few = [
        np.arange(start, start + size)
        for start, size, own in zip(starts, sizes, data.attributes, strict=True)
        if size <= MAX_CROSSED and not own.length
    ]
    return np.concatenate([np.zeros(0, dtype=np.int64), *few])


def side_hot(side: Tensor, data: Dataset) -> sp.csr_matrix:
    """[N, P] one-hot attributes of the request, from the buckets of their lanes [N, K].

    The categories of a MultiCategorical have equal shares that sum to one.
    """
    sizes = attributes.sizes(data)
    lanes = np.repeat(attributes.offsets(sizes), [each.lanes for each in data.attributes])
    buckets, owner = side.numpy(), Layout.of(data.attributes).lane_owner
    count, each = buckets.shape
    pointer = np.arange(count + 1) * each
    share = np.ones(each * count, dtype=np.float32)
    if each > len(sizes) or (buckets < 0).any():
        share = request_columns.shares(side, owner).numpy().ravel()
    places = np.maximum(buckets, 0) + lanes
    found = sp.csr_matrix((share, places.ravel(), pointer), shape=(count, sum(sizes)))
    found.eliminate_zeros()
    return found


def fit(
    inputs: Source,
    rows: Ints,
    data: Dataset,
    labels: Bools,
    penalty: float = PENALTY,
    *,
    weight: Floats | None = None,
) -> LogisticModel:
    """Fit on the newest MAX_ROWS of `rows`, which are sorted by time.

    `labels` are those of all events [N]. So is `weight`, what each counts in the loss; all alike
    if absent.
    """
    rows = rows[-MAX_ROWS:]
    names = ("numbers", "target", "side", "items_at")
    read, wanted, sides, items_at = columns(inputs, torch.from_numpy(rows), names)
    numbers = read.numpy()
    mean = numbers.mean(0, dtype=np.float64).astype(np.float32)
    scale = numbers.std(0, dtype=np.float64).astype(np.float32)
    scale = np.where(scale < 1e-6, np.float32(1.0), scale)
    target = wanted.numpy() - 1
    count, items = len(rows), data.items.count
    tags = _tags(data.items, target, items_at)
    item_hot = sp.csr_matrix(
        (np.ones(count, dtype=np.float32), target, np.arange(count + 1)), shape=(count, items)
    )
    side = side_hot(sides, data)
    dense = sp.csr_matrix((numbers - mean) / scale)
    cross = _crossed(side, tags, data)
    design = sp.hstack([dense, item_hot, tags, side, *cross], format="csr")
    model = LogisticRegression(C=penalty, max_iter=300, tol=1e-4)
    model.fit(design, labels[rows], None if weight is None else weight[rows])
    return _unpack(model, mean, scale, data)


def _crossed(side: sp.csr_matrix, tags: sp.csr_matrix, data: Dataset) -> list[sp.csr_matrix]:
    """X matrices [N, P]: the crossed attributes of rows whose item is of each category."""
    few = tags[:, crossed_columns(data.items)].tocsc()
    own = side[:, crossed_side(data)]
    return [own.multiply(few[:, [at]].toarray()) for at in range(few.shape[1])]


def _unpack(
    model: LogisticRegression, mean: Floats, scale: Floats, data: Dataset
) -> LogisticModel:
    width, tags = sum(attributes.sizes(data)), data.items.category_count
    few, own = len(crossed_columns(data.items)), crossed_side(data)
    sizes = [len(mean), data.items.count, tags, width, len(own) * few]
    weights = model.coef_[0].astype(np.float32)
    numbers, item, tag, side, crossed = np.split(weights, np.cumsum(sizes)[:-1])
    cross = np.zeros((width, few), dtype=np.float32)
    cross[own] = crossed.reshape(few, len(own)).T
    return LogisticModel(
        bias=float(model.intercept_[0]),
        numbers=numbers,
        mean=mean,
        scale=scale,
        item=item,
        tag=tag,
        side=side,
        cross=cross,
    )
