"""Labels of interactions: which rows are fitted on and evaluated by, and which are positive.

An event is positive by itself, by its type or its value, which is known at its own time. What
features count is this. The label is what a model learns: it is the same, or with an attribution
whether a positive event of the same user and item came within so many seconds of an impression.
Then it is known only when that window has closed. Legend of shapes: N rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from recommender_training.common.arrays import Bools, Floats, Places
from recommender_training.config.label import Label
from recommender_training.data import schema

#: What a row is: an event of the past alone, a labelled event, an event whose label is not known
#: yet, or a negative that was drawn and is no event.
HISTORY, LABELLED, OPEN, DRAWN = range(4)
_PAIR = ["user_id", "item_id"]
#: Columns that `Labelling.read` returns.
COLUMNS = ("positive", "label", "state", "weight")


@dataclass(frozen=True)
class Labels:
    """A declared label, row by row."""

    positive: Bools  # [N] whether the event itself is positive
    label: Bools  # [N] the target; False where the row is not labelled
    state: npt.NDArray[np.int8]  # [N] HISTORY, LABELLED, OPEN or DRAWN
    weight: Floats  # [N] of the event type that makes a row positive; 1 for the others
    delay: int = 0  # seconds from a row until its label is known
    of_shown_items: bool = False  # `Label.of_shown_items`

    def take(self, rows: Places | Bools) -> Labels:
        """The labels of these rows."""
        return replace(
            self,
            positive=self.positive[rows],
            label=self.label[rows],
            state=self.state[rows],
            weight=self.weight[rows],
        )

    def followed_by(self, other: Labels) -> Labels:
        """These and those of other rows of the same data."""
        return replace(
            self,
            positive=np.concatenate([self.positive, other.positive]),
            label=np.concatenate([self.label, other.label]),
            state=np.concatenate([self.state, other.state]),
            weight=np.concatenate([self.weight, other.weight]),
        )

    @property
    def logged(self) -> Bools:
        """[N] True where a row is an event of the data."""
        return np.not_equal(self.state, DRAWN)

    @property
    def acts(self) -> Bools:
        """[N] True where a row is something that its user did: sessions consist of these.

        Neither a drawn negative nor an item that was only shown.
        """
        acts = np.equal(self.state, HISTORY) | self.positive
        return acts if self.of_shown_items else self.logged

    @property
    def rows(self) -> Bools:
        """[N] True where a row has a label."""
        return np.isin(self.state, (LABELLED, DRAWN))


@dataclass(frozen=True)
class Labelling:
    """How rows of a window get their labels."""

    label: Label
    conversions: pl.DataFrame  # user_id, item_id, event_type, at: the events to attribute
    newest: int  # time of the newest event, in seconds since 1970

    @classmethod
    def of(cls, label: Label, window: pl.LazyFrame, newest: int) -> Labelling:
        """Read the events that are attributed from the interactions of a window.

        They take 24 bytes each in memory.
        """
        wanted = window.filter(is_positive(label) if label.attribution else pl.lit(value=False))
        found = wanted.select(*_PAIR, "event_type", pl.col("timestamp").alias("at"))
        return cls(label, found.collect(engine="streaming").sort("at"), newest)

    @property
    def delay(self) -> int:
        """Seconds from a row until its label is known."""
        return self.label.attribution.seconds if self.label.attribution else 0

    @property
    def per_event(self) -> int:
        """Rows that an event with a label stands for: itself and its drawn negatives."""
        return 1 + (self.label.negatives.per_positive if self.label.negatives else 0)

    def state(self) -> pl.Expr:
        """State of each row of the interactions: HISTORY, LABELLED or OPEN."""
        attribution = self.label.attribution
        if attribution is None:
            labelled = is_positive(self.label) if self.label.negatives else pl.lit(value=True)
            return pl.when(labelled).then(LABELLED).otherwise(HISTORY).cast(pl.Int8)
        shown = pl.col("event_type").is_in(list(attribution.impressions))
        closed = pl.col("timestamp") + self.delay <= self.newest
        found = pl.when(shown & closed).then(LABELLED).when(shown).then(OPEN)
        return found.otherwise(HISTORY).cast(pl.Int8)

    def read(self, part: pl.DataFrame) -> pl.DataFrame:
        """Return COLUMNS of the rows of a part of the interactions, in their order."""
        own, state = is_positive(self.label).alias("positive"), self.state().alias("state")
        if self.label.attribution is None:
            weight = _weight(self.label).alias("weight")
            return part.select(own, own.alias("label"), state, weight)
        found = part.select(own, state).with_columns(self._attributed(part))
        label = (pl.col("state") == LABELLED) & (pl.col("found") > 0)
        weight = pl.when(label).then("found").otherwise(1.0).cast(pl.Float32)
        return found.select("positive", label.alias("label"), "state", weight.alias("weight"))

    def _attributed(self, part: pl.DataFrame) -> pl.Series:
        """[N] the largest weight of the types that follow each row in its window; 0 for none."""
        rows = part.select(*_PAIR, pl.col("timestamp").alias("at")).with_row_index("_row")
        rows = rows.sort("at")
        weight = np.zeros(part.height)
        for each in self.label.positive_types or ():
            later = self.conversions.filter(pl.col("event_type") == each.type)
            found = rows.join_asof(
                later.select(*_PAIR, "at", pl.col("at").alias("found")),
                on="at",
                by=_PAIR,
                strategy="forward",
                tolerance=self.delay,
                check_sortedness=False,
            ).sort("_row")
            came = found["found"].is_not_null().to_numpy()
            weight = np.where(came, np.maximum(weight, each.weight), weight)
        return pl.Series("found", weight)


def is_positive(label: Label) -> pl.Expr:
    """Return True if an event is positive by itself, from its type or value."""
    if label.positive_types:
        names = [each.type for each in label.positive_types]
        return pl.col("event_type").is_in(names).fill_null(value=False)
    least = schema.POSITIVE_VALUE if label.minimum_value is None else label.minimum_value
    return pl.col("value") >= pl.lit(least, dtype=pl.Float32)


def is_act(label: Label | None) -> pl.Expr:
    """Return True if an event is something that its user did (`Labels.acts`)."""
    if label is None or not label.of_shown_items:
        return pl.lit(value=True)
    return ~pl.col("event_type").is_in(list(label.only_shown)).fill_null(value=False)


def _weight(label: Label) -> pl.Expr:
    """The weight of an event's type; 1 for those that are not positive."""
    weights = {each.type: each.weight for each in label.positive_types or ()}
    if not weights:
        return pl.lit(1.0, dtype=pl.Float32)
    return pl.col("event_type").replace_strict(weights, default=1.0, return_dtype=pl.Float32)
