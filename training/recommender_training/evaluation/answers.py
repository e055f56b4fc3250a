"""What a model predicts on a window: a probability for each row, a list for each request.

Everything that is measured is a function of these and of the window, so that a model of another
run (the champion) is compared by its answers on the same rows.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from recommender_training.common.arrays import Bools, Doubles, Floats, Ints
from recommender_training.data.dataset import Dataset
from recommender_training.evaluation import list_prior, ranking
from recommender_training.features import groups, history, popularity
from recommender_training.features.assembly import Inputs
from recommender_training.features.prepared import Prepared
from recommender_training.features.state import State
from recommender_training.fitted.bundle import Bundle, baseline_probability, probability
from recommender_training.fitted.predict import predict
from recommender_training.fitted.retrieval import RetrievalModels
from recommender_training.mitigation.exposure import Bonus
from recommender_training.models import item_weights

#: Items in a list: precision, recall and NDCG are those at this rank.
TOP_K = 10


@dataclass(frozen=True)
class Answers:
    """Of one model on one window; legend as in `metrics`."""

    probability: Doubles | None  # [N] calibrated; None for a model that only ranks
    top: Ints  # [R, K] items, best first
    plain: Ints | None = None  # [R, K] without the bonus of item groups, where there is one

    @property
    def unchanged(self) -> Ints:
        """[R, K] the lists before any bonus."""
        return self.top if self.plain is None else self.plain


@dataclass(frozen=True)
class Window:
    """The rows to evaluate on, and what was known at their start."""

    data: Dataset
    rows: Ints  # [N] of the events
    task: ranking.RankingTask
    state: State  # before the first row
    sources: RetrievalModels = field(default_factory=RetrievalModels)  # what lists are ordered by
    inputs: Sequence[Inputs] | None = None  # of each request, where towers read them

    @property
    def counts(self) -> history.ItemCounts:
        """[I] events of each item before the first row."""
        return self.state.counts

    @property
    def label(self) -> Bools:
        """[N] positive responses."""
        return self.data.events.label[self.rows]

    @property
    def user(self) -> Ints:
        """[N] user of each row."""
        return self.data.events.user[self.rows].astype(np.int64)

    @property
    def item(self) -> Ints:
        """[N] item of each row."""
        return self.data.events.item[self.rows].astype(np.int64)

    @property
    def request_user(self) -> Ints:
        """[R] user of each request."""
        return np.array([request.user for request in self.task.requests], dtype=np.int64)

    def membership(self, by: str) -> Doubles:
        """[I, G] parts of each item in the groups (`groups.membership`), computed once."""
        known: Doubles | None = self._memberships.get(by)
        if known is None:
            known = groups.membership(by, self.data.items, self.counts)
            self._memberships[by] = known
        return known

    @functools.cached_property
    def _memberships(self) -> dict[str, Doubles]:
        return {}

    @functools.cached_property
    def prior(self) -> Doubles:
        """[R, I] ranking prior added to the logits of any model without its own.

        Popularity, retrieval from the events before the window, and the lift of the towers.
        """
        return self.prior_with(self.retrieval)

    @functools.cached_property
    def retrieval(self) -> Floats | None:
        """[I, I] item-to-item weights from the events before the window, where lists have them."""
        if not self.sources.weights:
            return None
        known = self.data.events.time < self.data.events.time[self.rows[0]]
        return np.asarray(item_weights.fit(self.data, known) * item_weights.RETRIEVAL_WEIGHT)

    def prior_with(self, weights: Floats | None) -> Doubles:
        """[R, I] what `prior` is with these item-to-item weights [I, I]."""
        data, requests = self.data, self.task.requests
        given: Sequence[Inputs | None] = self.inputs or [None] * len(requests)
        rows = []
        for request, inputs in zip(requests, given, strict=True):
            of_session = None if weights is None else weights[data.events.item[request.session]]
            rows.append(
                list_prior.prior(data, self.counts, of_session, self.sources, request, inputs)
            )
        return np.array(rows, dtype=np.float64).reshape(len(requests), data.items.count)

    def best(self, logits: Doubles, prior: Doubles | None = None) -> Ints:
        """[R, K] the lists of a model by its logits [R, I], and by a `prior` of its own."""
        added = self.prior if prior is None else prior
        return ranking.best(self.task, logits + added, TOP_K)


def window(prepared: Prepared, rows: Ints, sources: RetrievalModels | None = None) -> Window:
    """The window of these rows, which are sorted by time; lists are ordered by `sources`."""
    data, frozen, length = prepared.data, prepared.constants, prepared.history_length
    start = int(data.events.time[rows[0]])
    task = ranking.reveal_half(data, rows, length)
    state, inputs = State.at(data, start, frozen.groups), None
    if sources is not None and sources.towers is not None:
        first = torch.tensor([0])
        inputs = [
            ranking.catalogue_inputs(data, frozen, state, request, length).take(first)
            for request in task.requests
        ]
    return Window(data, rows, task, state, sources or RetrievalModels(), inputs)


def answer(bundle: Bundle, prepared: Prepared, window: Window) -> dict[str, Answers]:
    """Answers of `recommender`, `baseline`, `popularity` and `popularityBySegment`.

    The last one is there where some user is in a segment of the features for cold start.
    """
    task, data = window.task, prepared.data
    shape = (len(task.requests), data.items.count)

    def listed(name: str, found: Doubles, scorer: ranking.Scorer) -> Answers:
        length, frozen = prepared.history_length, prepared.constants
        logits = ranking.score_task(task, data, frozen, window.state, length, scorer)
        return with_lists(window, found, logits, bundle.bonus.get(name))

    base_scorer, scorer = scorers(bundle, prepared)
    popular = np.broadcast_to(window.counts.positives.astype(np.float64), shape)
    base = listed("baseline", baseline_probability(bundle, prepared, window.rows), base_scorer)
    served = base
    if bundle.deep is not None:
        served = listed("recommender", probability(bundle, prepared, window.rows), scorer)
    return {
        "recommender": served,
        "baseline": base,
        "popularity": Answers(None, ranking.best(task, popular, TOP_K)),
        **_by_segment(window),
    }


def _by_segment(window: Window) -> dict[str, Answers]:
    """The lists that are served where no model answers, from the events before the window."""
    data = window.data
    if next(popularity.by_segment(data, None), None) is None:
        return {}
    shape = (len(window.task.requests), data.context_width)
    context = np.array([each.context for each in window.task.requests], dtype=np.float32)
    segment = popularity.segment_of(data, window.request_user, context.reshape(shape))
    start, overall = int(data.events.time[window.rows[0]]), window.counts.positives
    scores = popularity.of_requests(data, start, segment, overall.astype(np.float64))
    return {"popularityBySegment": Answers(None, ranking.best(window.task, scores, TOP_K))}


def with_lists(
    window: Window,
    probability: Doubles | None,
    logits: Doubles,
    bonus: Bonus | None,
    prior: Doubles | None = None,
) -> Answers:
    """The answers of a model that predicts `probability` [N]: its lists are ordered by its logits
    [R, I] and its bonus.
    """
    plain = window.best(logits, prior)
    if bonus is None:
        return Answers(probability, plain)
    of_items = bonus.of_items(window.membership(bonus.by))
    return Answers(probability, window.best(logits + of_items, prior), plain)


def scorers(bundle: Bundle, prepared: Prepared) -> tuple[ranking.Scorer, ranking.Scorer]:
    """Calibrated logits of the baseline and of the model that is to serve, in eager mode."""
    data, deep = prepared.data, bundle.deep

    def base(inputs: Inputs) -> Doubles:
        return bundle.baseline_calibration(bundle.baseline.logits(inputs, data))

    def served(inputs: Inputs) -> Doubles:
        assert deep is not None
        logits: Doubles = predict(deep, inputs, torch.arange(len(inputs))).numpy()
        return bundle.deep_calibration(logits)

    return base, base if deep is None else served
