"""The global temporal split: train on the past, validate on the next, test on the last events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from recommender_training.common.arrays import Ints
from recommender_training.common.errors import InputError
from recommender_training.data.dataset import Events

T = TypeVar("T")


@dataclass(frozen=True)
class Split:
    """Rows of the three parts and the times that part them. A second is never divided."""

    train: Ints
    validation: Ints
    test: Ints
    validation_start: int
    test_start: int


#: Shares of the events to train on and to choose with; the rest is the test window.
TRAIN_SHARE, VALIDATION_SHARE = 0.8, 0.1
_SECONDS_A_DAY = 86_400
#: What to do where a part has no event at all.
SHARED_SECOND = (
    "too many events share a second, which is never divided: map the time of the event itself "
    "(timestamp of data.source.mapping.interactions)"
)


def window(first: int, last: int, days: int | None) -> tuple[int, int]:
    """First and last second of the last `days` of what lies between two times, or of all."""
    return (first if days is None else max(first, last - days * _SECONDS_A_DAY + 1)), last


def places(count: int) -> tuple[int, int]:
    """Places, in the order of time, of the first events of validation and of test."""
    return int(count * TRAIN_SHARE), int(count * (TRAIN_SHARE + VALIDATION_SHARE))


def temporal(events: Events) -> Split:
    """Split at two times, so that the parts hold about their shares of the events.

    Raises InputError `TooFewRows` when a part would be empty or hold one class of label only.
    """
    count = len(events)
    if count < 10:
        raise InputError("TooFewRows", f"{count} rows cannot be split in time; add data")
    first, second = (int(events.time[place]) for place in places(count))
    rows = np.arange(count, dtype=np.int64)
    starts = np.searchsorted(events.time, [first, second], side="left")
    train, validation, test = np.split(rows, starts)  # views: the rows are held once
    split = Split(
        train=train,
        validation=validation,
        test=test,
        validation_start=first,
        test_start=second,
    )
    for name in ("train", "validation", "test"):
        labels = events.label[getattr(split, name)]
        if len(labels) == 0:
            raise InputError("TooFewRows", f"the {name} window has 0 rows: {SHARED_SECOND}")
        if labels.all() or not labels.any():
            raise InputError(
                "TooFewRows",
                f"the {name} window has {len(labels)} rows, {int(labels.sum())} of them positive; "
                "both classes are needed in each window: add data or lengthen data.window.days",
            )
    return split


class OnceOnly(Generic[T]):
    """Gives its value once, so that the test window is hard to read twice.

    A second look would let choices leak into the final figures.
    """

    def __init__(self, value: T) -> None:
        self._value: T | None = value

    def open(self) -> T:
        """The value; raises RuntimeError the second time."""
        if self._value is None:
            raise RuntimeError("the test window was already read in this run")
        value, self._value = self._value, None
        return value
