"""What is added to a response's logit to order a list: popularity, retrieval, the towers' lift.

In eager mode, as the exported models do it (`export.modules.Serving.best`).
"""

from __future__ import annotations

import numpy as np
import torch

from recommender_training.common.arrays import Doubles, Floats
from recommender_training.data.dataset import Dataset
from recommender_training.evaluation.ranking import Request
from recommender_training.features import graph
from recommender_training.features.assembly import Inputs
from recommender_training.features.history import ItemCounts
from recommender_training.fitted.retrieval import RetrievalModels
from recommender_training.models import item_weights


def prior(
    data: Dataset,
    counts: ItemCounts,
    weights: Floats | None,
    sources: RetrievalModels,
    request: Request,
    inputs: Inputs | None,
) -> Doubles:
    """[I] of one request.

    `weights` [L, I] are those of the session's items, and there where `sources` has them. `inputs`
    are those of the request, in their first row; the towers read them.
    """
    total = item_weights.popularity_prior(counts) * np.float32(sources.popularity_weight)
    if weights is not None:
        total = total + retrieved(weights, data, request)
    if sources.towers is not None:
        assert inputs is not None
        total = total + sources.lift(inputs.take(torch.tensor([0])))[0]
    return np.asarray(total, dtype=np.float64)


def retrieved(weights: Floats, data: Dataset, request: Request) -> Floats:
    """[I] retrieval score of every item, as the exported model computes it.

    `weights` [L, I] are those of the session's items.
    """
    values = data.events.value[request.session]
    present = torch.ones((1, len(values)), dtype=torch.bool)
    event = graph.event_weights(present, torch.from_numpy(values)[None, :])
    return np.asarray(event.numpy()[0] @ weights, dtype=np.float32)
