"""Of one user: the lists that mixed items of two versions, and which version's items were clicked.

A click counts for the version that gave the item in the latest such list at or before it, at most
a window earlier; an item of a list counts once. A list of one version alone belongs to nobody, and
after it no earlier list counts: else clicks on its items would count for the version that gave
them before, or only clicks on those of the other one.

Events arrive late and in any order, so all is kept until nothing that counts can arrive any more.
Pure; times are in milliseconds since 1970.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from recommender_collector.domain.events import INTERLEAVED, Event, Id
from recommender_collector.domain.store_updates import number
from recommender_collector.experiments.moments import SCALE, UserMoments
from recommender_contract.events import Kind

#: Of one user, that may still change; what is older is settled early.
MOST_LISTS, MOST_CLICKS = 30, 200
MOST_PLACES = 20  # of a list; what stands below gets few clicks, which count for nobody
#: An item of a user is known by so many bits of its number: a text id has 63, twice the memory.
#: Of the 600 items of a user, two are alike in one user of 20,000.
_BITS = 32
OWN, THEIRS, NOBODY = "A", "B", "-"


class MixedList(NamedTuple):
    """A list: when it was shown, its items, and a letter for each."""

    time: int
    items: tuple[int, ...]  # the lowest bits of their numbers; none of a list of nobody
    teams: str


def _short(id_: Id) -> int:
    return number(id_) & ((1 << _BITS) - 1)


@dataclass(slots=True)
class InterleavingCredit:
    """Lists that one user was shown in an interleaving, and clicks on their items."""

    lists: list[MixedList] = field(default_factory=list)  # sorted
    clicks: list[tuple[int, int]] = field(default_factory=list)  # time and item, sorted
    counted: list[int] = field(default_factory=lambda: [0, 0])  # in settled lists, by version
    closed: int | None = None  # time of the latest settled list

    def show(self, at: int, items: Sequence[Id], teams: str) -> None:
        """Add a list, if it is later than the settled ones: its clicks may belong to those."""
        if self.closed is not None and at <= self.closed:
            return
        if OWN not in teams and THEIRS not in teams:
            insort(self.lists, MixedList(at, (), ""))
            return
        every = tuple(map(_short, items))
        kept, below = every[:MOST_PLACES], dict.fromkeys(every[MOST_PLACES:])
        hidden = tuple(each for each in below if each not in kept and self._counts(at, each))
        letters = teams[:MOST_PLACES] + NOBODY * len(hidden)
        insort(self.lists, MixedList(at, kept + hidden, letters))

    def _counts(self, at: int, item: int) -> bool:
        """Return whether a click at a time would count for a version that gave the item before.

        It does not once a later list has the item below the places that are kept.
        """
        place = self._place(at, item)
        if place < 0 or not (items := self.lists[place].items):
            return False
        return self.lists[place].teams[items.index(item)] in (OWN, THEIRS)

    def add_event(self, event: Event) -> bool:
        """Add what a user did, and return whether it counts: a click does."""
        is_click = event.kind is Kind.CLICK and bool(event.items)
        if is_click:
            insort(self.clicks, (event.time, _short(event.items[0])))
        return is_click

    def settle(self, horizon: int, window: int) -> int:
        """Turn into numbers what no event after the horizon can change.

        Returns the number of clicks that are dropped although they may count, as more than are
        kept of a user.
        """
        done = max(0, len(self.lists) - MOST_LISTS)
        while done < len(self.lists) and self.lists[done].time + window < horizon:
            done += 1
        if done:
            self._close(done, window)
        # A click that may count for an open list is no older than it.
        del self.clicks[: bisect_left(self.clicks, (horizon - window, -1))]
        dropped = max(0, len(self.clicks) - MOST_CLICKS)
        if dropped:
            self._drop(dropped)
        return dropped

    def _close(self, done: int, window: int) -> None:
        """Settle so many of the oldest lists, and the clicks that belong to them."""
        for place, team in self._picked(window):
            if place < done:
                self.counted[team == THEIRS] += 1
        # A list that arrives late must not count them again.
        self.clicks = [
            (at, item)
            for at, item in self.clicks
            if not 0 <= (place := self._place(at, item)) < done
            or at - self.lists[place].time > window
        ]
        self.closed = self.lists[done - 1].time
        del self.lists[:done]

    def _drop(self, most: int) -> None:
        """Drop so many clicks: the oldest, but before any other those that repeat an earlier one.

        A repeated click counts only if a list arrives late that was shown between the two.
        """
        seen: set[tuple[int, int]] = set()
        kept: list[tuple[int, int]] = []
        for at, item in self.clicks:
            belongs = self._place(at, item), item
            if most and belongs in seen:
                most -= 1
                continue
            seen.add(belongs)
            kept.append((at, item))
        self.clicks = kept[most:]

    def user_moments(self, window: int) -> UserMoments:
        """Return the contribution of the user to the moments: each user counts once.

        The preference is the difference of the clicks over their sum, in thousandths.
        """
        own, theirs = self.counted
        for _, team in self._picked(window):
            own, theirs = own + (team == OWN), theirs + (team == THEIRS)
        total = own + theirs
        ahead = round(SCALE * (theirs - own) / total) if total else 0
        vector = (max(0, ahead), max(0, -ahead), int(total > 0))
        return UserMoments(INTERLEAVED, False, vector, ())

    def _picked(self, window: int) -> Iterator[tuple[int, str]]:
        """Yield each clicked item that belongs to a version: the place of its list, the letter."""
        seen: set[tuple[int, int]] = set()
        for at, item in self.clicks:
            place = self._place(at, item)
            if place < 0 or not self.lists[place].items or (place, item) in seen:
                continue
            seen.add((place, item))
            time, items, teams = self.lists[place]
            team = teams[items.index(item)]
            if at - time <= window and team in (OWN, THEIRS):
                yield place, team

    def _place(self, at: int, item: int) -> int:
        """Return the place of the list that a click belongs to, or one of nobody; -1 if none."""
        for place in reversed(range(len(self.lists))):
            time, items, _ = self.lists[place]
            if time <= at and (not items or item in items):
                return place
        return -1

    def encoded(self, base: int) -> list[Any]:
        """Return all as plain values, with times relative to a base."""
        lists = [(time - base, items, teams) for time, items, teams in self.lists]
        clicks = [number for at, item in self.clicks for number in (at - base, item)]
        closed = [] if self.closed is None else [self.closed - base]
        return [lists, clicks, self.counted, *closed]

    @classmethod
    def decoded(cls, values: Any, base: int) -> InterleavingCredit:
        """Return the credit of such values.

        Raises:
            ValueError, TypeError: they are none.
        """
        lists, clicks, counted, *rest = values
        (closed,) = rest or (None,)
        own, theirs = map(int, counted)
        found = [MixedList(int(time) + base, tuple(items), teams) for time, items, teams in lists]
        if any(len(each.items) != len(each.teams) for each in found):
            raise ValueError("a list without a letter for each item")
        pairs = zip(*[iter(clicks)] * 2, strict=True)
        return cls(
            found,
            [(int(at) + base, int(item)) for at, item in pairs],
            [own, theirs],
            None if closed is None else int(closed) + base,
        )
