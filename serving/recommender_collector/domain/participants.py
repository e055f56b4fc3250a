"""One user in one experiment: what the user was shown, and did: pure.

Events arrive late and in any order, so nothing is decided when one arrives. What may still change
is kept as it is: acts, and the stretches of time in which exposures were less than 30 minutes
apart. `settle` turns what no event can change any more into numbers.

Times are in milliseconds since 1970; money and seconds in thousandths.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import orjson

from recommender_collector.domain.events import Event, Kind
from recommender_collector.domain.formats import FORMAT, Damaged, check
from recommender_collector.domain.moments import SCALE, Share

SESSION_MILLISECONDS = 30 * 60 * 1000  # a pause so long ends a session
RETURN_MILLISECONDS = 24 * 3600 * 1000
#: Most of one user that counts, so that no single one decides.
MOST = {
    "answers": 1000, "before": 100, "clicks": 1000, "dislikes": 100, "dwell": 36_000 * SCALE,
    "fallbacks": 1000, "purchases": 100, "sessions": 100,
}  # fmt: skip
MOST_OPEN = 200  # acts that may still change, and stretches of exposures
_ENOUGH = 10**18  # above every limit, and below what JSON of 64 bits holds
_CLICKS, _PURCHASES, _REVENUE, _DISLIKES, _DWELL = range(5)
_COUNTS = {
    Kind.CLICK: _CLICKS, Kind.PURCHASE: _PURCHASES, Kind.DISLIKE: _DISLIKES, Kind.DWELL: _DWELL,
}  # fmt: skip
_COUNTED = frozenset(_COUNTS.values())


class Act(NamedTuple):
    """Something that a user did and that counts; `amount` is in thousandths."""

    time: int
    kind: int
    amount: int


def act_of(event: Event) -> Act | None:
    """Return the act of an event; None if its kind does not count."""
    kind = _COUNTS.get(event.kind)
    if kind is None:
        return None
    return Act(event.time, kind, thousandths(event.value or 0.0))


def thousandths(value: float) -> int:
    """Return a number of thousandths."""
    return round(value * SCALE)


@dataclass(slots=True)
class Stay:
    """One user in one phase."""

    phase: int
    first: int  # exposure
    last: int
    cap: int  # least one that the impressions said
    answers: int = 0
    fallbacks: int = 0
    #: Of each arm, by its place among the arms of the experiment: first exposure, and answers of
    #: another version.
    arms: dict[int, list[int]] = field(default_factory=dict)
    closed: int = 0  # stretches of exposures that nothing can reach any more
    stretches: list[list[int]] = field(default_factory=list)  # first and last exposure, sorted
    totals: list[int] = field(default_factory=lambda: [0] * 5)  # of settled acts

    def expose(self, at: int, arm: int, cap: int, *, fallback: bool, disagreed: bool) -> None:
        """Add an exposure."""
        self.first, self.last = min(self.first, at), max(self.last, at)
        self.cap = min(self.cap, cap)
        self.answers += 1
        self.fallbacks += fallback
        own = self.arms.setdefault(arm, [at, 0])
        own[0] = min(own[0], at)
        own[1] += disagreed
        self._stretch(at)

    def _stretch(self, at: int) -> None:
        found = self.stretches
        place = len(found)
        while place and found[place - 1][0] > at:
            place -= 1
        joins = place > 0 and at - found[place - 1][1] < SESSION_MILLISECONDS
        leads = place < len(found) and found[place][0] - at < SESSION_MILLISECONDS
        if joins and leads:
            found[place - 1][1] = found[place][1]
            del found[place]
        elif joins:
            found[place - 1][1] = max(found[place - 1][1], at)
        elif leads:
            found[place][0] = at
        else:
            found.insert(place, [at, at])

    def seen(self, at: int, window: int) -> tuple[int, int] | None:
        """Return the latest exposure at a time or at most a window earlier, and its stretch.

        A stretch is named by its start. Within one the user counts as seen all the time.
        """
        for start, end in reversed(self.stretches):
            if start <= at:
                return (min(end, at), start) if at - end <= window else None
        return None

    def is_whole(self, window: int) -> bool:
        """Return whether no pause is longer than a window, so that no act falls into one."""
        found = self.stretches
        return not self.closed and all(b[0] - a[1] <= window for a, b in pairwise(found))

    def settle(self, before: int) -> None:
        """Close the stretches that ended before a time."""
        while self.stretches and (
            self.stretches[0][1] < before or len(self.stretches) > MOST_OPEN
        ):
            del self.stretches[0]
            self.closed += 1

    def is_valid(self) -> bool:
        """Return whether the parts have the types and lengths that the rest relies on."""
        return (
            len(self.totals) == len(_COUNTS) + 1
            and bool(self.arms)
            and all(type(arm) is int and arm >= 0 for arm in self.arms)
            and all(isinstance(number, int) for number in (self.first, self.cap, *self.totals))
        )

    def share(self, totals: Sequence[int], before: int, names: Sequence[str]) -> Share:
        """Return what the user adds to the moments of the phase."""
        arms = sorted((first, names[arm]) for arm, (first, _) in self.arms.items())
        purchases = totals[_PURCHASES]
        vector = (  # in the order of COMPONENTS
            min(self.answers, MOST["answers"]),
            min(before, MOST["before"]),
            min(totals[_CLICKS], MOST["clicks"]),
            int(purchases > 0),
            min(totals[_DISLIKES], MOST["dislikes"]),
            min(totals[_DWELL], MOST["dwell"]),
            min(self.fallbacks, MOST["fallbacks"]),
            min(purchases, MOST["purchases"]),
            int(self.last - self.first >= RETURN_MILLISECONDS),
            min(totals[_REVENUE], self.cap),
            min(self.closed + len(self.stretches), MOST["sessions"]),
        )
        disagreed = tuple((names[arm], count) for arm, (_, count) in self.arms.items() if count)
        return Share(arms[0][1], len(arms) > 1, vector, disagreed)


@dataclass(slots=True)
class Participant:
    """One user in one experiment."""

    stays: dict[int, Stay] = field(default_factory=dict)  # by phase
    acts: list[Act] = field(default_factory=list)  # that may still change, sorted
    before: int = 0  # interactions before the first exposure

    @property
    def first(self) -> int:
        """Time of the first exposure."""
        return min(stay.first for stay in self.stays.values())

    def stay(self, phase: int, at: int, cap: int) -> Stay:
        """Return the stay in a phase; a new one starts with an exposure at a time."""
        found = self.stays.get(phase)
        if found is None:
            found = self.stays[phase] = Stay(phase, at, at, cap)
        return found

    def act(self, act: Act) -> None:
        """Add an act."""
        insort(self.acts, act)

    def settle(self, horizon: int, window: int) -> None:
        """Turn into numbers what no event after the horizon can change."""
        done = max(0, len(self.acts) - MOST_OPEN)
        while done < len(self.acts) and self.acts[done].time <= horizon:
            done += 1
        for act in self.acts[:done]:
            stay = self._stay_of(act, window)
            if stay is not None:
                _add(stay.totals, act)
        del self.acts[:done]
        for stay in self.stays.values():
            stay.settle(horizon - window)

    def shares(self, window: int, names: Sequence[str]) -> dict[int, Share]:
        """Return what the user adds to the moments of each phase; `names` are those of arms."""
        totals = {phase: stay.totals.copy() for phase, stay in self.stays.items()}
        if len(self.stays) == 1 and (only := next(iter(self.stays.values()))).is_whole(window):
            start = bisect_left(self.acts, (only.first,))
            for act in self.acts[start : bisect_left(self.acts, (only.last + window + 1,))]:
                _add(totals[only.phase], act)
        else:
            for act in self.acts:
                stay = self._stay_of(act, window)
                if stay is not None:
                    _add(totals[stay.phase], act)
        return {
            phase: stay.share(totals[phase], self.before, names)
            for phase, stay in self.stays.items()
        }

    def _stay_of(self, act: Act, window: int) -> Stay | None:
        """Return where an act counts: in the phase of the latest exposure at or before it.

        A phase may come again. While the stretches of two overlap, the later stretch counts.
        """
        found = None
        newest = (0, 0, 0)
        for stay in self.stays.values():
            seen = stay.seen(act.time, window)
            if seen is not None and (found is None or (*seen, stay.phase) > newest):
                found, newest = stay, (*seen, stay.phase)
        return found

    def encode(self) -> bytes:
        """Return the state as JSON, with times relative to the first exposure."""
        base = self.first
        stays = [
            (
                stay.phase, stay.first - base, stay.last - base, stay.cap, stay.answers,
                stay.fallbacks, [(arm, own[0] - base, own[1]) for arm, own in stay.arms.items()],
                stay.closed, [number - base for each in stay.stretches for number in each],
                stay.totals,
            )
            for stay in self.stays.values()
        ]  # fmt: skip
        return orjson.dumps((FORMAT, base, self.before, stays, flat(self.acts, base)))

    @classmethod
    def decode(cls, text: bytes) -> Participant:
        """Return the participant of such a text.

        Raises:
            Damaged: the text has another format.
        """
        try:
            version, base, before, stays, acts = orjson.loads(text)
            found = {
                phase: Stay(
                    phase, first + base, last + base, cap, answers, fallbacks,
                    {arm: [at + base, disagreed] for arm, at, disagreed in arms}, closed,
                    [[a + base, b + base] for a, b in zip(*[iter(times)] * 2, strict=True)],
                    totals,
                )
                for phase, first, last, cap, answers, fallbacks, arms, closed, times, totals
                in stays
            }  # fmt: skip
            own = cls(found, acts_of(acts, base), before)
        except (ValueError, TypeError) as error:
            raise Damaged(f"a user: {type(error).__name__}") from None
        check(version == FORMAT, f"a user has format {str(version)[:20]}")
        is_valid = bool(found) and isinstance(before, int)
        check(is_valid and all(stay.is_valid() for stay in found.values()), "a user is incomplete")
        return own


def _add(totals: list[int], act: Act) -> None:
    if act.kind == _DWELL:
        totals[_DWELL] = min(totals[_DWELL] + act.amount, _ENOUGH)
        return
    totals[act.kind] += 1
    if act.kind == _PURCHASES:
        totals[_REVENUE] = min(totals[_REVENUE] + act.amount, _ENOUGH)


def flat(acts: Sequence[Act], base: int) -> list[int]:
    """Return acts as a list of numbers, which JSON holds in fewer bytes."""
    return [number for time, kind, amount in acts for number in (time - base, kind, amount)]


def acts_of(numbers: Sequence[int], base: int) -> list[Act]:
    """Return the acts of such a list.

    Raises:
        ValueError, TypeError: it is no such list.
    """
    found = [
        Act(t + base, kind, amount) for t, kind, amount in zip(*[iter(numbers)] * 3, strict=True)
    ]
    if any(act.kind not in _COUNTED for act in found):
        raise ValueError("unknown kind of an act")
    return found
