"""Ranking over the full catalogue: reveal the first half of each test user, predict the rest.

For every user of the window with a relevant event in the second half of his events, one request
is made at the time of the first event of that half: the session is what the user did strictly
before, everything revealed is excluded from the ranking, and item statistics are those at the
start of the window. Relevant are the positive events of the second half.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recommender_training.common.arrays import Bools, Doubles, Floats, Ints
from recommender_training.data.dataset import Dataset, Events
from recommender_training.features.assembly import Constants, Inputs, Requests, assemble
from recommender_training.features.state import State, catalogue
from recommender_training.statistics import metrics

#: Users whose lists are evaluated: scores of the whole catalogue are held for each.
MAX_REQUESTS = 2000

#: Scores of every item, [I], for the inputs of one request (one row an item).
Scorer = Callable[[Inputs], Doubles]


@dataclass(frozen=True)
class Request:
    """One recommendation to make: rows of the data set, all strictly before `time`."""

    user: int
    session: Ints  # rows of Events, oldest first
    time: int
    context: Floats  # [C] values of the declared features, as they are at serving


@dataclass(frozen=True)
class RankingTask:
    """Requests, and which items are excluded and which are relevant, both [R, I]."""

    requests: list[Request]
    excluded: Bools
    relevant: Bools
    users: int = 0  # of whom the requests are, before any were drawn


def reveal_half(data: Dataset, window: Ints, length: int) -> RankingTask:
    """The task of this module on the events of `window` (rows sorted by time).

    Of MAX_REQUESTS users at most, drawn from a fixed seed.
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
    before = _earlier(events, int(window[0]), [int(events.user[rows[0]]) for rows in chosen])
    requests, excluded, relevant = [], [], []
    for rows, earlier in zip(chosen, before, strict=True):
        hidden = rows[len(rows) // 2 :]
        liked = events.item[hidden[label[hidden]]]
        user, now = int(events.user[rows[0]]), int(events.time[hidden[0]])
        known = np.r_[earlier, rows[: len(rows) // 2]]
        session = known[events.time[known] < now][-length:]
        context = data.as_served(events.context_of(hidden[:1]))[0]
        requests.append(Request(user, session, now, context))
        excluded.append(_mask(events.item[known], data.items.count))
        relevant.append(_mask(liked, data.items.count))
    shape = (len(requests), data.items.count)
    return RankingTask(
        requests,
        np.array(excluded, dtype=np.bool_).reshape(shape),
        np.array(relevant, dtype=np.bool_).reshape(shape),
        len(groups),
    )


def _by_user(events: Events, rows: Ints) -> list[Ints]:
    """The rows of each user, users ascending, rows in their order."""
    ordered = rows[np.argsort(events.user[rows], kind="stable")]
    return np.split(ordered, np.flatnonzero(np.diff(events.user[ordered])) + 1)


def _earlier(events: Events, first: int, users: list[int]) -> list[Ints]:
    """The rows before `first` of each of these users, who are ascending."""
    wanted = np.zeros(int(events.user.max(initial=-1)) + 1, dtype=np.bool_)
    wanted[users] = True
    rows = np.flatnonzero(wanted[events.user[:first]]).astype(np.int64)
    ordered = rows[np.argsort(events.user[rows], kind="stable")]
    starts = np.searchsorted(events.user[ordered], np.array(users, dtype=np.int64))
    return np.split(ordered, starts[1:]) if users else []


def catalogue_inputs(
    data: Dataset, frozen: Constants, state: State, request: Request, length: int
) -> Inputs:
    """Inputs of one request against every item: I rows."""
    single = Requests.one(request.user, request.time, request.session, length, request.context)
    candidates = catalogue(data, state, frozen.groups, frozen.prior, single)
    return assemble(data, frozen, single, candidates)


def score_task(
    task: RankingTask,
    data: Dataset,
    frozen: Constants,
    state: State,
    length: int,
    scorer: Scorer,
) -> Doubles:
    """[R, I] scores of every request and item."""
    rows = [
        scorer(catalogue_inputs(data, frozen, state, request, length)) for request in task.requests
    ]
    return np.array(rows, dtype=np.float64).reshape(len(task.requests), data.items.count)


def best(task: RankingTask, scores: Doubles, k: int) -> Ints:
    """[R, K] items of each request by score; fewer than `k` where a request has fewer left."""
    left = (~task.excluded).sum(1)
    return metrics.top_k(scores, task.excluded, min(k, int(left.min(initial=k))))


def per_request(task: RankingTask, top: Ints) -> dict[str, Doubles]:
    """[R] precision, recall and NDCG of each list."""
    if top.shape[1] == 0:
        return dict.fromkeys(("precision", "recall", "ndcg"), np.zeros(len(top)))
    return {
        "precision": metrics.precision_at_k(top, task.relevant),
        "recall": metrics.recall_at_k(top, task.relevant),
        "ndcg": metrics.ndcg_at_k(top, task.relevant),
    }


def ranking_metrics(task: RankingTask, top: Ints, k: int) -> dict[str, float]:
    """Mean precision, recall and NDCG at `k`; zero without a request."""
    return {
        f"{name}At{k}": float(values.mean()) if len(values) else 0.0
        for name, values in per_request(task, top).items()
    }


def _mask(items: Ints, count: int) -> Bools:
    mask = np.zeros(count, dtype=np.bool_)
    mask[items] = True
    return mask
