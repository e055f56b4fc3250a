"""The columnar data set: sorted arrays of events with indices into sorted users and items.

Legend of shapes: N events, U users, A columns of the declared features of users, C of those of the
context, F = A + C (`coding.Attribute.width` of each).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from recommender_training.common.arrays import Bools, Floats, Ints, Places
from recommender_training.config.feature_schema import FeatureTable
from recommender_training.config.label import Label
from recommender_training.data import feature_encoding, labels, row_times, schema, training_window
from recommender_training.data import items as item_rows
from recommender_training.data.exploration_log import ExplorationLog
from recommender_training.data.feature_encoding import Attribute, FeatureEncoding
from recommender_training.data.items import Items
from recommender_training.data.labels import Labelling, Labels
from recommender_training.data.row_times import RowTimes
from recommender_training.data.version_content import Tables


@dataclass(frozen=True)
class UserHistory:
    """The rows of all users with a declared `validFrom`: one user after another, oldest first.

    V rows of the table.
    """

    times: RowTimes  # the owners are rows in Users
    side: Floats  # [V, A] values of the declared features; NaN unknown

    def at(self, users: Places, times: Ints) -> Floats:
        """Return [R, A] what was known of the users at these rows, at `times` [R]."""
        place = self.times.places(users, times)
        return np.where(place[:, None] >= 0, self.side[place], np.float32(np.nan))


@dataclass(frozen=True)
class Users:
    """The known users, sorted by raw id."""

    ids: Ints  # [U]
    side: Floats  # [U, A] values of the declared features; NaN unknown
    segments: tuple[str, ...] = ()
    segment: Ints | None = None  # [U] index of the segment, -1 unknown; None: no segments
    history: UserHistory | None = None  # with a declared validFrom; `side` is the newest

    def at(self, rows: Places, times: Ints) -> Floats:
        """Return [R, A] what was known of the users at these rows, at `times` [R] in seconds."""
        return self.side[rows] if self.history is None else self.history.at(rows, times)

    @property
    def count(self) -> int:
        """Number of users."""
        return len(self.ids)


@dataclass(frozen=True)
class Events:
    """Interactions, sorted by time, user and item; `build` makes them 20 bytes each, and 4 for
    each column of the context. A declared label takes 7 more."""

    user: Places  # [N] row in Users
    item: Places  # [N] row in Items
    value: Floats  # [N]
    time: Ints  # [N] seconds since 1970
    context: Floats | None = None  # [N, C] values of the declared features; None: there are none
    labels: Labels | None = None  # None: a value of POSITIVE_VALUE or more is positive

    def __len__(self) -> int:
        return len(self.time)

    @property
    def label(self) -> Bools:
        """[N] the target of fits and evaluations: whether each response is positive."""
        return self.positive if self.labels is None else self.labels.label

    @property
    def positive(self) -> Bools:
        """[N] True where an event is positive by itself, which is known at its own time."""
        if self.labels is None:
            return self.value >= schema.POSITIVE_VALUE
        return self.labels.positive

    @property
    def rows(self) -> Ints:
        """The rows that have a label, ascending."""
        if self.labels is None:
            return np.arange(len(self), dtype=np.int64)
        return np.flatnonzero(self.labels.rows).astype(np.int64)

    @property
    def logged(self) -> Events:
        """The events of users, without drawn negatives."""
        if self.labels is None or self.labels.logged.all():
            return self
        return self.take(self.labels.logged)

    @property
    def acts(self) -> Events:
        """The events that sessions consist of, in the order of time (`Labels.acts`)."""
        if self.labels is None or self.labels.acts.all():
            return self
        return self.take(self.labels.acts)

    def known_before(self, rows: Ints, time: int) -> Ints:
        """Return those of `rows` whose label is known before `time`, and not only the event."""
        if self.labels is None or not self.labels.delay:
            return rows
        return rows[self.time[rows] + self.labels.delay < time]

    def take(self, rows: Places | Bools) -> Events:
        """Return the events at these rows, which must be in the order of time."""
        context = None if self.context is None else self.context[rows]
        found = None if self.labels is None else self.labels.take(rows)
        return Events(
            self.user[rows], self.item[rows], self.value[rows], self.time[rows], context, found
        )

    def context_of(self, rows: Places | Bools) -> Floats:
        """Return [R, C] the context of the events at these rows."""
        if self.context is None:
            return np.zeros((len(self.time[rows]), 0), dtype=np.float32)
        return self.context[rows]


@dataclass(frozen=True)
class Dataset:
    """Events, users and items of a data version, and how their declared features are coded."""

    events: Events
    users: Users
    items: Items
    attributes: tuple[Attribute, ...] = ()  # of users first, then of context
    label: Label | None = None
    explored: ExplorationLog | None = None  # None: no place of an answer was explored

    @property
    def declared_label(self) -> dict[str, Any] | None:
        """The declared label of the rows, as reports have it; None without one."""
        if self.label is None or self.events.labels is None:
            return None
        return self.label.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    @property
    def context_width(self) -> int:
        """C, the number of columns of the declared features of the context."""
        return self.width - int(self.users.side.shape[1])

    @property
    def width(self) -> int:
        """F, the number of columns of the declared features of requests."""
        return feature_encoding.starts(self.attributes)[-1]

    def until(self, time: int) -> Dataset:
        """Return the same with the events strictly earlier than `time`."""
        return replace(self, events=self.events.take(self.events.time < time))

    def side(self, users: Places, times: Ints, context: Floats) -> Floats:
        """Return [R, F] what is known of the users at these rows, at `times` [R] in seconds, and
        of the context [R, C].
        """
        return np.concatenate([self.users.at(users, times), context], axis=1)

    def side_of_users(self, users: Places, times: Ints | None = None) -> Floats:
        """Return [R, F] what is known of the users at these rows, at `times` [R] or in the end;
        the context is unknown.
        """
        known = self.users.side[users] if times is None else self.users.at(users, times)
        context = np.full((len(users), self.context_width), np.nan, dtype=np.float32)
        return np.concatenate([known, context], axis=1)

    def side_of_events(self, rows: Places) -> Floats:
        """Return [R, F] what is known at the events at these rows."""
        events = self.events
        return self.side(events.user[rows], events.time[rows], events.context_of(rows))

    @property
    def at_the_end(self) -> Dataset:
        """The same with the newest values of users and items, as the exported graph has them."""
        users, items = replace(self.users, history=None), self.items.as_of(row_times.END)
        return replace(self, users=users, items=items)

    def as_of(self, time: int) -> Dataset:
        """Return the same with items that all requests see as they were at this time."""
        return replace(self, items=self.items.as_of(time))

    def as_served(self, context: Floats) -> Floats:
        """Return [R, C] the context as it is at serving, where some features are fixed."""
        own = (each for each in self.attributes if each.place is FeatureTable.CONTEXT)
        served = [each.served for each in own for _ in range(each.width)]
        fixed = np.array(served, dtype=np.float32)
        return np.where(np.isnan(fixed), context, fixed) if len(fixed) else context


def build_dataset(tables: Tables) -> Dataset:
    """Return the data set of the tables of a data version."""
    interactions = tables.interactions.sort("timestamp", "user_id", "item_id", "value")
    rows, labelling = interactions.lazy(), None
    if tables.declaration.label is not None and interactions.height:
        newest = int(interactions["timestamp"][-1])
        labelling = Labelling.of(tables.declaration.label, rows, newest)
    until = training_window.end(rows, labelling)
    users, items = tables.users, tables.items
    coded = FeatureEncoding.of(tables.declaration, users, items, rows, until)
    return assemble([interactions], interactions.height, users, items, coded, labelling)


def assemble(
    parts: Iterable[pl.DataFrame],
    rows: int,
    users: pl.DataFrame,
    items: pl.DataFrame,
    coded: FeatureEncoding,
    labelling: Labelling | None = None,
) -> Dataset:
    """Return the data set of interactions that arrive in parts, with at most `rows` rows.

    Has no drawn negatives yet (`negatives.add_negatives`).

    Parts and their rows must be sorted by time, user and item. Holds one part at a time beside the
    arrays.
    """
    known, catalogue = _users(users, coded), item_rows.build_items(items, coded)
    user, item = np.empty(rows, dtype=np.int32), np.empty(rows, dtype=np.int32)
    value, time = np.empty(rows, dtype=np.float32), np.empty(rows, dtype=np.int64)
    of_context = coded.of_place(FeatureTable.CONTEXT)
    context = np.empty((rows, feature_encoding.starts(of_context)[-1]), dtype=np.float32)
    said: dict[str, list[pl.Series]] = {name: [] for name in labels.COLUMNS}
    end = 0
    for part in parts:
        at = slice(end, end + part.height)
        user[at] = np.searchsorted(known.ids, part["user_id"].to_numpy())
        item[at] = np.searchsorted(catalogue.ids, part["item_id"].to_numpy())
        value[at] = part["value"].to_numpy()
        time[at] = part["timestamp"].to_numpy()
        context[at] = feature_encoding.values(of_context, part)
        if labelling is not None:
            found = labelling.read(part)
            for name, column in said.items():
                column.append(found[name])
        end = at.stop
    stated = context[:end] if of_context else None
    own = None if labelling is None or not end else _labels(said, labelling)
    events = Events(user[:end], item[:end], value[:end], time[:end], stated, own)
    label = None if labelling is None else labelling.label
    return Dataset(events, known, catalogue, coded.attributes, label)


def _labels(said: dict[str, list[pl.Series]], labelling: Labelling) -> Labels:
    """The columns of all parts; each part's own ones go as they are joined."""
    positive, label, state, weight = (
        pl.concat(said.pop(name)).to_numpy() for name in labels.COLUMNS
    )
    of_shown_items = labelling.label.of_shown_items
    return Labels(positive, label, state, weight, labelling.delay, of_shown_items)


def _users(frame: pl.DataFrame, coded: FeatureEncoding) -> Users:
    every = frame
    frame = row_times.newest(frame, "user_id")
    segment = frame["segment"].replace("unknown", None)
    segments = tuple(sorted(segment.drop_nulls().unique().to_list()))
    index = {name: code for code, name in enumerate(segments)}
    codes = [-1 if name is None else index[name] for name in segment.to_list()]
    ids = frame["user_id"].to_numpy().astype(np.int64)
    return Users(
        ids,
        feature_encoding.values(coded.of_place(FeatureTable.USERS), frame),
        segments,
        np.array(codes, dtype=np.int64),
        _history(every, ids, coded) if row_times.COLUMN in every.columns else None,
    )


def _history(frame: pl.DataFrame, ids: Ints, coded: FeatureEncoding) -> UserHistory:
    frame = row_times.ordered(frame, "user_id")
    owner = np.searchsorted(ids, frame["user_id"].to_numpy()).astype(np.int64)
    times = RowTimes(owner, row_times.since(frame).to_numpy().astype(np.int64))
    return UserHistory(times, feature_encoding.values(coded.of_place(FeatureTable.USERS), frame))
