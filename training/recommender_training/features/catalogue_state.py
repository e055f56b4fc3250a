"""State of the catalogue at a time: counts, factors and groups; candidates of requests with it.

Legend of shapes: R requests, C candidates of each, I items, L history length, T taste numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from recommender_contract.resource.hyperparameters import FeatureGroup
from recommender_training.common.arrays import Ints
from recommender_training.data.dataset import Dataset
from recommender_training.features import event_history, graph, group_numbers
from recommender_training.features.assembly import Candidates, Requests, Sessions
from recommender_training.features.user_factors import ItemFactors, fit_before


@dataclass(frozen=True)
class CatalogueState:
    """Counts, factors and groups of every item at a time."""

    counts: event_history.ItemCounts  # [I]
    taste: ItemFactors
    extras: group_numbers.Tables | None = None  # what the feature groups need, if any is read

    @classmethod
    def at(
        cls, data: Dataset, time: int | None, groups: Sequence[FeatureGroup] = ()
    ) -> CatalogueState:
        """From the events strictly earlier than `time` (all, if None), with what `groups` need."""
        counts = event_history.counts_at(data.events, time, data.items.count)
        fitted = fit_before(data.events, time, data.items.count)
        return cls(counts, fitted, group_numbers.Tables.at(data, time) if groups else None)


def candidates(
    data: Dataset,
    state: CatalogueState,
    groups: Sequence[FeatureGroup],
    prior: float,
    requests: Requests,
    items: Ints,
) -> Candidates:
    """The items [R, C] as candidates of the requests, as they were known at the time of `state`.

    `groups` are the feature groups to compute, `prior` the share of positives that they shrink to.
    """
    asked = group_numbers.Asked(requests.user, requests.time, items)
    numbers = group_numbers.of_candidates(data, groups, prior, state.counts, state.extras, asked)
    taste = _taste(state.taste, requests.sessions(data.events), torch.from_numpy(items))
    return Candidates(items, state.counts.take(items), taste, numbers)


def _taste(taste: ItemFactors, sessions: Sessions, items: Tensor) -> Tensor:
    """[R, C, T] taste numbers of the items [R, C]."""
    centre, bias, factors = taste.tensors()
    vector = graph.taste_vector(
        sessions.item, sessions.present, sessions.value, centre, bias, factors
    )
    return torch.as_tensor(graph.taste_numbers(vector.unsqueeze(1), bias[items], factors[items]))
