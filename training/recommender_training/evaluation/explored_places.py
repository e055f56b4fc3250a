"""The explored places of a window as requests, and what a model would put there.

A place counts if its impression is a row of the window, that is if its label is known. A model
puts the item of the pool there that it ranks first, as in its lists: by response, first stage and
bonus, from what was known at the start of the window. Legend of shapes: D places, P items of a
pool at most, I items.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
import scipy.sparse as sp

from recommender_training.common.arrays import Bools, Doubles, Floats, Ints
from recommender_training.data.dataset import Dataset
from recommender_training.data.explored import Explored
from recommender_training.evaluation.first_stage import FirstStage
from recommender_training.evaluation.ranking import RankingTask, Request, Shortlist, blocks
from recommender_training.features.history import Histories
from recommender_training.statistics import calibration

#: Places that are judged; of more, so many are drawn from a fixed seed.
MAX_PLACES = 50_000
#: Scores of items that are held at once.
_BLOCK = 4_000_000


@dataclass(frozen=True)
class Places:
    """The places of a window that can be judged, and how many of it cannot."""

    row: Ints  # [D] of the events: the impression of the item that was shown
    pool: Ints  # [D, P] rows in Items, best first; below 0 after the last
    chosen: Ints  # [D] place in its pool of the item that was shown
    task: RankingTask  # D requests, which exclude nothing
    without_label: int = 0
    unknown_items: int = 0
    #: Places that could be judged, before any were drawn.
    known: int = 0

    @property
    def present(self) -> Bools:
        """[D, P] where a pool has an item."""
        return np.asarray(self.pool >= 0)

    @property
    def size(self) -> Ints:
        """[D] items of each pool."""
        return np.asarray(self.present.sum(1), dtype=np.int64)


@dataclass(frozen=True)
class Pools:
    """Of one model."""

    first: Ints  # [D] place in the pool of the item that it would put there
    probability: Doubles  # [D, P] of a positive response to each item


def of(data: Dataset, rows: Ints, length: int) -> Places | None:
    """The places of the window `rows`, sorted by time; None if the data has no table of them."""
    explored, events = data.explored, data.events
    if explored is None:
        return None
    place, row = _matched(explored, data, rows)
    first, last = (int(events.time[rows[end]]) for end in (0, -1))
    inside = int(((explored.time >= first) & (explored.time <= last)).sum())
    whole = (explored.pool[place] >= 0).sum(1) == explored.size[place]
    unlabelled, unknown = inside - len(place), int((~whole).sum())
    place, row = place[whole], row[whole]
    known = len(row)
    if known > MAX_PLACES:
        drawn = np.sort(np.random.default_rng(0).choice(known, MAX_PLACES, replace=False))
        place, row = place[drawn], row[drawn]
    pool = explored.pool[place]
    chosen = np.asarray((pool == explored.item[place][:, None]).argmax(1), dtype=np.int64)
    requests = requests_of(data, row, length)
    none = sp.csr_matrix((len(requests), data.items.count))
    task = RankingTask(requests, none, none, len(requests))
    return Places(row, pool, chosen, task, unlabelled, unknown, known)


def _matched(explored: Explored, data: Dataset, rows: Ints) -> tuple[Ints, Ints]:
    """The places whose impression is one of `rows`, and its row; one place an impression."""
    events = data.events
    if data.label is None or data.label.attribution is None:  # of no impression
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    key = ["user", "item", "time"]
    shown = pl.DataFrame(
        {
            "user": events.user[rows].astype(np.int64),
            "item": events.item[rows].astype(np.int64),
            "time": events.time[rows],
            "row": rows,
        }
    ).unique(key, keep="first", maintain_order=True)
    places = pl.DataFrame({name: getattr(explored, name) for name in key}).with_row_index("place")
    found = places.unique(key, keep="first", maintain_order=True).join(shown, on=key).sort("place")
    return found["place"].to_numpy().astype(np.int64), found["row"].to_numpy().astype(np.int64)


def requests_of(data: Dataset, rows: Ints, length: int) -> list[Request]:
    """What was asked at each of the impressions, from strictly earlier events."""
    events = data.events
    sessions = Histories.of(events).before(rows, length)
    contexts = data.as_served(events.context_of(rows))
    return [
        Request(int(events.user[row]), session[session >= 0], int(events.time[row]), context)
        for row, session, context in zip(rows.tolist(), sessions, contexts, strict=True)
    ]


def shortlist(places: Places, stage: FirstStage, added: Floats | None) -> Shortlist:
    """The pools as candidates, in their own order; `added` [I] as in `FirstStage.shortlist`."""
    items = np.where(places.present, places.pool, 0)
    order = np.empty(items.shape)
    requests, count = places.task.requests, stage.known.data.items.count
    for part in blocks(len(requests), count, _BLOCK):
        scores = stage.scores([requests[place] for place in part]).astype(np.float64)
        if added is not None:
            scores += added
        order[part] = np.take_along_axis(scores, items[part], 1)
    order[~places.present] = -np.inf
    return Shortlist(items, order)


def judged(pools: Shortlist, logits: Doubles, of_rows: Callable[[Doubles], Doubles]) -> Pools:
    """What a model with these logits [D, P] would choose; of equal items the first of the pool."""
    first = np.asarray((logits + pools.order).argmax(1), dtype=np.int64)
    return Pools(first, of_rows(calibration.probability(logits)))
