"""The global temporal split: train on the past, validate on the next, test on the last events."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender_training.data.dataset import Events, Ints
from recommender_training.errors import InputError


@dataclass(frozen=True)
class Split:
    """Rows of the three parts and the times that part them. A second is never divided."""

    train: Ints
    validation: Ints
    test: Ints
    validation_start: int
    test_start: int


def temporal(events: Events, train_share: float = 0.8, validation_share: float = 0.1) -> Split:
    """Split at two times, so that the parts hold about these shares of the events.

    Raises InputError `TooFewRows` when a part would be empty or hold one class of label only.
    """
    count = len(events)
    if count < 10:
        raise InputError("TooFewRows", f"{count} rows cannot be split in time; add data")
    first = int(events.time[int(count * train_share)])
    second = int(events.time[int(count * (train_share + validation_share))])
    rows = np.arange(count, dtype=np.int64)
    split = Split(
        train=rows[events.time < first],
        validation=rows[(events.time >= first) & (events.time < second)],
        test=rows[events.time >= second],
        validation_start=first,
        test_start=second,
    )
    for name in ("train", "validation", "test"):
        labels = events.label[getattr(split, name)]
        if len(labels) == 0 or labels.all() or not labels.any():
            raise InputError(
                "TooFewRows",
                f"the {name} window has {len(labels)} rows, {int(labels.sum())} of them positive; "
                "both classes are needed in each window: add data or lengthen data.window.days",
            )
    return split
