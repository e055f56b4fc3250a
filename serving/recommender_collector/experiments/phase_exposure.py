"""One user in one phase of an experiment: pure.

Times are in milliseconds since 1970; money and seconds in thousandths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from recommender_collector.domain.events import Event
from recommender_collector.experiments import guardrail_counters
from recommender_collector.experiments.guardrail_counters import GuardrailCounters
from recommender_collector.experiments.moments import SCALE, UserMoments, Vector, days_of
from recommender_contract.events import Kind

SESSION_MILLISECONDS = 30 * 60 * 1000  # a pause so long ends a session
RETURN_MILLISECONDS = DAY_MILLISECONDS = 24 * 3600 * 1000
#: Most of one user that counts, so that no single one decides.
MOST = {
    "answers": 1000, "before": 100, "clicks": 1000, "dislikes": 100, "dwell": 36_000 * SCALE,
    "fallbacks": 1000, "purchases": 100, "sessions": 100,
}  # fmt: skip
#: The same in the measure of a holdout, which lasts for months and compares clicks per answer.
MOST_MEASURED = {**MOST, "answers": 10_000, "clicks": 10_000, "fallbacks": 10_000}
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
class PhaseExposure:
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
    #: Of the first day alone (in UTC, so that a late event cannot divide what is counted):
    #: answers, fallbacks, and closed stretches; and settled acts. Both empty: an earlier release
    #: kept the rest, so nobody knows its days.
    day: list[int] = field(default_factory=lambda: [0] * 3)
    day_totals: list[int] = field(default_factory=lambda: [0] * 5)
    guardrails: GuardrailCounters = field(default_factory=guardrail_counters.no_counts)

    def in_first_day(self, at: int) -> bool:
        """Return whether a time is in the day of the first exposure."""
        return at // DAY_MILLISECONDS == self.first // DAY_MILLISECONDS

    def expose(self, at: int, arm: int, cap: int, *, fallback: bool, disagreed: bool) -> None:
        """Add an exposure."""
        if self.day and at < self.first and not self.in_first_day(at):
            # All that was counted is of later days.
            self.day, self.day_totals = [0] * 3, [0] * 5
        self.first, self.last = min(self.first, at), max(self.last, at)
        self.cap = min(self.cap, cap)
        self.answers += 1
        self.fallbacks += fallback
        if self.day and self.in_first_day(at):
            self.day[0] += 1
            self.day[1] += fallback
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
            if self.day:
                self.day[2] += self.in_first_day(self.stretches[0][0])
            del self.stretches[0]
            self.closed += 1

    def count(self, act: Act, totals: list[int], day_totals: list[int]) -> None:
        """Add an act to totals, and to those of the first day if it is of that day."""
        _add(totals, act)
        if day_totals and self.in_first_day(act.time):
            _add(day_totals, act)

    def is_valid(self) -> bool:
        """Return whether the parts have the types and lengths that the rest relies on."""
        return (
            len(self.totals) == len(_COUNTS) + 1
            and (len(self.day), len(self.day_totals)) in ((3, len(self.totals)), (0, 0))
            and len(self.guardrails) == guardrail_counters.SIZE
            and bool(self.arms)
            and all(type(arm) is int and arm >= 0 for arm in self.arms)
            and all(isinstance(number, int) for number in (self.first, self.cap, *self._sums()))
        )

    def _sums(self) -> tuple[int, ...]:
        return (*self.totals, *self.day, *self.day_totals, *self.guardrails)

    def user_moments(
        self,
        totals: Sequence[int],
        day_totals: Sequence[int],
        before: int,
        names: Sequence[str],
        parts: Sequence[str],
        *,
        measured: bool = False,
    ) -> UserMoments:
        """Return the contribution of the user to the phase, and to parts of the arm.

        `measured`: in the measure of a holdout, which has limits of its own.
        """
        vector_of = self._measured if measured else self._vector
        arms = sorted((first, names[arm]) for arm, (first, _) in self.arms.items())
        sessions = self.closed + len(self.stretches)
        did = vector_of(self.answers, self.fallbacks, sessions, totals)
        vector = self._with_the_rest(did, before)
        disagreed = tuple((names[arm], count) for arm, (_, count) in self.arms.items() if count)
        arm, mixed = arms[0][1], len(arms) > 1
        if mixed:
            return UserMoments(arm, mixed, vector, disagreed)
        cells = tuple((f"{arm} {part}", vector) for part in parts)
        if self.day:
            days = self._days(vector_of, sessions, totals, day_totals)
            cells = ((days_of(arm), days), *cells)
        return UserMoments(arm, mixed, vector, disagreed, cells)

    def _with_the_rest(self, did: Vector, before: int) -> Vector:
        """Return the counts of `OF_DAYS`, with those that are not counted by days."""
        requests, errors, slow, shown, grouped = guardrail_counters.capped(self.guardrails)
        return (
            did[0],
            min(before, MOST["before"]),
            *did[1:5],
            errors,
            did[5],
            grouped,
            did[6],
            requests,
            int(self.last - self.first >= RETURN_MILLISECONDS),
            *did[7:],
            shown,
            slow,
        )

    def _days(
        self,
        vector_of: Callable[[int, int, int, Sequence[int]], Vector],
        sessions: int,
        totals: Sequence[int],
        day_totals: Sequence[int],
    ) -> Vector:
        """Return the counts of the first day, and of the days after it."""
        answers, fallbacks, begun = self.day
        begun += sum(self.in_first_day(start) for start, _ in self.stretches)
        later = [total - own for total, own in zip(totals, day_totals, strict=True)]
        return (
            *vector_of(answers, fallbacks, begun, day_totals),
            *vector_of(
                self.answers - answers, self.fallbacks - fallbacks, sessions - begun, later
            ),
        )

    def _measured(
        self, answers: int, fallbacks: int, sessions: int, totals: Sequence[int]
    ) -> Vector:
        """Return the numbers for a measure: with the part of the answers that count, clicks too.

        Else the clicks of months would be divided by the answers of the first weeks.
        """
        most = MOST_MEASURED["answers"]
        if answers > most:
            clicks = (2 * totals[_CLICKS] * most + answers) // (2 * answers)  # rounded
            totals = [*totals[:_CLICKS], clicks, *totals[_CLICKS + 1 :]]
        return self._vector(answers, fallbacks, sessions, totals, MOST_MEASURED)

    def _vector(
        self,
        answers: int,
        fallbacks: int,
        sessions: int,
        totals: Sequence[int],
        most: Mapping[str, int] = MOST,
    ) -> Vector:
        """Return numbers in the order of `OF_DAYS`, each within its limit."""
        purchases = totals[_PURCHASES]
        return (
            min(answers, most["answers"]),
            min(totals[_CLICKS], most["clicks"]),
            int(purchases > 0),
            min(totals[_DISLIKES], most["dislikes"]),
            min(totals[_DWELL], most["dwell"]),
            min(fallbacks, most["fallbacks"]),
            min(purchases, most["purchases"]),
            min(totals[_REVENUE], self.cap),
            min(sessions, most["sessions"]),
        )


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
