"""The first stage, which orders items: popularity, item-to-item weights, towers' lift.

In eager mode, as the exported models do it (`export.modules.Serving.first_stage`). The best items
of this order are the candidates that a model scores. A graph keeps some of them for new items, the
lists of an evaluation do not: users answered to items that an earlier model showed (ADR 0078).

Legend of shapes: R requests, I items, L events of a session, C candidates, N new items.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from recommender_training.common.arrays import Bools, Doubles, Floats, Ints
from recommender_training.evaluation.ranking_metrics import (
    Known,
    RankingTask,
    Request,
    Shortlist,
    blocks,
    together,
)
from recommender_training.features import assembly, graph
from recommender_training.features.assembly import Inputs
from recommender_training.fitted import new_items
from recommender_training.fitted.new_items import KeptWithin, NewItems
from recommender_training.fitted.retrieval import RetrievalModels
from recommender_training.models import item_weights, ivf_index
from recommender_training.models.item_weights import Weights
from recommender_training.models.next_items import NextItems
from recommender_training.models.repeats import Repeats
from recommender_training.models.trends import Trends

#: Scores of items that are held at once.
_BLOCK = 4_000_000


@dataclass(frozen=True)
class FirstStage:
    """Order of the items of a time, before any response."""

    known: Known
    sources: RetrievalModels
    #: [I, I] with their weight in the order, where `sources` has them.
    weights: Weights | None
    #: How items come again, where they may.
    repeats: Repeats | None = None
    #: What came after what, where it counts.
    next_items: NextItems | None = None

    def scores(self, requests: Sequence[Request], inputs: Inputs | None = None) -> Floats:
        """[R, I] of every item. `inputs` for a caller that has them (`_inputs`)."""
        total, *others = self.parts(requests, inputs).values()
        for each in others:
            total = total + each
        return total

    def parts(
        self, requests: Sequence[Request], inputs: Inputs | None = None
    ) -> dict[str, Floats]:
        """[R, I] what each source adds, by its name in `OrderWeights`."""
        known, sources = self.known, self.sources
        popularity = item_weights.popularity_prior(known.state.counts)
        standing = popularity * np.float32(sources.order.popularity)
        found = {"popularity": np.tile(standing, (len(requests), 1))}
        if self.weights is not None:
            found["items"] = self.retrieved(requests)
        if sources.towers is not None:
            found["lift"] = sources.lift(inputs or self._inputs(requests), self._tower_items)
        if self.repeats is not None:
            found["repeats"] = self.repeated(requests)
        if self.next_items is not None:
            newest, before = self._newest(requests)
            order = sources.order
            found["next"] = self.next_items.after_one(newest) * np.float32(order.next)
            found["pair"] = self.next_items.after_two(newest, before) * np.float32(order.pair)
        if sources.order.trend > 0:
            found["trend"] = self._trending(requests) * np.float32(sources.order.trend)
        return found

    def _trending(self, requests: Sequence[Request]) -> Floats:
        """[R, I] what items get for their events of late."""
        times = np.array([each.time for each in requests], dtype=np.int64)
        counts = torch.from_numpy(Trends.of(self.known.data).counts(times))
        shares = torch.from_numpy(item_weights.shares(self.known.state.counts))
        return graph.trend_scores(counts, shares).numpy()

    def _newest(self, requests: Sequence[Request]) -> tuple[Ints, Ints]:
        """[R] item of the newest event of each session, and [R] of the one before; -1 for none."""
        rows = together(self.known.data, requests, self.known.length).session
        items = np.where(rows < 0, -1, self.known.data.events.item[rows]).astype(np.int64)
        newest, before = graph.newest_two(torch.from_numpy(items), torch.from_numpy(rows >= 0))
        return newest.numpy(), before.numpy()

    def repeated(self, requests: Sequence[Request]) -> Floats:
        """[R, I] what the items of each session get because they may come again."""
        assert self.repeats is not None
        known, events = self.known, self.known.data.events
        batch = together(known.data, requests, known.length)
        rows = batch.session
        items = torch.from_numpy(np.where(rows < 0, -1, events.item[rows]).astype(np.int64))
        states, newest = graph.repeat_states(
            items,
            torch.from_numpy(rows >= 0),
            torch.from_numpy(np.where(rows < 0, 0, events.time[rows])),
            torch.from_numpy(batch.time),
            torch.from_numpy(self.repeats.gaps),
        )
        table = torch.from_numpy(self.repeats.table) * self.sources.order.repeats
        added = graph.repeat_scores(states, newest, table)
        found = torch.zeros(len(requests), known.data.items.count)
        return found.scatter_add(1, items.clamp(min=0), added).numpy()

    def _inputs(self, requests: Sequence[Request]) -> Inputs:
        known = self.known
        batch = together(known.data, requests, known.length)
        return assembly.of_requests(known.data, known.frozen, batch)

    def reached(
        self, requests: Sequence[Request], slack: float = 0.0, inputs: Inputs | None = None
    ) -> Bools | None:
        """[R, I] the items that probed cells and neighbours find; None where the scan is exact.

        `slack` as for `ivf_index.probed`, `inputs` as for `scores`.
        """
        ivf = self.sources.ivf
        if ivf is None:
            return None
        inputs = inputs or self._inputs(requests)
        asked = self.sources.request_vectors(inputs, self._tower_items)
        means, level = self._page_means
        read = ivf_index.probed(asked @ means.T + level, ivf.probes, slack)
        found: Bools = read[:, self._page_of]
        if self.repeats is not None:
            found = found | self._own(requests)
        if self.next_items is not None:
            newest, before = self._newest(requests)
            found = found | (self.next_items.after_one(newest) > 0)
            found = found | (self.next_items.after_two(newest, before) > 0)
        if self.sources.order.trend > 0:
            found = found | (self._trending(requests) > 0)
        return found if self.weights is None else found | self._near(requests)

    def reached_within(self, request: Request, slack: float) -> tuple[Bools, Bools]:
        """[I] the items that are found whatever happens within `slack`, and [I] those that may."""
        inputs = None if self.sources.ivf is None else self._inputs([request])
        found = [self.reached([request], each, inputs) for each in (-slack, slack)]
        every = np.ones(self.known.data.items.count, dtype=np.bool_)
        surely, perhaps = (every if each is None else each[0] for each in found)
        return surely, perhaps

    @functools.cached_property
    def new(self) -> NewItems:
        """The new items, for which a graph keeps some of the candidates."""
        known = self.known
        return new_items.new_items_of(self.sources, known.state.counts.events, known.data)

    def new_within(self, request: Request, order: Doubles, slack: float) -> KeptWithin:
        """The new items that a graph keeps for a request, but for the arithmetic.

        `order` [I] is -inf for items that the request may not get.
        """
        surely, perhaps = (np.zeros(len(order), dtype=np.bool_) for _ in range(2))
        rows, kept = self.new.rows, 0
        if self.new.kept:
            asked = self.sources.request_vectors(self._inputs([request]), self._tower_items)[0]
            lift = self._tower_items[rows + 1].numpy() @ asked + self.new.level
            allowed = np.isfinite(order[rows])
            lift = np.where(allowed, lift, np.float32(-np.inf))
            surely[rows], perhaps[rows] = self.new.best_within(lift, slack)
            kept = min(self.new.kept, int(allowed.sum()))
        return KeptWithin(surely, perhaps, kept)

    @functools.cached_property
    def _page_means(self) -> tuple[Floats, Floats]:
        assert self.sources.ivf is not None
        standing = self.sources.standing(self.known.state.counts)
        return self.sources.ivf.means(self._tower_items[1:].numpy(), standing)

    @functools.cached_property
    def _page_of(self) -> Ints:
        """[I] the page of each item."""
        assert self.sources.ivf is not None
        return self.sources.ivf.cell_of(self.known.data.items.count)

    @functools.cached_property
    def _neighbours(self) -> sp.csr_matrix:
        """[I, I] ones where an item has a neighbour."""
        weights = sp.csr_matrix(self.weights)
        stored = np.ones(len(weights.data), dtype=np.float32)
        return sp.csr_matrix((stored, weights.indices, weights.indptr), shape=weights.shape)

    def _near(self, requests: Sequence[Request]) -> Bools:
        """[R, I] the neighbours of the items of each session."""
        near = _session_events(self.known, requests) @ self._neighbours
        return np.asarray(near.toarray() > 0)

    def _own(self, requests: Sequence[Request]) -> Bools:
        """[R, I] the items of each session."""
        return np.asarray(_session_events(self.known, requests).toarray() > 0)

    @functools.cached_property
    def _tower_items(self) -> Tensor:
        """[I + 1, D] the towers' vectors of the items, computed once for all requests."""
        return self.sources.item_vectors(self.known.data.items.known_at)

    def retrieved(self, requests: Sequence[Request]) -> Floats:
        """[R, I] how well each item goes with the session of each request."""
        found = _session_events(self.known, requests) @ self.weights
        dense = found.toarray() if sp.issparse(found) else found
        return np.asarray(dense, dtype=np.float32)

    def shortlist(self, task: RankingTask, added: Floats | None = None) -> Shortlist:
        """The candidates by score of each request of the task, without what it excludes.

        `added` [I] is added to the order of each item: -inf leaves one out.
        """
        requests, count = task.requests, self.known.data.items.count
        wanted = self.sources.plan.candidates or count
        items = np.empty((len(requests), min(wanted, count)), dtype=np.int64)
        order = np.empty(items.shape)
        for part in blocks(len(requests), count, _BLOCK):
            asked = [requests[place] for place in part]
            inputs = None if self.sources.towers is None else self._inputs(asked)
            scores = self.scores(asked, inputs).astype(np.float64)
            if added is not None:
                scores += added
            reached = self.reached(asked, inputs=inputs)
            if reached is not None:
                scores[~reached] = -np.inf
            scores[task.excluded[part].nonzero()] = -np.inf
            items[part] = largest(scores, items.shape[1])
            order[part] = np.take_along_axis(scores, items[part], 1)
        return Shortlist(items, order)


def largest(scores: Doubles, count: int) -> Ints:
    """[R, C] columns of the `count` largest scores [R, I], ascending; any of equal ones."""
    width = scores.shape[1]
    if count >= width:
        return np.tile(np.arange(width, dtype=np.int64), (len(scores), 1))
    return np.sort(np.argpartition(-scores, count - 1, axis=1)[:, :count], axis=1)


def _session_events(known: Known, requests: Sequence[Request]) -> sp.csr_matrix:
    """[R, I] summed weights of the events of each session, by item."""
    events, sessions = known.data.events, [each.session for each in requests]
    weights, items = [np.zeros(0, dtype=np.float32)], [np.zeros(0, dtype=np.int64)]
    for session in sessions:
        values = torch.from_numpy(events.value[session])[None, :]
        present = torch.ones(values.shape, dtype=torch.bool)
        weights.append(graph.event_weights(present, values).numpy()[0])
        items.append(events.item[session])
    row = np.repeat(np.arange(len(sessions)), [len(each) for each in sessions])
    shape = (len(sessions), known.data.items.count)
    return sp.csr_matrix((np.concatenate(weights), (row, np.concatenate(items))), shape=shape)
