"""The logistic regression with causal aggregates: baseline, sanity check, deployable fallback.

Fitted with scikit-learn. Its terms: the standardised numbers of `features.graph`, the item, the
user's attributes, the item's genres, and each attribute crossed with the genres. Nothing depends
on the user's id, so that it serves new users as well as known ones.
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
from recommender_training.features import attributes
from recommender_training.features.assembly import Inputs
from recommender_training.features.table import Source, columns

#: Inverse strength of the L2 penalty, chosen on the validation window of MovieLens 100K.
PENALTY = 0.003
#: Newest rows that a fit reads, which bounds its memory: 300 bytes each, several times over.
MAX_ROWS = 500_000


@dataclass(frozen=True)
class LogisticModel:
    """Weights by term. P buckets of the user's attributes, G genres, I items."""

    bias: float
    numbers: Floats  # [F] on standardised numbers
    mean: Floats  # [F]
    scale: Floats  # [F]
    item: Floats  # [I]
    genre: Floats  # [G]
    side: Floats  # [P]
    cross: Floats  # [P, G]

    def logits(self, inputs: Inputs, data: Dataset) -> npt.NDArray[np.float64]:
        """Logit of each row."""
        numbers = (inputs.numbers.numpy() - self.mean) / self.scale
        target = inputs.target.numpy() - 1
        genres = data.items.genres[target]
        side = side_hot(inputs.side, data).toarray()
        crossed = np.einsum("np,pg,ng->n", side, self.cross, genres, optimize=True)
        linear = numbers @ self.numbers + self.item[target] + genres @ self.genre
        return np.asarray(linear + side @ self.side + crossed + self.bias, dtype=np.float64)


def side_hot(side: Tensor, data: Dataset) -> sp.csr_matrix:
    """[N, P] one-hot attributes of the user, from their buckets [N, K]."""
    sizes = attributes.sizes(data.users)
    places = side.numpy() + attributes.offsets(sizes)
    count, each = places.shape
    pointer = np.arange(0, each * count + 1, each)
    ones = np.ones(each * count, dtype=np.float32)
    return sp.csr_matrix((ones, places.ravel(), pointer), shape=(count, sum(sizes)))


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
    names = ("numbers", "target", "side")
    read, wanted, sides = columns(inputs, torch.from_numpy(rows), names)
    numbers = read.numpy()
    mean = numbers.mean(0, dtype=np.float64).astype(np.float32)
    scale = numbers.std(0, dtype=np.float64).astype(np.float32)
    scale = np.where(scale < 1e-6, np.float32(1.0), scale)
    target = wanted.numpy() - 1
    count, items = len(rows), data.items.count
    genres = sp.csr_matrix(data.items.genres[target])
    item_hot = sp.csr_matrix(
        (np.ones(count, dtype=np.float32), target, np.arange(count + 1)), shape=(count, items)
    )
    side = side_hot(sides, data)
    cross = sp.hstack([side.multiply(genres[:, [g]]) for g in range(genres.shape[1])])
    dense = sp.csr_matrix((numbers - mean) / scale)
    design = sp.hstack([dense, item_hot, genres, side, cross], format="csr")
    model = LogisticRegression(C=penalty, max_iter=300, tol=1e-4)
    model.fit(design, labels[rows], None if weight is None else weight[rows])
    return _unpack(model, mean, scale, data)


def _unpack(
    model: LogisticRegression, mean: Floats, scale: Floats, data: Dataset
) -> LogisticModel:
    width = sum(attributes.sizes(data.users))
    genres = data.items.genres.shape[1]
    sizes = [len(mean), data.items.count, genres, width, width * genres]
    weights = model.coef_[0].astype(np.float32)
    numbers, item, genre, side, cross = np.split(weights, np.cumsum(sizes)[:-1])
    return LogisticModel(
        bias=float(model.intercept_[0]),
        numbers=numbers,
        mean=mean,
        scale=scale,
        item=item,
        genre=genre,
        side=side,
        cross=np.ascontiguousarray(cross.reshape(genres, width).T),
    )
