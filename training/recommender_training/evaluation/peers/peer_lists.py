"""Lists of the peers for the requests of a window.

They answer what the model answers: the same requests and sessions, every item of the catalogue
but those that the request excludes. They know what was known at the start of the window, except
for recent popularity, which is live. Where a peer has no opinion, the popularity of all time
decides. Legend of shapes: R requests, I items, K ranks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from recommender_training.common.arrays import Doubles, Ints
from recommender_training.data.dataset import Events
from recommender_training.evaluation import ranking_metrics
from recommender_training.evaluation.peers.liked_together import Ease, item_knn
from recommender_training.evaluation.peers.markov_chain import MarkovChain
from recommender_training.evaluation.peers.recent_popularity import RecentPopularity
from recommender_training.evaluation.predictions import TOP_K, Window
from recommender_training.evaluation.ranking_metrics import RankingTask

#: Acts before the window that peers are fitted to, the newest ones.
MAX_EVENTS = 2_000_000
#: Scores of one peer: above them, requests are drawn. Scores that are held at a time.
MAX_SCORES, _BLOCK = 200_000_000, 2_000_000
#: Weight of the popularity of all time beside scores of at most 1: it decides between equal ones.
_TIE = 1e-9


@dataclass(frozen=True)
class PeerLists:
    """The lists of each peer, and what they are of."""

    places: Ints  # [R] of the requests that were answered, ascending
    task: RankingTask  # of these requests alone
    top: dict[str, Ints]  # [R, K] items by peer, best first
    events: int  # acts that the peers were fitted to
    head: int  # items that EASE knows


def peer_lists(window: Window) -> PeerLists:
    """The lists of every peer; needs a request."""
    places = _drawn(len(window.task.requests), window.data.items.count)
    task = window.task.take(places)
    past = _past(window)
    answering = _Answering(window, task, past)
    top = {name: np.empty((len(places), answering.ranks), dtype=np.int64) for name in
           answering.names}  # fmt: skip
    for some, scores in answering.blocks():
        for name, found in scores.items():
            top[name][some] = _best(found, task.excluded[some], answering.ranks)
    return PeerLists(places, task, top, len(past), len(answering.ease.head))


def _drawn(requests: int, items: int) -> Ints:
    """The places of the requests, or of as many as MAX_SCORES leaves, from a fixed seed."""
    most = max(1, MAX_SCORES // max(1, items))
    if requests <= most:
        return np.arange(requests, dtype=np.int64)
    return np.sort(np.random.default_rng(0).choice(requests, most, replace=False))


def _past(window: Window) -> Events:
    """The newest acts before the window."""
    events = window.data.events
    acts = events.take(events.time < window.start).acts
    return acts.take(np.arange(max(0, len(acts) - MAX_EVENTS), len(acts)))


class _Answering:
    """The fitted peers, and their scores."""

    def __init__(self, window: Window, task: RankingTask, past: Events) -> None:
        self._task, self._events = task, window.data.events
        self._items = items = window.data.items.count
        popular = window.counts.positives.astype(np.float64)
        order = np.lexsort((-np.arange(items), popular))
        self._standing = np.empty(items)  # in [0, 1), by popularity, of equal ones the first
        self._standing[order] = np.arange(items) / max(1, items)
        self._recent = RecentPopularity(self._events, self._standing)
        self._chain = MarkovChain.of(past, items)
        self._liked = self._liked_of([request.session for request in task.requests])
        self._knn = item_knn(past, items, np.unique(self._liked.indices).astype(np.int64))
        self.ease = Ease.of(past, items)
        left = items - np.diff(task.excluded.indptr)
        self.ranks = min(TOP_K, int(left.min(initial=TOP_K)))

    names = (
        "popularity",
        "popularityHour",
        "popularityDay",
        "popularityWeek",
        "markovFirstOrder",
        "markovSecondOrder",
        "itemKnn",
        "ease",
    )

    def blocks(self) -> Iterator[tuple[Ints, dict[str, Doubles]]]:
        """Places of some requests, in the order of time, and their scores [r, I] by peer."""
        requests = self._task.requests
        times = np.array([request.time for request in requests], dtype=np.int64)
        ordered = np.argsort(times, kind="stable")
        for part in ranking_metrics.blocks(len(requests), self._items, _BLOCK):
            some = ordered[part]
            recent = [self._recent.scores(int(times[place])) for place in some]
            newest, before = self._last_two(some)
            first, second = self._chain.scores(newest, before)
            liked = self._liked[some]
            standing = np.tile(self._standing, (len(some), 1))
            yield (
                some,
                {
                    "popularity": standing,
                    **{name: np.stack([each[name] for each in recent]) for name in recent[0]},
                    "markovFirstOrder": self._with_ties(first),
                    "markovSecondOrder": self._with_ties(second),
                    "itemKnn": self._with_ties(self._knn.scores(liked)),
                    "ease": self._with_ties(self.ease.scores(liked)),
                },
            )

    def _with_ties(self, scores: Doubles) -> Doubles:
        """Scaled to at most 1, with the popularity of all time between equal ones."""
        largest = np.abs(scores).max(1, initial=0.0, keepdims=True)
        scaled = np.divide(scores, largest, out=np.zeros_like(scores), where=largest > 0)
        return np.asarray(scaled + _TIE * self._standing)

    def _last_two(self, places: Ints) -> tuple[Ints, Ints]:
        """Item of the last event of each session and of the one before; -1 for none."""
        found = np.full((len(places), 2), -1, dtype=np.int64)
        for row, place in enumerate(places):
            session = self._task.requests[place].session[-2:]
            found[row, 2 - len(session) :] = self._events.item[session]
        return found[:, 1], found[:, 0]

    def _liked_of(self, sessions: Sequence[Ints]) -> sp.csr_matrix:
        """[R, I] ones for the items of the positive events of each session."""
        liked = [session[self._events.positive[session]] for session in sessions]
        row = np.repeat(np.arange(len(sessions)), [len(each) for each in liked])
        column = self._events.item[np.concatenate([np.zeros(0, dtype=np.int64), *liked])]
        shape = (len(sessions), self._items)
        found = sp.csr_matrix((np.ones(len(row)), (row, column)), shape=shape)
        found.data[:] = 1.0
        return found


def _best(scores: Doubles, excluded: sp.csr_matrix, ranks: int) -> Ints:
    """[r, K] items by scores [r, I], without the excluded ones [r, I]."""
    scores[excluded.nonzero()] = -np.inf
    found = np.argpartition(-scores, max(0, ranks - 1), axis=1)[:, :ranks]
    order = np.argsort(-np.take_along_axis(scores, found, 1), axis=1, kind="stable")
    return np.asarray(np.take_along_axis(found, order, 1), dtype=np.int64)
