"""Retrieval by item-to-item weights: which items go with a session, and which come after it.

A response model alone answers "would he like it", not "would he look for it": by itself it ranks
obscure favourites first. So the order of an answer is the response's logit, plus the retrieval
score, plus popularity, each with its weight (`fitted.order_weights`). The score is the sum of the
weights of the session's events, each counting less with its age and more where it was liked
(`graph.event_weights`). The weights add two things: what users like together, and how often an
item came within the next events of a user.

Dense weights take the first from EASE (Steck 2019), whose matrix grows with the square of the
catalogue. Sparse ones (`models.neighbours`) keep the largest weights of each item. All settings
were chosen by rolling origin (ADR 0008, ADR 0029).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import scipy.sparse as sp

from recommender_contract.resource.hyperparameters import ItemWeights
from recommender_training.common.arrays import Bools, Doubles, Floats
from recommender_training.data.dataset import Dataset, Events
from recommender_training.features.event_history import ItemCounts
from recommender_training.models import neighbours
from recommender_training.models.ease import liked_together, of_mean_square_one
from recommender_training.models.item_transitions import ItemTransitions, by_users

#: Weight of what came after, beside what is liked together; both have rows of mean square one.
TRANSITION_WEIGHT = 0.6

#: [I, I] weights; row: item of the session.
Weights: TypeAlias = Floats | sp.csr_matrix


def fit(data: Dataset, known: Bools, form: ItemWeights = ItemWeights.DENSE) -> Weights:
    """[I, I] weights from the events marked by `known` [N], Dense or Sparse."""
    events, count = data.events.take(known).acts, data.items.count
    if form is ItemWeights.SPARSE:
        return neighbours.fit(events, count, TRANSITION_WEIGHT)
    weights = of_mean_square_one(liked_together(events, count))
    weights += TRANSITION_WEIGHT * of_mean_square_one(transition_weights(events, count))
    return np.asarray(weights, dtype=np.float32)


def transition_weights(events: Events, count: int) -> Floats:
    """[I, I] how often the later item came within LAGS events of a user after the earlier one."""
    found = ItemTransitions.of(events, count)
    total = sp.csr_matrix((count, count))
    for some in by_users(events):
        total = total + found.sums(some)
    return np.asarray(found.weighted(total).toarray(), dtype=np.float32)


def popularity_prior(counts: ItemCounts) -> Floats:
    """[I] log popularity, relative to the mean item."""
    return np.asarray(np.log(_shares(counts) * counts.events.size), dtype=np.float32)


def shares(counts: ItemCounts) -> Floats:
    """[I] share of each item in all events, as if each had one more."""
    return np.asarray(_shares(counts), dtype=np.float32)


def _shares(counts: ItemCounts) -> Doubles:
    return np.asarray((counts.events + 1.0) / (counts.total + counts.events.size))
