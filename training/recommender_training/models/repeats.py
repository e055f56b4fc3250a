"""How likely an item of a session comes again: by how often it came, and how long ago.

The state of an item in a session is the number of its events and the time since the newest one,
relative to the usual gap between two events of one user with this item (`graph.repeat_states`).
A table holds how often an item in each state was the next positive event, as the log of its ratio
to an item drawn evenly: the unit of log popularity. After the time-aware repeat models of Rendle
and Anderson et al., "The dynamics of repeat consumption", 2014,
https://doi.org/10.1145/2566486.2568018.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from recommender_training.common.arrays import Floats, Ints
from recommender_training.data.dataset import Dataset, Events
from recommender_training.features import graph
from recommender_training.features.event_history import Histories

#: Positive events, the newest ones, that the table is counted from.
MAX_TARGETS = 20_000
#: Item events of the overall share that smooth the share of a state.
_STATE_PRIOR = 20.0
#: Gaps at the mean of all items that smooth the gap of an item; seconds without any: a week.
_GAP_PRIOR, _NO_GAP = 3.0, 604_800.0
_BATCH = 1_000


@dataclass(frozen=True)
class Repeats:
    """The table, and what is usual for each item."""

    table: Floats  # [graph.REPEAT_STATES] log of the share, relative to an item drawn evenly
    gaps: Floats  # [I] seconds between two events of one user


def fit(data: Dataset, time: int | None, length: int) -> Repeats:
    """Fit to the events before a time (all if None), with sessions of `length` events."""
    events = data.events
    last = len(events) if time is None else int(np.searchsorted(events.time, time))
    acts = events if last == len(events) else events.take(np.arange(last, dtype=np.int64))
    gaps = usual_gaps(acts.acts, data.items.count)
    return Repeats(_table(acts, gaps, data.items.count, length), gaps)


def usual_gaps(events: Events, count: int) -> Floats:
    """[I] geometric mean of the seconds between two events of one user with an item, smoothed."""
    at = np.lexsort((events.time, events.item, events.user))
    user, item, time = events.user[at], events.item[at], events.time[at]
    again = (user[1:] == user[:-1]) & (item[1:] == item[:-1]) & (time[1:] > time[:-1])
    log, of = np.log(np.diff(time)[again]), item[1:][again]
    mean = float(log.mean()) if len(log) else float(np.log(_NO_GAP))
    total = np.bincount(of, log, count) + _GAP_PRIOR * mean
    return np.asarray(np.exp(total / (np.bincount(of, minlength=count) + _GAP_PRIOR)), np.float32)


def _table(events: Events, gaps: Floats, count: int, length: int) -> Floats:
    seen, came = np.zeros(graph.REPEAT_STATES), np.zeros(graph.REPEAT_STATES)
    targets = np.flatnonzero(events.label)[-MAX_TARGETS:]
    histories, of_items = Histories.of(events), torch.from_numpy(gaps)
    for part in np.array_split(targets, max(1, -(-len(targets) // _BATCH))):
        rows = histories.before(part, length)
        items = np.where(rows < 0, -1, events.item[rows]).astype(np.int64)
        states, newest = graph.repeat_states(
            torch.from_numpy(items),
            torch.from_numpy(rows >= 0),
            torch.from_numpy(np.where(rows < 0, 0, events.time[rows])),
            torch.from_numpy(events.time[part]),
            of_items,
        )
        state, own = states.numpy(), newest.numpy()
        again = own & (items == events.item[part][:, None])
        seen += np.bincount(state[own], minlength=graph.REPEAT_STATES)
        came += np.bincount(state[again], minlength=graph.REPEAT_STATES)
    share = (came.sum() + 1.0) / (seen.sum() + count)
    smoothed = (came + _STATE_PRIOR * share) / (seen + _STATE_PRIOR)
    return np.asarray(np.log(smoothed * count), dtype=np.float32)


def share_of_repeats(data: Dataset, rows: Ints, length: int) -> float:
    """Share of the positive events among `rows` whose item is in the session before them."""
    events = data.events
    rows = rows[events.label[rows]]
    if not len(rows):
        return 0.0
    before = Histories.of(events).before(rows, length)
    items = np.where(before < 0, -1, events.item[before])
    return float((items == events.item[rows][:, None]).any(1).mean())
