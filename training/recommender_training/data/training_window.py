"""Where the training window of a data set ends, known before its arrays are made.

What is learned of values alone, such as the edges of bands, is learned from what was known then.
"""

from __future__ import annotations

import polars as pl

from recommender_training.data.labels import LABELLED, Labelling

#: Shares of the events for training and validation; the rest is the test window.
TRAIN_SHARE, VALIDATION_SHARE = 0.8, 0.1


def places(count: int) -> tuple[int, int]:
    """Return the indices, in the order of time, of the first validation and test event."""
    return int(count * TRAIN_SHARE), int(count * (TRAIN_SHARE + VALIDATION_SHARE))


def end(interactions: pl.LazyFrame, labelling: Labelling | None) -> int | None:
    """Return the first second after the training window, as `splits.temporal` finds it.

    Drawn negatives are as many for each positive event, so they do not move the place. Only a
    positive event for which too few could be drawn does, by less than a row for each of them.
    None without a row that has a label.
    """
    labelled = pl.lit(value=True) if labelling is None else labelling.state() == LABELLED
    times = interactions.filter(labelled).select(pl.col("timestamp").sort())
    found = times.collect(engine="streaming")["timestamp"]
    return int(found[places(len(found))[0]]) if len(found) else None
