"""What a model answers on a window: a probability of each row, a list for each request.

Everything that is measured is a function of these and of the window, so that a model of another
run (the champion) is compared by handing over its answers on the same rows.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from recommender_training.data.dataset import Dataset, Ints
from recommender_training.evaluation import metrics, order, ranking
from recommender_training.features import history
from recommender_training.features.table import Inputs, State
from recommender_training.models import retrieval
from recommender_training.models.bundle import (
    Bundle,
    Prepared,
    baseline_probability,
    probability,
)
from recommender_training.models.fit import predict
from recommender_training.models.sources import Sources

#: Items in a list: precision, recall and NDCG are those at this rank.
TOP_K = 10


@dataclass(frozen=True)
class Answers:
    """Of one model on one window; legend as in `metrics`."""

    probability: metrics.Array | None  # [N] calibrated; None for a model that only ranks
    top: Ints  # [R, K] items, best first


@dataclass(frozen=True)
class Window:
    """The rows that are judged, and what was known at their start."""

    data: Dataset
    rows: Ints  # [N] of the events
    task: ranking.RankingTask
    state: State  # before the first row
    sources: Sources = field(default_factory=Sources)
    inputs: list[Inputs] | None = None  # of each request, which the towers read

    @property
    def counts(self) -> history.ItemCounts:
        """[I] events of each item before the first row."""
        return self.state.counts

    @property
    def label(self) -> metrics.Mask:
        """[N] positive responses."""
        return self.data.events.label[self.rows]

    @property
    def user(self) -> Ints:
        """[N] user of each row."""
        return self.data.events.user[self.rows]

    @property
    def item(self) -> Ints:
        """[N] item of each row."""
        return self.data.events.item[self.rows]

    @property
    def request_user(self) -> Ints:
        """[R] user of each request."""
        return np.array([request.user for request in self.task.requests], dtype=np.int64)

    @functools.cached_property
    def prior(self) -> metrics.Array:
        """[R, I] what is added to the logits of any model to order a list, whose own it is not.

        Popularity, and retrieval from the events before the window.
        """
        data, weights, requests = self.data, None, self.task.requests
        if self.sources.weights:
            weights = retrieval.fit(data, data.events.time < data.events.time[self.rows[0]])
        told: Sequence[Inputs | None] = self.inputs or [None] * len(requests)
        rows = [
            order.prior(data, self.counts, weights, self.sources, request, inputs)
            for request, inputs in zip(requests, told, strict=True)
        ]
        return np.array(rows, dtype=np.float64).reshape(len(requests), data.items.count)

    def best(self, logits: metrics.Array) -> Ints:
        """[R, K] the lists of a model by its logits [R, I]."""
        return ranking.best(self.task, logits + self.prior, TOP_K)


def window(prepared: Prepared, rows: Ints, sources: Sources | None = None) -> Window:
    """The window of these rows, which are sorted by time; lists are ordered by `sources`."""
    data = prepared.data
    start = int(data.events.time[rows[0]])
    task = ranking.reveal_half(data, rows, prepared.history_length)
    sources, state, inputs = sources or Sources(), State.at(data, start), None
    if sources.towers is not None:
        length, frozen, first = prepared.history_length, prepared.constants, torch.tensor([0])
        inputs = [
            ranking.catalogue_inputs(data, frozen, state, request, length).take(first)
            for request in task.requests
        ]
    return Window(data, rows, task, state, sources, inputs)


def answer(bundle: Bundle, prepared: Prepared, judged: Window) -> dict[str, Answers]:
    """Answers of `recommender`, `baseline` and `popularity`."""
    task, data = judged.task, prepared.data
    shape = (len(task.requests), data.items.count)

    def listed(scorer: ranking.Scorer) -> Ints:
        length, frozen = prepared.history_length, prepared.constants
        return judged.best(ranking.score_task(task, data, frozen, judged.state, length, scorer))

    base_scorer, scorer = scorers(bundle, prepared)
    popular = np.broadcast_to(judged.counts.positives.astype(np.float64), shape)
    base = Answers(baseline_probability(bundle, prepared, judged.rows), listed(base_scorer))
    served = base
    if bundle.deep is not None:
        served = Answers(probability(bundle, prepared, judged.rows), listed(scorer))
    return {
        "recommender": served,
        "baseline": base,
        "popularity": Answers(None, ranking.best(task, popular, TOP_K)),
    }


def scorers(bundle: Bundle, prepared: Prepared) -> tuple[ranking.Scorer, ranking.Scorer]:
    """Calibrated logits of the baseline and of the model that is to serve, in eager mode."""
    data, deep = prepared.data, bundle.deep

    def base(inputs: Inputs) -> metrics.Array:
        return bundle.baseline.logits(inputs, data) / bundle.baseline_temperature

    def served(inputs: Inputs) -> metrics.Array:
        assert deep is not None
        logits: metrics.Array = predict(deep, inputs, torch.arange(len(inputs))).numpy()
        return logits / bundle.deep_temperature

    return base, base if deep is None else served
