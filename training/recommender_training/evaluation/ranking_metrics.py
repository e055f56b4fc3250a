"""Lists over the full catalogue: reveal the first half of each test user, predict the rest.

For every user of the window with a relevant event in the second half of their events, one request
is made at the time of the first event of that half: the session is what the user did strictly
before, everything revealed is excluded from the list, and item statistics are those at the start
of the window. Where items may come again, only what is revealed too recently is excluded. Relevant
are the positive events of the second half. Legend of shapes: R requests,
C candidates of each, I items, K ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from recommender_training.common.arrays import Bools, Doubles, Floats, Ints
from recommender_training.data.dataset import Dataset, Events
from recommender_training.features.assembly import Constants, Inputs, Requests, assemble
from recommender_training.features.catalogue_state import CatalogueState, candidates
from recommender_training.statistics import model_metrics

#: Users whose lists are evaluated.
MAX_REQUESTS = 2000
#: Why there is no metric of lists, and the remedy.
NO_REQUEST = (
    "no user of the window has a positive event in the second half of their events there, as with "
    "one event a user: lengthen data.window.days, or add data"
)
#: Candidates whose inputs are held at once.
_BLOCK = 32_768

#: Scores [N] of the candidates of requests, one row of the inputs each.
Scorer = Callable[[Inputs], Doubles]


@dataclass(frozen=True)
class Request:
    """One recommendation to make: rows of the data set, all strictly before `time`."""

    user: int
    session: Ints  # rows of Events, oldest first
    time: int
    context: Floats  # [A] values of the declared features, as they are at serving


@dataclass(frozen=True)
class RankingTask:
    """Requests, and which items are excluded and which are relevant, both [R, I] of ones."""

    requests: list[Request]
    excluded: sp.csr_matrix
    relevant: sp.csr_matrix
    users: int = 0  # of whom the requests are, before any were drawn

    @property
    def wanted(self) -> Ints:
        """[R] number of relevant items."""
        return np.asarray(np.diff(self.relevant.indptr), dtype=np.int64)

    def take(self, places: Ints) -> RankingTask:
        """Some of the requests."""
        requests = [self.requests[place] for place in places]
        return RankingTask(requests, self.excluded[places], self.relevant[places], self.users)

    def hits(self, top: Ints) -> Bools:
        """[R, K] mask of the relevant items of lists [R, K]."""
        rows = np.arange(len(top))[:, None]
        return np.asarray(self.relevant[rows, top].todense() > 0).reshape(top.shape)


@dataclass(frozen=True)
class Shortlist:
    """Items of each request that a model scores, ascending, and what orders them before that."""

    items: Ints  # [R, C]
    order: Doubles  # [R, C] -inf for items that the request may not get

    def best(self, scores: Doubles, k: int) -> Ints:
        """[R, K] items by scores [R, C] and order; fewer than `k` where a request has fewer."""
        left = np.isfinite(self.order).sum(1)
        top = model_metrics.top_k(scores + self.order, min(k, int(left.min(initial=k))))
        return np.asarray(np.take_along_axis(self.items, top, 1))


def reveal_half(
    data: Dataset, window: Ints, length: int, repeat_after: int | None = None
) -> RankingTask:
    """The task of this module on the events of `window` (rows sorted by time).

    Of MAX_REQUESTS users at most, drawn from a fixed seed. Items may come again when their newest
    event is `repeat_after` seconds old, never if None.
    """
    events, label = data.events, data.events.label
    groups = [
        rows
        for rows in _by_user(events, window)
        if len(rows) > 1 and label[rows[len(rows) // 2 :]].any()
    ]
    chosen = groups
    if len(groups) > MAX_REQUESTS:
        drawn = np.random.default_rng(0).choice(len(groups), MAX_REQUESTS, replace=False)
        chosen = [groups[number] for number in np.sort(drawn)]
    requests, excluded, relevant = [], [], []
    for rows, known in zip(chosen, _revealed(events, window, chosen), strict=True):
        hidden = rows[len(rows) // 2 :]
        user, now = int(events.user[rows[0]]), int(events.time[hidden[0]])
        session = known[events.time[known] < now][-length:]
        context = data.as_served(events.context_of(hidden[:1]))[0]
        requests.append(Request(user, session, now, context))
        excluded.append(events.item[withheld(events, known, now, repeat_after)])
        relevant.append(events.item[hidden[label[hidden]]])
    count = data.items.count
    return RankingTask(requests, _marks(excluded, count), _marks(relevant, count), len(groups))


def withheld(events: Events, known: Ints, now: int, repeat_after: int | None) -> Ints:
    """Those of the rows `known` whose items a request at `now` may not get."""
    if repeat_after is None:
        return known
    return known[events.time[known] > now - repeat_after]


def _by_user(events: Events, rows: Ints) -> list[Ints]:
    """The rows of each user, users ascending, rows in their order."""
    ordered = rows[np.argsort(events.user[rows], kind="stable")]
    return np.split(ordered, np.flatnonzero(np.diff(events.user[ordered])) + 1)


def _revealed(events: Events, window: Ints, chosen: list[Ints]) -> list[Ints]:
    """The events of each user before the second half of the user's `chosen` rows."""
    users = [int(events.user[rows[0]]) for rows in chosen]
    if events.labels is None:
        before = _earlier(events, int(window[0]), users)
        return [
            np.r_[own, rows[: len(rows) // 2]] for own, rows in zip(before, chosen, strict=True)
        ]
    acts = events.labels.acts  # with those that have no label themselves
    before = _earlier(events, int(window[-1]) + 1, users)
    return [
        own[(own < rows[len(rows) // 2]) & acts[own]]
        for own, rows in zip(before, chosen, strict=True)
    ]


def _earlier(events: Events, first: int, users: list[int]) -> list[Ints]:
    """The rows before `first` of each of these users, who are ascending."""
    wanted = np.zeros(int(events.user.max(initial=-1)) + 1, dtype=np.bool_)
    wanted[users] = True
    rows = np.flatnonzero(wanted[events.user[:first]]).astype(np.int64)
    ordered = rows[np.argsort(events.user[rows], kind="stable")]
    starts = np.searchsorted(events.user[ordered], np.array(users, dtype=np.int64))
    return np.split(ordered, starts[1:]) if users else []


def together(data: Dataset, requests: Sequence[Request], length: int) -> Requests:
    """The requests as one batch, with sessions of `length` events at most."""
    return Requests.padded(
        np.array([each.user for each in requests], dtype=np.int64),
        np.array([each.time for each in requests], dtype=np.int64),
        [each.session[-length:] for each in requests],
        length,
        np.array([each.context for each in requests], dtype=np.float32).reshape(
            len(requests), data.context_width
        ),
    )


def blocks(requests: int, width: int, most: int = _BLOCK) -> list[Ints]:
    """Places of the requests, some at a time: about `most` candidates, `width` of each."""
    if requests == 0:
        return []
    count = -(-requests * max(1, width) // most)
    return np.array_split(np.arange(requests, dtype=np.int64), min(requests, count))


@dataclass(frozen=True)
class Known:
    """Inputs of a list: the data, and the state of the catalogue at the time of the request."""

    data: Dataset
    frozen: Constants
    state: CatalogueState
    length: int

    def inputs(self, requests: Sequence[Request], items: Ints) -> Inputs:
        """The inputs of the candidates [R, C] of the requests, those of the first one first."""
        batch = together(self.data, requests, self.length)
        frozen = self.frozen
        found = candidates(self.data, self.state, frozen.groups, frozen.prior, batch, items)
        return assemble(self.data, frozen, batch, found)

    def scores(self, requests: Sequence[Request], items: Ints, scorer: Scorer) -> Doubles:
        """[R, C] scores of the candidates [R, C]."""
        found = np.empty(items.shape)
        for part in blocks(*items.shape):
            asked = [requests[place] for place in part]
            found[part] = scorer(self.inputs(asked, items[part])).reshape(len(part), -1)
        return found


def best_of_all(scores: Doubles, excluded: sp.csr_matrix, k: int) -> Ints:
    """[R, K] items by the same scores [I] for all requests, without those `excluded` [R, I]."""
    most = int(np.diff(excluded.indptr).max(initial=0))
    first = np.argsort(-scores, kind="stable")[: k + most]
    out = excluded[:, first].toarray() > 0
    left = (~out).sum(1)
    order = np.argsort(out, axis=1, kind="stable")[:, : min(k, int(left.min(initial=k)))]
    return np.asarray(first[order], dtype=np.int64)


def per_request(task: RankingTask, top: Ints) -> dict[str, Doubles]:
    """[R] precision, recall and NDCG of each list."""
    if top.shape[1] == 0:
        return dict.fromkeys(("precision", "recall", "ndcg"), np.zeros(len(top)))
    hits, wanted = task.hits(top), task.wanted
    return {
        "precision": model_metrics.precision_at_k(hits),
        "recall": model_metrics.recall_at_k(hits, wanted),
        "ndcg": model_metrics.ndcg_at_k(hits, wanted),
    }


def ranking_metrics(task: RankingTask, top: Ints, k: int) -> dict[str, float]:
    """Mean precision, recall and NDCG at `k`; nothing without a request."""
    return {
        f"{name}At{k}": float(values.mean())
        for name, values in per_request(task, top).items()
        if len(values)
    }


def _marks(items: Sequence[Ints], count: int) -> sp.csr_matrix:
    """[R, I] ones at the items of each request."""
    rows = np.repeat(np.arange(len(items)), [len(each) for each in items])
    columns = np.concatenate([np.zeros(0, dtype=np.int64), *items])
    marks = sp.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(items), count))
    marks.data[:] = 1.0
    return marks
