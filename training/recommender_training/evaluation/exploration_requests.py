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
from recommender_training.data.exploration_log import ExplorationLog
from recommender_training.evaluation.first_stage import FirstStage
from recommender_training.evaluation.ranking_metrics import RankingTask, Request, Shortlist, blocks
from recommender_training.features.event_history import Histories
from recommender_training.statistics import calibration

#: Maximum number of places to evaluate; of more, this many are drawn with a fixed seed.
MAX_PLACES = 50_000
#: First-stage scores of a model at all places, one of each item: fewer places in a large
#: catalogue, but not below the least.
MAX_SCORES, LEAST_PLACES = 2_000_000_000, 5_000
#: Scores of items that are held at once.
_BLOCK = 4_000_000
#: What tells impressions of an item apart.
_KEY = ["user", "item", "time"]


@dataclass(frozen=True)
class Places:
    """The places of a window to evaluate, and how many places it has besides."""

    row: Ints  # [D] of the events: the impression of the item that was shown
    pool: Ints  # [D, P] rows in Items, best first; below 0 after the last
    chosen: Ints  # [D] place in its pool of the item that was shown
    task: RankingTask  # D requests, which exclude nothing
    without_label: int = 0
    unknown_items: int = 0
    #: Number of places with a known label and known items, before any were drawn.
    known: int = 0
    #: Whether the label is attributed to impressions; else no place has one.
    attributed: bool = True
    #: Places of the window, each once.
    inside: int = 0
    #: Time of the last row of the window, in seconds since 1970.
    until: int = 0

    @property
    def present(self) -> Bools:
        """[D, P] where a pool has an item."""
        return np.asarray(self.pool >= 0)

    @property
    def items(self) -> Ints:
        """[D, P] rows in Items; any after the last item of a pool."""
        return np.where(self.present, self.pool, 0)

    @property
    def size(self) -> Ints:
        """[D] items of each pool."""
        return np.asarray(self.present.sum(1), dtype=np.int64)


@dataclass(frozen=True)
class Pools:
    """Of one model."""

    first: Ints  # [D] place in the pool of the item that it would put there
    probability: Doubles  # [D, P] of a positive response to each item


def most(items: int) -> int:
    """Return the maximum number of places to evaluate in a catalogue of this size."""
    return min(MAX_PLACES, max(LEAST_PLACES, MAX_SCORES // max(1, items)))


def explored_places(data: Dataset, rows: Ints, length: int) -> Places | None:
    """The places of the window `rows`, sorted by time; None if the data has no table of them."""
    explored, events = data.explored, data.events
    if explored is None:
        return None
    decided = _decided(explored, int(events.time[rows[0]]), int(events.time[rows[-1]]))
    place, row = _matched(decided, data, rows)
    whole = (explored.pool[place] >= 0).sum(1) == explored.size[place]
    unlabelled, unknown = decided.height - len(place), int((~whole).sum())
    place, row = place[whole], row[whole]
    known, limit = len(row), most(data.items.count)
    if known > limit:
        drawn = np.sort(np.random.default_rng(0).choice(known, limit, replace=False))
        place, row = place[drawn], row[drawn]
    pool = explored.pool[place]
    chosen = np.asarray((pool == explored.item[place][:, None]).argmax(1), dtype=np.int64)
    requests = requests_of(data, row, length)
    none = sp.csr_matrix((len(requests), data.items.count))
    return Places(
        row,
        pool,
        chosen,
        RankingTask(requests, none, none, len(requests)),
        without_label=unlabelled,
        unknown_items=unknown,
        known=known,
        attributed=_attributed(data),
        inside=decided.height,
        until=int(events.time[rows[-1]]),
    )


def _decided(explored: ExplorationLog, first: int, last: int) -> pl.DataFrame:
    """The decisions between two times, and their `place` in the table.

    Of those of one user with one item in one second the first: they are one impression.
    """
    table = pl.DataFrame({name: getattr(explored, name) for name in _KEY})
    inside = table.with_row_index("place").filter(pl.col("time").is_between(first, last))
    return inside.unique(_KEY, keep="first", maintain_order=True)


def _attributed(data: Dataset) -> bool:
    return data.label is not None and data.label.attribution is not None


def _matched(decided: pl.DataFrame, data: Dataset, rows: Ints) -> tuple[Ints, Ints]:
    """The places of the decisions whose impression is one of `rows`, and its row."""
    events = data.events
    if not _attributed(data):  # to no impression
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    shown = pl.DataFrame(
        {
            "user": events.user[rows].astype(np.int64),
            "item": events.item[rows].astype(np.int64),
            "time": events.time[rows],
            "row": rows,
        }
    ).unique(_KEY, keep="first", maintain_order=True)
    found = decided.join(shown, on=_KEY).sort("place")
    return found["place"].to_numpy().astype(np.int64), found["row"].to_numpy().astype(np.int64)


def requests_of(data: Dataset, rows: Ints, length: int) -> list[Request]:
    """Requests of the impressions, from strictly earlier events."""
    events = data.events
    sessions = Histories.of(events).before(rows, length)
    contexts = data.as_served(events.context_of(rows))
    return [
        Request(int(events.user[row]), session[session >= 0], int(events.time[row]), context)
        for row, session, context in zip(rows.tolist(), sessions, contexts, strict=True)
    ]


def order(places: Places, stage: FirstStage) -> Doubles:
    """[D, P] order of the items of the pools before any response or bonus."""
    items, requests = places.items, places.task.requests
    found = np.empty(items.shape)
    for part in blocks(len(requests), stage.known.data.items.count, _BLOCK):
        scores = stage.scores([requests[place] for place in part])
        found[part] = np.take_along_axis(scores, items[part], 1)
    return found


def shortlist(places: Places, ordered: Doubles, added: Floats | None) -> Shortlist:
    """The pools as candidates, in their own order; `added` [I] as in `FirstStage.shortlist`."""
    items = places.items
    total = ordered if added is None else ordered + added[items]
    return Shortlist(items, np.where(places.present, total, -np.inf))


def judged(pools: Shortlist, logits: Doubles, of_rows: Callable[[Doubles], Doubles]) -> Pools:
    """Choices of a model with these logits [D, P]; of equal items the first of the pool."""
    first = np.asarray((logits + pools.order).argmax(1), dtype=np.int64)
    return Pools(first, of_rows(calibration.probability(logits)))
