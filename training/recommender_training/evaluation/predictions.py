"""Predictions of a model on a window: a probability for each row, a list for each request.

Everything that is measured is a function of these and of the window, so that a model of another
run (the champion) is compared by its answers on the same rows.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from scipy.special import expit, logit

from recommender_training.common.arrays import Bools, Doubles, Floats, Ints
from recommender_training.data.dataset import Dataset
from recommender_training.evaluation import exploration_requests, ranking_metrics
from recommender_training.evaluation.exploration_requests import Places, Pools
from recommender_training.evaluation.first_stage import FirstStage
from recommender_training.evaluation.ranking_metrics import Shortlist
from recommender_training.features import event_history, item_groups, popularity
from recommender_training.features.assembly import Inputs
from recommender_training.features.catalogue_state import CatalogueState
from recommender_training.features.prepared_data import PreparedData, judged_at
from recommender_training.fitted.bundle import Bundle, baseline_probability, probability
from recommender_training.fitted.order_weights import OrderWeights
from recommender_training.fitted.predict import predict
from recommender_training.fitted.retrieval import RetrievalModels
from recommender_training.mitigation.exposure import Bonus
from recommender_training.models.item_weights import Weights
from recommender_training.models.next_items import NextItems
from recommender_training.models.repeats import Repeats

#: Items in a list: precision, recall and NDCG are those at this rank.
TOP_K = 10


@dataclass(frozen=True)
class Answers:
    """Of one model on one window; legend as in `metrics`."""

    probability: Doubles | None  # [N] calibrated; None for a model that only ranks
    top: Ints  # [R, K] items, best first
    plain: Ints | None = None  # [R, K] without the bonus of item groups, where there is one
    pools: Pools | None = None  # at the explored places of the window, if it has any

    @property
    def unchanged(self) -> Ints:
        """[R, K] the lists before any bonus."""
        return self.top if self.plain is None else self.plain


@dataclass(frozen=True)
class Window:
    """The rows to evaluate on, and what was known at their start."""

    known: ranking_metrics.Known  # before the first row
    rows: Ints  # [N] of the events
    task: ranking_metrics.RankingTask
    sources: RetrievalModels = field(default_factory=RetrievalModels)  # what lists are ordered by
    rate_shift: float = 0.0  # `Prepared.rate_shift`, which the rows themselves do not have
    places: Places | None = None  # explored ones to judge models at

    @property
    def data(self) -> Dataset:
        """The data set of the rows."""
        return self.known.data

    @property
    def start(self) -> int:
        """Time of the first row."""
        return int(self.data.events.time[self.rows[0]])

    @property
    def counts(self) -> event_history.ItemCounts:
        """[I] events of each item before the first row."""
        return self.known.state.counts

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

    def of_rows(self, probability: Doubles) -> Doubles:
        """[N] probabilities as they are for rows with their own share of positives.

        Models answer at the declared share (`positiveRate`); the rows are compared at theirs.
        """
        if not self.rate_shift:
            return probability
        return np.asarray(expit(logit(probability) - self.rate_shift), dtype=np.float64)

    def membership(self, by: str) -> Doubles:
        """[I, G] parts of each item in the groups (`item_groups.membership`), computed once."""
        known: Doubles | None = self._memberships.get(by)
        if known is None:
            known = item_groups.membership(by, self.data.items, self.counts)
            self._memberships[by] = known
        return known

    @functools.cached_property
    def _memberships(self) -> dict[str, Doubles]:
        return {}

    @functools.cached_property
    def item_weights(self) -> Weights | None:
        """[I, I] item-to-item weights from the events before the window, where lists have them."""
        return self.sources.weights_before(self.data, self.start)

    @functools.cached_property
    def retrieval(self) -> Weights | None:
        """[I, I] the same as they count in the order."""
        return self.sources.weighted(self.item_weights)

    @functools.cached_property
    def repeats(self) -> Repeats | None:
        """How items come again, by the events before the window, where they may."""
        return self.sources.repeats_before(self.data, self.start, self.known.length)

    @functools.cached_property
    def next_items(self) -> NextItems | None:
        """What came after what, by the events before the window, where it counts."""
        return self.sources.next_before(self.data, self.start)

    def ordered_by(self, order: OrderWeights, repeat_after: int | None) -> Window:
        """The same with other weights of the sources, and another rule of what comes again."""
        sources = replace(self.sources, order=order, repeat_after=repeat_after)
        task = ranking_metrics.reveal_half(self.data, self.rows, self.known.length, repeat_after)
        other = replace(self, sources=sources, task=task)
        vars(other)["item_weights"] = self.item_weights  # the same events, and a long fit
        return other

    def stage(self, weights: Weights | None = None) -> FirstStage:
        """The first stage; with other item-to-item weights [I, I] if these are given."""
        weights = self.retrieval if weights is None else weights
        return FirstStage(self.known, self.sources, weights, self.repeats, self.next_items)

    @functools.cached_property
    def plain(self) -> Shortlist:
        """The candidates of any model, without the bonus of item groups."""
        return self.shortlist()

    def shortlist(self, added: Floats | None = None, weights: Weights | None = None) -> Shortlist:
        """The candidates with `added` [I] in their order; with other item-to-item weights [I, I]
        if these are given.
        """
        return self.stage(weights).shortlist(self.task, added)

    def scores(self, shortlist: Shortlist, scorer: ranking_metrics.Scorer) -> Doubles:
        """[R, C] scores of the candidates."""
        return self.known.scores(self.task.requests, shortlist.items, scorer)

    def pools(
        self, score: Score, added: Floats | None = None, weights: Weights | None = None
    ) -> Pools | None:
        """Choices of a model at the explored places; arguments as of `shortlist`."""
        if self.places is None or not len(self.places.row):
            return None
        order = self._pool_order if weights is None else self._order_of_pools(weights)
        found = exploration_requests.shortlist(self.places, order, added)
        logits = score(replace(self, task=self.places.task), found)
        return exploration_requests.judged(found, logits, self.of_rows)

    @functools.cached_property
    def _pool_order(self) -> Doubles:
        """[D, P] one pass over the catalogue, which version and champion share."""
        return self._order_of_pools()

    def _order_of_pools(self, weights: Weights | None = None) -> Doubles:
        assert self.places is not None
        return exploration_requests.order(self.places, self.stage(weights))


#: Logits [R, C] of candidates of the requests of a window.
Score = Callable[[Window, Shortlist], Doubles]


def window(prepared: PreparedData, rows: Ints, sources: RetrievalModels | None = None) -> Window:
    """The window of these rows, which are sorted by time; lists are ordered by `sources`.

    Lists see the items as they were at its start, as they see what was counted of them.
    """
    frozen, length = prepared.constants, prepared.history_length
    start = int(prepared.data.events.time[rows[0]])
    data = prepared.data.as_of(start)
    known = ranking_metrics.Known(
        data, frozen, CatalogueState.at(data, start, frozen.groups), length
    )
    sources = sources or RetrievalModels()
    task = ranking_metrics.reveal_half(data, rows, length, sources.repeat_after)
    return Window(known, rows, task, sources, prepared.rate_shift)


def answer(
    bundle: Bundle, prepared: PreparedData, window: Window, *, at_places: bool = True
) -> dict[str, Answers]:
    """Answers of `recommender`, `baseline`, `popularity` and `popularityBySegment`.

    The last one is there where some user is in a segment of the features for cold start. Rows and
    lists see the items as they were at the start of the window. What would stand at explored
    places is asked of `recommender` alone, and only `at_places`.
    """
    prepared = judged_at(prepared, window.start)

    def listed(
        name: str, found: Doubles, scorer: ranking_metrics.Scorer, *, serves: bool
    ) -> Answers:
        def score(asked: Window, shortlist: Shortlist) -> Doubles:
            return asked.scores(shortlist, scorer)

        bonus = bundle.bonus.get(name)
        return with_lists(window, found, score, bonus, at_places=at_places and serves)

    base_scorer, scorer = scorers(bundle, prepared)
    found, deep = baseline_probability(bundle, prepared, window.rows), bundle.deep is not None
    served = base = listed("baseline", found, base_scorer, serves=not deep)
    if deep:
        found = probability(bundle, prepared, window.rows)
        served = listed("recommender", found, scorer, serves=True)
    popular = window.counts.positives.astype(np.float64)
    return {
        "recommender": served,
        "baseline": base,
        "popularity": Answers(
            None, ranking_metrics.best_of_all(popular, window.task.excluded, TOP_K)
        ),
        **_by_segment(window),
    }


def _by_segment(window: Window) -> dict[str, Answers]:
    """The lists that are served where no model answers, from the events before the window."""
    data, excluded = window.data, window.task.excluded
    if next(popularity.by_segment(data, None), None) is None:
        return {}
    context = np.array([each.context for each in window.task.requests], dtype=np.float32)
    times = np.array([each.time for each in window.task.requests], dtype=np.int64)
    context = context.reshape(len(context), data.context_width)
    segment = popularity.segment_of(data, window.request_user, times, context)
    top = ranking_metrics.best_of_all(window.counts.positives.astype(np.float64), excluded, TOP_K)
    for code, scores in popularity.by_segment(data, window.start):
        own = np.flatnonzero(segment == code)
        if len(own):
            top[own] = ranking_metrics.best_of_all(scores, excluded[own], top.shape[1])
    return {"popularityBySegment": Answers(None, top)}


def with_lists(
    window: Window,
    probability: Doubles | None,
    score: Score,
    bonus: Bonus | None,
    weights: Weights | None = None,
    *,
    at_places: bool = True,
) -> Answers:
    """The answers of a model that predicts `probability` [N]: its lists are ordered by its logits
    of candidates and its bonus; by `weights` [I, I] of its own where these are given. What it
    would put at explored places takes a pass over the catalogue, so only `at_places`.
    """
    plain = window.plain if weights is None else window.shortlist(weights=weights)
    probability = None if probability is None else window.of_rows(probability)
    logits = score(window, plain)
    top = plain.best(logits, TOP_K)
    if bonus is None:
        pools = window.pools(score, weights=weights) if at_places else None
        return Answers(probability, top, pools=pools)
    added = bonus.of_items(window.membership(bonus.by))
    raised = window.shortlist(added, weights)
    if not np.array_equal(raised.items, plain.items):
        logits = score(window, raised)
    best = raised.best(logits, TOP_K)
    pools = window.pools(score, added, weights) if at_places else None
    return Answers(probability, best, top, pools)


def scorers(
    bundle: Bundle, prepared: PreparedData
) -> tuple[ranking_metrics.Scorer, ranking_metrics.Scorer]:
    """Calibrated logits of the baseline and of the model that is to serve, in eager mode."""
    data, deep = prepared.data, bundle.deep

    def base(inputs: Inputs) -> Doubles:
        return bundle.baseline_calibration(bundle.baseline.logits(inputs, data))

    def served(inputs: Inputs) -> Doubles:
        assert deep is not None
        logits: Doubles = predict(deep, inputs, torch.arange(len(inputs))).numpy()
        return bundle.deep_calibration(logits)

    return base, base if deep is None else served
