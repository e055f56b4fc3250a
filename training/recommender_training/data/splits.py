"""The global temporal split: train on the oldest events, then validate, then test on the last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from recommender_training.common.arrays import Ints
from recommender_training.common.errors import InputError
from recommender_training.data.dataset import Events
from recommender_training.data.training_window import places

T = TypeVar("T")


@dataclass(frozen=True)
class Split:
    """Rows of the three parts and the times between them. A second is never divided."""

    train: Ints
    validation: Ints
    test: Ints
    validation_start: int
    test_start: int


_SECONDS_PER_DAY = 86_400
#: Remedy for a part without events.
SHARED_SECOND = (
    "too many events share one second, which is never divided: map the time of the event itself "
    "(timestamp of data.source.mapping.interactions)"
)
#: Remedy for rows that are all positive.
ALL_POSITIVE = (
    "; for a log of positive events alone, declare negatives and positiveRate of mapping.label "
    "(negatives are items of earlier events that the user has no positive event with)"
)


def window(first: int, last: int, days: int | None) -> tuple[int, int]:
    """Return first and last second of the last `days` between two times (None: all)."""
    return (first if days is None else max(first, last - days * _SECONDS_PER_DAY + 1)), last


def temporal(events: Events) -> Split:
    """Split the rows with a label at two times, so that each part has about its share.

    Rows whose label is known only after the end of their part, because its attribution window is
    still open, are in none: a fit at that time could not have had them. Raises InputError
    `TooFewRows` if a part is empty or has only one class of labels.
    """
    rows = events.rows
    count = len(rows)
    if count < 10:
        raise InputError(
            "TooFewRows",
            f"{count} rows with a label cannot be split in time, 10 are needed: add data or "
            f"lengthen data.window.days{_of_label(events)}",
        )
    time = events.time if count == len(events) else events.time[rows]
    first, second = (int(time[place]) for place in places(count))
    starts = np.searchsorted(time, [first, second], side="left")
    train, validation, test = np.split(rows, starts)  # views, no copies
    split = Split(
        train=events.known_before(train, first),
        validation=events.known_before(validation, second),
        test=test,
        validation_start=first,
        test_start=second,
    )
    for name in ("train", "validation", "test"):
        labels = events.label[getattr(split, name)]
        if len(labels) == 0 and events.labels is not None and events.labels.delay:
            raise InputError("TooFewRows", f"the {name} window has 0 rows{_of_label(events)}")
        if len(labels) == 0:
            raise InputError("TooFewRows", f"the {name} window has 0 rows: {SHARED_SECOND}")
        if labels.all() or not labels.any():
            raise InputError(
                "TooFewRows",
                f"the {name} window has {len(labels)} rows, {int(labels.sum())} of them positive; "
                "both classes are needed in each window: add data or lengthen data.window.days"
                f"{_of_label(events)}{ALL_POSITIVE if labels.all() else ''}",
            )
    return split


def _of_label(events: Events) -> str:
    """The remedy for too few rows that lies in a declared label."""
    if events.labels is None:
        return ""
    if events.labels.delay:
        return (
            f"; label.attribution needs {events.labels.delay} s after each impression before its "
            "label is known: check its impressions and hours, and label.positiveTypes"
        )
    return "; check minimumValue, positiveTypes and negatives of the mapping's label"


class OnceOnly(Generic[T]):
    """A value that can be read once, to guard the test window.

    A second evaluation would leak choices into the final metrics.
    """

    def __init__(self, value: T) -> None:
        self._value: T | None = value

    def open(self) -> T:
        """Return the value. Raises RuntimeError on the second call."""
        if self._value is None:
            raise RuntimeError("the test window was already read in this run")
        value, self._value = self._value, None
        return value
