"""Rolling-origin folds: train on the past, validate on the next period. Pure.

All folds lie before the test window. The last fold is the split of the final training; each
earlier one ends where the validation period of the next one starts.
"""

from __future__ import annotations

import numpy as np

from recommender_training.common.errors import InputError
from recommender_training.data.dataset import Dataset, Events
from recommender_training.data.splits import Split, temporal


def past(data: Dataset, time: int) -> Dataset:
    """Return the data set without events at or after `time`. Users and items stay."""
    return data.until(time)


def rolling_origin(events: Events, split: Split, count: int) -> tuple[Split, ...]:
    """Return `count` folds, oldest first, each with about the validation rows of `split`.

    Each fold has an empty test part and ends at its `test_start`. Rows are those of `events`. If
    `events` includes the test window of `split`, no fold has a row of it.

    Raises InputError `TooFewRows` if a part of a fold has no rows or only one class.
    """
    rows = events.rows
    time = events.time[rows]
    known = int(np.searchsorted(time, split.test_start, side="left"))
    size = len(split.validation)
    places = [known - size * left for left in range(count, 0, -1)]
    if places[0] < 1:
        raise InputError(
            "TooFewRows",
            f"{known} rows before the test window are too few for {count} folds of {size} rows; "
            "lower training.search.folds",
        )
    starts = [int(time[place]) for place in places]
    ends = [*starts[1:], split.test_start]
    return tuple(
        _fold(events, number, start, end)
        for number, (start, end) in enumerate(zip(starts, ends, strict=True), start=1)
    )


def _fold(events: Events, number: int, start: int, end: int) -> Split:
    rows = events.rows
    time = events.time[rows]
    fold = Split(
        train=events.known_before(rows[time < start], start),
        validation=events.known_before(rows[(time >= start) & (time < end)], end),
        test=rows[:0],
        validation_start=start,
        test_start=end,
    )
    for name in ("train", "validation"):
        labels = events.label[getattr(fold, name)]
        if len(labels) == 0 or labels.all() or not labels.any():
            raise InputError(
                "TooFewRows",
                f"the {name} part of fold {number} has {len(labels)} rows, {int(labels.sum())} "
                "of them positive; both classes are needed: lower training.search.folds or add "
                "data",
            )
    return fold


def of_past(data: Dataset, count: int) -> tuple[tuple[Split, ...], Dataset]:
    """Return the folds of a data set, and the data before the test window for the search."""
    split = temporal(data.events)
    known = past(data, split.test_start)
    return rolling_origin(known.events, split, count), known
