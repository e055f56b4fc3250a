"""The first weights of a ranker's fit: a regression on what is declared, and its products.

A fit in steps finds from a few hundred positives neither which products of features matter nor how
large the effects of each feature are: its products leave zero only if two rows do so together. A
regression with a variance for each of them finds both, and the ranker has a form that holds it.
So a fit starts there, and learns what else there is.

Legend of shapes: R columns of features of requests with products, C of items, K of a factor.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from recommender_training.common.arrays import Bools, Floats, Ints
from recommender_training.common.progress import say
from recommender_training.data.dataset import Dataset
from recommender_training.features.event_features import Source
from recommender_training.models.ranker import Ranker
from recommender_training.statistics import effects
from recommender_training.trainer.regression_design import Terms, design

#: Rows that the regression reads at most, and entries of all of them, of 8 bytes each.
MOST_ROWS, MOST_ENTRIES = 300_000, 40_000_000

#: A fit with a larger share of positives, or with more of them, starts from fresh weights: with
#: MovieLens 100K it ends a little better there, with 600 clicks of a shop far worse (ADR 0095).
RARE_SHARE, MOST_RARE = 0.02, 20_000
#: Deviation of the logit that a product of two numbers of embeddings has at least, if it is kept.
LEAST_FACTOR = 0.01


def wanted(labels: Bools) -> bool:
    """True if a fit to rows with these labels starts from the regression.

    Positives have to be rare: of many, a fit from fresh weights finds the form itself, and more
    beside it.
    """
    return int(labels.sum()) <= min(MOST_RARE, RARE_SHARE * len(labels))


def apply(
    model: Ranker,
    data: Dataset,
    inputs: Source,
    rows: Ints,
    labels: Bools,
    *,
    weight: Floats | None = None,
) -> dict[str, Tensor]:
    """Give a fresh model the weights of the regression on `rows`, in place.

    `labels` and `weight` are those of all events [N]. Returns the means of the prior of its
    weights by name, where they are not zero.
    """
    terms = Terms.of(model, data)
    kept, shift = sample(rows, labels, min(MOST_ROWS, MOST_ENTRIES // terms.entries))
    columns = design(terms, model, data, inputs, kept)
    say(f"train: starts from a regression on {len(kept)} rows, {columns.shape[1]} columns")
    found = effects.fit(
        columns, labels[kept], terms.group, None if weight is None else weight[kept]
    )
    mean_square = np.bincount(
        columns.indices, np.square(columns.data, dtype=np.float64), columns.shape[1]
    ) / len(kept)
    return _place(model, terms, found, shift, np.sqrt(mean_square).astype(np.float32))


def sample(rows: Ints, labels: Bools, most: int) -> tuple[Ints, float]:
    """At most so many of the rows, and what the logits of a fit to them are too high by.

    Half of them at most are positive, and half negative: of the rarer class all that fit.
    """
    if len(rows) <= most:
        return rows, 0.0
    random = np.random.default_rng(0)
    parts = [rows[labels[rows] == wanted] for wanted in (True, False)]
    kept = [
        random.choice(part, min(len(part), max(most // 2, most - len(other))), replace=False)
        for part, other in (parts, parts[::-1])
    ]
    shares = [len(few) / max(1, len(part)) for few, part in zip(kept, parts, strict=True)]
    return np.sort(np.concatenate(kept)), float(np.log(shares[0]) - np.log(shares[1]))


@torch.no_grad()
def _place(
    model: Ranker, terms: Terms, found: effects.Effects, shift: float, spread: Floats
) -> dict[str, Tensor]:
    """One number of an embedding has the effects of requests, one those of items, and some have
    the products, as nearly as these can tell. The others stay random for items, and are zero for
    requests: so they add nothing yet, and can be learned. Returns the means of the prior.
    """
    numbers, of_requests, of_items, products = terms.divide(found.weights)
    _, *spreads, _ = terms.divide(spread)
    mine, theirs = _joined(of_requests), _joined(of_items)
    by_row, by_column = map(_joined, spreads)
    rows, columns = terms.crossed
    most = model.size.embedding_dim - 2
    left, right = _factors(products, by_row[rows], by_column[columns], most)
    used = 2 + left.shape[1]
    own = model.user.weight.new_zeros(len(mine), model.size.embedding_dim)
    own[:, 0] = torch.from_numpy(mine)
    own[torch.from_numpy(rows), 2:used] = torch.from_numpy(left)
    model.user.weight.zero_()
    for table, part in zip(model.side, own.split_with_sizes(terms.requests), strict=True):
        table.get_parameter("weight").copy_(part)
    content = model.of_content.weight
    model.item.weight[:, :used] = 0.0
    content[:, :used] = 0.0
    content[: len(theirs), 1] = torch.from_numpy(theirs)
    content[torch.from_numpy(columns), 2:used] = torch.from_numpy(right)
    for place, wide in ((0, model.wide_user), (1, model.wide_item)):
        wide.weight.zero_()[0, place] = 1.0
        model.wide_match.weight[0, place] = 0.0
    read = len(model.mean)
    model.wide.weight.zero_()[0, :read] = torch.from_numpy(numbers[:read])
    if model.matches is not None:
        for each, agreement in zip(model.matches.of, numbers[read:].tolist(), strict=True):
            model.matches.weights[each.name].fill_(agreement)
    model.out.bias.fill_(found.intercept - shift)
    return _means(model, used)


def _means(model: Ranker, used: int) -> dict[str, Tensor]:
    """The means of the prior: the weights in the `used` numbers of embeddings, else zero."""
    centres = {
        f"side.{place}.weight": table.get_parameter("weight").clone()
        for place, table in enumerate(model.side)
    }
    centres["of_content.weight"] = model.of_content.weight.clone()
    for centre in centres.values():
        centre[:, used:] = 0.0
    return centres


def _joined(parts: Sequence[Floats]) -> Floats:
    return np.concatenate([*parts, np.zeros(0, dtype=np.float32)])


def _factors(products: Floats, mine: Floats, theirs: Floats, most: int) -> tuple[Floats, Floats]:
    """[R, K] and [C, K], K at most `most`, whose product is `products` [R, C] as nearly as can be.

    Nearness is that of logits: a column counts by its root mean square in the rows, `mine` [R] and
    `theirs` [C].
    """
    by_row, by_column = np.maximum(mine, 1e-4), np.maximum(theirs, 1e-4)
    left, size, right = np.linalg.svd(by_row[:, None] * products * by_column, full_matrices=False)
    rank = min(most, int((size > LEAST_FACTOR).sum()))
    root = np.sqrt(size[:rank])
    return left[:, :rank] * root / by_row[:, None], right[:rank].T * root / by_column[:, None]
