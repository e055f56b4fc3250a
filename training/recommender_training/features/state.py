"""What is known of every item at a time, and the inputs of a request against all of them.

Legend of shapes: R requests, I items, L history length, T taste numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recommender_training.config.training import FeatureGroup
from recommender_training.data.dataset import Dataset
from recommender_training.features import extras, graph, history
from recommender_training.features.assembly import Candidates, Requests, Sessions
from recommender_training.features.history import ItemCounts
from recommender_training.features.taste import Taste, fit_before


@dataclass(frozen=True)
class State:
    """What is known of every item at a time."""

    counts: history.ItemCounts  # [I]
    taste: Taste
    extras: extras.Tables | None = None  # what the feature groups need, if any is read

    @classmethod
    def at(cls, data: Dataset, time: int | None, groups: Sequence[FeatureGroup] = ()) -> State:
        """From the events strictly earlier than `time` (all, if None), with what `groups` need."""
        counts = history.counts_at(data.events, time, data.items.count)
        fitted = fit_before(data.events, time, data.items.count)
        return cls(counts, fitted, extras.Tables.at(data, time) if groups else None)


def catalogue(
    data: Dataset,
    state: State,
    groups: Sequence[FeatureGroup],
    prior: float,
    request: Requests,
) -> Candidates:
    """Every item as a candidate of one request, as the items were known at the time of `state`.

    `groups` are the feature groups to compute, `prior` the share of positives that they shrink to.
    """
    counts, user, time = state.counts, int(request.user[0]), int(request.time[0])
    numbers = extras.of_catalogue(data, groups, prior, counts, state.extras, user, time)
    return Candidates(
        np.arange(data.items.count, dtype=np.int64)[None, :],
        ItemCounts(counts.events[None, :], counts.positives[None, :], counts.total[None, :]),
        _taste(state.taste, request.sessions(data.events)),
        numbers.unsqueeze(0),
    )


def _taste(taste: Taste, sessions: Sessions) -> Tensor:
    """[R, I, T] taste numbers of all items."""
    centre, bias, factors = taste.tensors()
    vector = graph.taste_vector(
        sessions.item, sessions.present, sessions.value, centre, bias, factors
    )
    return torch.as_tensor(graph.taste_numbers(vector.unsqueeze(1), bias, factors))
