"""Numbers of the feature groups that the ranker reads on demand (`training.FeatureGroup`).

Of all events of a data set, each from strictly earlier ones; of requests and their candidates,
from the tables as they were at a time; in the exported model, from those of the export. The
numbers themselves are those of `features.graph` in all three.

Legend of shapes: N events, I items, R requests, C candidates of each, D rated attributes of the
user, A buckets of these together, W windows, E numbers of the groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from recommender_contract.resource.hyperparameters import FeatureGroup
from recommender_training.common.arrays import Ints, Places
from recommender_training.data.dataset import Dataset, Events
from recommender_training.features import attributes, event_history, graph, model_features

SECONDS_A_DAY = 86_400
#: Rows whose users' values are looked up at a time.
_ROWS = 262_144


@dataclass(frozen=True)
class Tables:
    """Rates and popularity of every item at a time, by the users' groups and by window."""

    group_events: Ints  # [I, A] of the users of each bucket, attribute by attribute
    group_positives: Ints  # [I, A]
    recent: Ints  # [I, W] events inside each window
    recent_total: Ints  # [W] of all items

    @classmethod
    def at(cls, data: Dataset, time: int | None) -> Tables:
        """From the events strictly earlier than `time` (all, if None)."""
        events, count, columns = data.events.logged, data.items.count, width(data)
        end = len(events) if time is None else int(np.searchsorted(events.time, time))
        item, label, user = events.item[:end], events.positive[:end], events.user[:end]
        newest = time if time is not None else int(events.time[-1]) + 1 if end else 0
        shape = (count, columns)
        seen, liked = (np.zeros(shape, dtype=np.int64) for _ in range(2))
        for column in columns_of_rows(data, user, events.time[:end]):
            place = item * columns + column
            seen += np.bincount(place, minlength=count * columns).reshape(shape)
            liked += np.bincount(place[label], minlength=count * columns).reshape(shape)
        first = [newest - days * SECONDS_A_DAY for days in model_features.WINDOW_DAYS]
        inside = [item[np.searchsorted(events.time[:end], start) :] for start in first]
        recent = np.stack([np.bincount(rows, minlength=count) for rows in inside], 1)
        return cls(seen, liked, recent, np.array([len(rows) for rows in inside], dtype=np.int64))


def first_columns(data: Dataset) -> Ints:
    """[D] first of the A columns of each rated attribute: that of its unknown bucket."""
    buckets = attributes.sizes(data)
    return attributes.offsets([buckets[place] for place in attributes.rated(data)])


def width(data: Dataset) -> int:
    """A, the number of buckets of the rated attributes."""
    buckets = attributes.sizes(data)
    return sum(buckets[place] for place in attributes.rated(data))


def buckets(data: Dataset, user: Places, times: Ints | None = None) -> Ints:
    """[N, D] columns of the users among the A, one a rated attribute, at `times` [N] or in the
    end.
    """
    no_time = np.zeros(len(user), dtype=np.int64)  # what is rated has no age
    found = attributes.buckets(data, data.side_of_users(user, times), no_time)[
        :, attributes.rated_lanes(data)
    ].numpy()
    return np.asarray(found + first_columns(data))


def columns_of_rows(data: Dataset, user: Places, times: Ints) -> Iterator[Places]:
    """D times [N]: the same columns of the users of rows at `times` [N], in 32 bits.

    What is as long as the rows is made of one of them at a time, unless users have a history.
    """
    if data.users.history is None:
        everyone = np.arange(data.users.count, dtype=np.int32)
        for of_users in np.ascontiguousarray(buckets(data, everyone).T.astype(np.int32)):
            yield of_users[user]
        return
    parts = range(0, len(user), _ROWS)
    found = [np.zeros((0, len(attributes.rated(data))), dtype=np.int32)]
    found += [
        buckets(data, user[start : start + _ROWS], times[start : start + _ROWS]).astype(np.int32)
        for start in parts
    ]
    yield from np.ascontiguousarray(np.concatenate(found).T)


@dataclass(frozen=True)
class OfEvents:
    """The numbers of the events of a data set, of their own items, computed on request.

    Held of each event are its counts: 16 bytes with demographic rates, 8 for each window.
    """

    data: Dataset
    wanted: tuple[FeatureGroup, ...]
    prior: float
    before: event_history.ItemCounts  # [N]
    inside: tuple[tuple[Places, Places], ...]  # D pairs [N]: events and positives
    windows: tuple[tuple[Places, Places], ...]  # W pairs [N]: of the item, and of all

    @classmethod
    def of(
        cls,
        data: Dataset,
        wanted: Sequence[FeatureGroup],
        prior: float,
        before: event_history.ItemCounts,
    ) -> OfEvents:
        """Source of the numbers; `before` are the `counts_before` of the events."""
        events = data.events
        inside: tuple[tuple[Places, Places], ...] = ()
        windows: tuple[tuple[Places, Places], ...] = ()
        if FeatureGroup.DEMOGRAPHIC_RATES in wanted:
            inside = tuple(
                _counts_of_group(events, column)
                for column in columns_of_rows(data, events.user, events.time)
            )
        if FeatureGroup.ROLLING_POPULARITY in wanted:
            windows = tuple(
                event_history.counts_within(events, days * SECONDS_A_DAY)
                for days in model_features.WINDOW_DAYS
            )
        return cls(data, tuple(wanted), prior, before, inside, windows)

    def take(self, rows: Ints) -> Tensor:
        """[R, E] numbers of the events at `rows` [R], each from strictly earlier events."""
        events = self.data.events
        parts = [torch.zeros(len(rows), 0)]
        if FeatureGroup.DEMOGRAPHIC_RATES in self.wanted:
            parts.append(self._rates(rows))
        if FeatureGroup.ROLLING_POPULARITY in self.wanted:
            parts.append(
                graph.rolling_numbers(
                    _stacked([own[rows] for own, _ in self.windows], len(rows)),
                    _stacked([total[rows] for _, total in self.windows], len(rows)),
                    self.data.items.count,
                )
            )
        if FeatureGroup.CALENDAR in self.wanted:
            parts.append(graph.calendar_numbers(torch.from_numpy(events.time[rows])))
        return torch.cat(parts, 1)

    def _rates(self, rows: Ints) -> Tensor:
        """[R, D] numbers of the groups of each event's user."""
        events, before = self.data.events, self.before.take(rows)
        columns = buckets(self.data, events.user[rows], events.time[rows])
        seen, liked = ([pair[part][rows] for pair in self.inside] for part in (0, 1))
        return graph.demographic_numbers(
            _stacked(seen, len(rows)),
            _stacked(liked, len(rows)),
            torch.from_numpy(before.events),
            torch.from_numpy(before.positives),
            torch.from_numpy(columns != first_columns(self.data)),
            torch.tensor(self.prior),
        )


@dataclass(frozen=True)
class Asked:
    """Items that are asked for: rows of the data set."""

    user: Ints  # [R]
    time: Ints  # [R] seconds since 1970
    item: Ints  # [R, C]


def of_candidates(
    data: Dataset,
    wanted: Sequence[FeatureGroup],
    prior: float,
    counts: event_history.ItemCounts,
    tables: Tables | None,
    asked: Asked,
) -> Tensor:
    """[R, C, E] numbers of the items of each request; `counts` and `tables` as they were then."""
    shape = asked.item.shape
    parts = [torch.zeros(*shape, 0)]
    if wanted and tables is None:
        raise ValueError(f"{', '.join(wanted)} need a State made with these groups")
    if tables is not None and FeatureGroup.DEMOGRAPHIC_RATES in wanted:
        parts.append(_rates_of(data, prior, counts, tables, asked))
    if tables is not None and FeatureGroup.ROLLING_POPULARITY in wanted:
        recent, total = (torch.from_numpy(each) for each in (tables.recent, tables.recent_total))
        parts.append(graph.rolling_numbers(recent[asked.item], total, data.items.count))
    if FeatureGroup.CALENDAR in wanted:
        numbers = graph.calendar_numbers(torch.from_numpy(asked.time))
        parts.append(numbers.unsqueeze(1).expand(-1, shape[1], -1))
    return torch.cat(parts, 2)


def _rates_of(
    data: Dataset, prior: float, counts: event_history.ItemCounts, tables: Tables, asked: Asked
) -> Tensor:
    """[R, C, D] numbers of the groups of each request's user."""
    columns = buckets(data, asked.user, asked.time)
    at, group = asked.item[:, :, None], columns[:, None, :]
    known = torch.from_numpy(columns != first_columns(data)).unsqueeze(1)
    return graph.demographic_numbers(
        torch.from_numpy(tables.group_events[at, group]),
        torch.from_numpy(tables.group_positives[at, group]),
        torch.from_numpy(counts.events[asked.item]),
        torch.from_numpy(counts.positives[asked.item]),
        known,
        torch.tensor(prior),
    )


def demographic_table(
    counts: event_history.ItemCounts, tables: Tables, prior: float, unknown: Ints
) -> Tensor:
    """[A, I] number of each item for a user of each bucket; zeros for the `unknown` columns."""
    known = torch.ones(tables.group_events.shape, dtype=torch.bool)
    known[:, torch.from_numpy(unknown)] = False
    return graph.demographic_numbers(
        torch.from_numpy(tables.group_events),
        torch.from_numpy(tables.group_positives),
        torch.from_numpy(counts.events),
        torch.from_numpy(counts.positives),
        known,
        torch.tensor(prior),
    ).t()


def rolling_table(tables: Tables) -> Tensor:
    """[I, W] numbers of each item."""
    return graph.rolling_numbers(
        torch.from_numpy(tables.recent),
        torch.from_numpy(tables.recent_total),
        tables.recent.shape[0],
    )


def _counts_of_group(events: Events, column: Places) -> tuple[Places, Places]:
    """Two [N]: events and positives of each event's item among users of its own bucket, strictly
    earlier.
    """
    pairs = events.item * np.int32(int(column.max(initial=0)) + 1) + column
    found = event_history.counts_before(replace(events, item=pairs))
    return found.events, found.positives


def _stacked(columns: Sequence[Places], rows: int) -> Tensor:
    """[rows, D] the columns, in 64 bits."""
    none = np.zeros((rows, 0), dtype=np.int64)
    return torch.from_numpy(np.column_stack([none, *columns]).astype(np.int64))
