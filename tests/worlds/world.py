"""A generated world: the log of a shop, and the true probabilities behind it.

Shapes: E events, I items, those that appear after the training included. Times are seconds since
1970. An item or user of index 0 has the id 1 in files and requests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.int64]
Doubles: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]
Row: TypeAlias = dict[str, Any]

#: 2026-01-05T00:00:00Z, a Monday: the first second of every world.
START = 1_767_571_200
HOUR, DAY = 3_600, 86_400


@dataclass(frozen=True)
class Log:
    """[E] events in the order of time.

    An event that is not `engaged` is an item that was shown and not clicked. A `positive` one is
    what lists are for: the click, or the purchase where there are views, too.
    """

    user: Ints
    item: Ints
    time: Ints
    engaged: Bools
    positive: Bools
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.time)

    def where(self, rows: Bools | Ints) -> Log:
        """The log of some events alone."""
        at = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        columns = {name: [values[row] for row in at] for name, values in self.columns.items()}
        return self._at(at, columns)

    def before(self, time: int) -> Log:
        """The events before a second."""
        end = int(np.searchsorted(self.time, time))
        columns = {name: values[:end] for name, values in self.columns.items()}
        return self._at(slice(end), columns)

    def _at(self, at: Any, columns: Mapping[str, Sequence[Any]]) -> Log:
        return Log(
            self.user[at],
            self.item[at],
            self.time[at],
            self.engaged[at],
            self.positive[at],
            columns,
        )


@dataclass(frozen=True)
class Request:
    """One list that a user asks for, and the truth about it.

    `chances` [I] are the probabilities that an item is the next one, and add up to 1; in a world
    of clicks on shown lists, the probabilities of a click. `candidates`, if there are any, are the
    only items that the shop has, or has found.
    """

    user: int
    time: int
    chances: Doubles
    candidates: Ints | None = None
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class World:
    """All of a world; a version is trained on what is before `cut`, requests come after it.

    `born` [I] is the second from which the table of items has an item. If `repeats` is false, no
    user takes an item again, and lists leave out what the user has. `shown` worlds are those of
    clicks on shown lists.
    """

    target: str
    log: Log
    cut: int
    requests: tuple[Request, ...]
    mapping: Mapping[str, Any]
    born: Ints
    items: Sequence[Row] = ()
    users: Sequence[Row] = ()
    repeats: bool = False
    shown: bool = False


class Recorder:
    """Collects events in any order, and the requests from `cut` on."""

    def __init__(self, cut: int) -> None:
        self._cut = cut
        self._events: list[tuple[int, int, int, bool, bool, Row]] = []
        self._requests: list[Request] = []

    def event(
        self,
        user: int,
        item: int,
        time: int,
        *,
        engaged: bool = True,
        positive: bool = True,
        **columns: Any,
    ) -> None:
        self._events.append((time, user, item, engaged, positive, columns))

    def ask(
        self,
        user: int,
        time: int,
        chances: Doubles,
        candidates: Ints | None = None,
        **context: Any,
    ) -> None:
        """Record a request; one before `cut` is none, because it is what models learn from."""
        if time >= self._cut:
            self._requests.append(Request(user, time, chances, candidates, context))

    def log(self) -> Log:
        """The events in the order of time; those of one second as they were recorded."""
        events = sorted(self._events, key=lambda event: event[0])
        time, user, item, engaged, positive, columns = zip(*events, strict=True)
        names = columns[0].keys()
        return Log(
            np.array(user, np.int64),
            np.array(item, np.int64),
            np.array(time, np.int64),
            np.array(engaged, np.bool_),
            np.array(positive, np.bool_),
            {name: [each[name] for each in columns] for name in names},
        )

    def requests(self, most: int, random: np.random.Generator) -> tuple[Request, ...]:
        """At most so many requests, drawn, in the order of time."""
        count = len(self._requests)
        chosen = random.choice(count, min(count, most), replace=False)
        return tuple(sorted((self._requests[at] for at in chosen), key=lambda each: each.time))


def normalised(weights: np.ndarray[Any, np.dtype[np.floating[Any]]]) -> Doubles:
    """Probabilities in proportion to weights."""
    shares: Doubles = (weights / weights.sum()).astype(np.float64)
    return shares


def zipf(count: int, power: float, random: np.random.Generator) -> Doubles:
    """Popularities of items in a random order: the n-th has a share of n to the -power."""
    return random.permutation(normalised(np.arange(1, count + 1) ** -power))


def draw(chances: Doubles, random: np.random.Generator) -> int:
    """One item by its probability."""
    return int(random.choice(len(chances), p=chances))


#: A log of one kind of events, all of them positive, as `init` maps it.
TAKEN: dict[str, Any] = {
    "interactions": {"files": "events.csv", "user": "user", "item": "item", "timestamp": "at"},
    "label": {"negatives": {}, "positiveRate": 0.2},
}

#: A log of shown items with a column of 0 and 1, as the page about labels maps it.
SHOWN: dict[str, Any] = {
    "interactions": {
        "files": "events.csv",
        "user": "user",
        "item": "item",
        "timestamp": "at",
        "eventType": "clicked",
        "eventTypes": [{"type": "0"}, {"type": "1"}],
    },
    "label": {
        "positiveTypes": [{"type": "1"}],
        "attribution": {"impressions": ["0", "1"], "hours": 1},
    },
}

#: A log of views and purchases, as the page about labels maps it.
BOUGHT: dict[str, Any] = {
    "interactions": {
        "files": "events.csv",
        "user": "user",
        "item": "item",
        "timestamp": "at",
        "eventType": "event",
        "eventTypes": [{"type": "view"}, {"type": "purchase"}],
    },
    "label": {"positiveTypes": [{"type": "purchase"}]},
}


def with_items(mapping: Mapping[str, Any], *features: Row) -> Row:
    """A mapping with features of the table of items."""
    return {**mapping, "items": {"files": "items.csv", "id": "id", "features": list(features)}}


def with_users(mapping: Mapping[str, Any], *features: Row) -> Row:
    """A mapping with features of the table of users."""
    return {**mapping, "users": {"files": "users.csv", "id": "id", "features": list(features)}}
