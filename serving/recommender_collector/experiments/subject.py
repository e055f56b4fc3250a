"""One user in one experiment: what the user was shown, and did: pure.

Events arrive late and in any order, so nothing is decided when one arrives. What may still change
is kept as it is: acts, and the stretches of time in which exposures were less than 30 minutes
apart. `settle` turns what no event can change any more into numbers.

Times are in milliseconds since 1970; money and seconds in thousandths.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import orjson

from recommender_collector.domain.events import Event
from recommender_collector.domain.formats import FORMAT, Damaged, check
from recommender_collector.experiments import guardrail_counters
from recommender_collector.experiments.interleaving_credit import InterleavingCredit
from recommender_collector.experiments.moments import UserMoments
from recommender_collector.experiments.phase_exposure import (
    MOST_OPEN,
    Act,
    PhaseExposure,
    acts_of,
    flat,
)

#: Features and values, sorted by feature.
Segments = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Subject:
    """One user in one experiment."""

    exposures: dict[int, PhaseExposure] = field(default_factory=dict)  # by phase
    acts: list[Act] = field(default_factory=list)  # that may still change, sorted
    before: int = 0  # interactions before the first exposure
    #: The segments that the first exposure said (that of the least ones, if several are first):
    #: what a request says later may be an effect of the version.
    segments: Segments = ()
    marked: int | None = None  # time of that exposure
    credit: InterleavingCredit | None = None  # in an interleaving

    @property
    def first(self) -> int:
        """Time of the first exposure."""
        return min(exposure.first for exposure in self.exposures.values())

    def phase_exposure(self, phase: int, at: int, cap: int) -> PhaseExposure:
        """Return the exposure to a phase; a new one starts at a time."""
        found = self.exposures.get(phase)
        if found is None:
            found = self.exposures[phase] = PhaseExposure(phase, at, at, cap)
        return found

    def mark(self, at: int, segments: Segments) -> None:
        """Take the segments of an exposure, if it is the first one."""
        if self.marked is None or (at, segments) < (self.marked, self.segments):
            self.marked, self.segments = at, segments

    def is_in(self, arm: int) -> bool:
        """Return whether an exposure was in an arm, by its place."""
        return any(arm in exposure.arms for exposure in self.exposures.values())

    def act(self, act: Act) -> None:
        """Add an act."""
        insort(self.acts, act)

    def mix(self, interleaving: str, event: Event) -> None:
        """Take an impression of an interleaving."""
        self.credit = self.credit or InterleavingCredit()
        if event.interleaved is not None and event.interleaved.id == interleaving:
            self.credit.show(event.time, event.items, event.interleaved.teams)

    def count_before(self, times: Collection[int], *, same: bool) -> None:
        """Count the interactions before the first exposure; `same`: it is where it was.

        The store keeps the newest ones alone. What a user does later pushes out what was before,
        and must not change the covariate, so only an earlier first exposure lowers it.
        """
        found = sum(map(self.first.__gt__, times))
        self.before = max(found, self.before) if same else found

    def settle(self, horizon: int, window: int) -> int:
        """Turn into numbers what no event after the horizon can change.

        Returns the number of clicks in an interleaving that are dropped.
        """
        dropped = 0 if self.credit is None else self.credit.settle(horizon, window)
        done = max(0, len(self.acts) - MOST_OPEN)
        while done < len(self.acts) and self.acts[done].time <= horizon:
            done += 1
        for act in self.acts[:done]:
            exposure = self._phase_exposure_of(act, window)
            if exposure is not None:
                exposure.count(act, exposure.totals, exposure.day_totals)
        del self.acts[:done]
        for exposure in self.exposures.values():
            exposure.settle(horizon - window)
        return dropped

    def shares(
        self,
        window: int,
        names: Sequence[str],
        parts: Sequence[str] = (),
        *,
        measured: bool = False,
    ) -> dict[int, UserMoments]:
        """Return the contribution of the user to the moments of each phase.

        `names` are those of arms, `parts` those of the user's segments; `measured`: in the
        measure of a holdout.
        """
        totals = {p: (s.totals.copy(), s.day_totals.copy()) for p, s in self.exposures.items()}
        if len(self.exposures) == 1 and (only := next(iter(self.exposures.values()))).is_whole(
            window
        ):
            start = bisect_left(self.acts, (only.first,))
            for act in self.acts[start : bisect_left(self.acts, (only.last + window + 1,))]:
                only.count(act, *totals[only.phase])
        else:
            for act in self.acts:
                exposure = self._phase_exposure_of(act, window)
                if exposure is not None:
                    exposure.count(act, *totals[exposure.phase])
        return {
            phase: exposure.user_moments(
                *totals[phase], self.before, names, parts, measured=measured
            )
            for phase, exposure in self.exposures.items()
        }

    def _phase_exposure_of(self, act: Act, window: int) -> PhaseExposure | None:
        """Return where an act counts: in the phase of the latest exposure at or before it.

        A phase may come again. While the stretches of two overlap, the later stretch counts.
        """
        found = None
        newest = (0, 0, 0)
        for exposure in self.exposures.values():
            seen = exposure.seen(act.time, window)
            if seen is not None and (found is None or (*seen, exposure.phase) > newest):
                found, newest = exposure, (*seen, exposure.phase)
        return found

    def encode(self) -> bytes:
        """Return the state as JSON, with times relative to the first exposure."""
        base = self.first
        exposures = [
            (
                each.phase, each.first - base, each.last - base, each.cap, each.answers,
                each.fallbacks, [(arm, own[0] - base, own[1]) for arm, own in each.arms.items()],
                each.closed, [number - base for each in each.stretches for number in each],
                each.totals, each.day, each.day_totals,
                *((each.guardrails,) if any(each.guardrails) else ()),
            )
            for each in self.exposures.values()
        ]  # fmt: skip
        marked = (base if self.marked is None else self.marked) - base
        rest: list[object] = [(marked, self.segments)]
        if self.credit is not None:
            rest.append(self.credit.encoded(base))
        return orjson.dumps((FORMAT, base, self.before, exposures, flat(self.acts, base), *rest))

    @classmethod
    def decode(cls, text: bytes) -> Subject:
        """Return the subject of such a text.

        Raises:
            Damaged: the text has another format.
        """
        try:
            version, base, before, exposures, acts, *rest = orjson.loads(text)
            # An earlier release kept no segments: the user counts in none, because what a later
            # exposure says may be an effect of the version.
            (marked, segments), *credit = rest or [(0, ())]
            found = {
                phase: PhaseExposure(
                    phase, first + base, last + base, cap, answers, fallbacks,
                    {arm: [at + base, disagreed] for arm, at, disagreed in arms}, closed,
                    [[a + base, b + base] for a, b in zip(*[iter(times)] * 2, strict=True)],
                    totals, *_rest(later),
                )
                for phase, first, last, cap, answers, fallbacks, arms, closed, times, totals,
                *later in exposures
            }  # fmt: skip
            said = tuple((str(feature), str(value)) for feature, value in segments)
            own = cls(found, acts_of(acts, base), before, said, marked + base)
            if credit:
                (values,) = credit
                own.credit = InterleavingCredit.decoded(values, base)
        except (ValueError, TypeError) as error:
            raise Damaged(f"a user: {type(error).__name__}") from None
        check(version == FORMAT, f"a user has format {str(version)[:20]}")
        is_valid = bool(found) and isinstance(before, int)
        check(
            is_valid and all(exposure.is_valid() for exposure in found.values()),
            "a user is incomplete",
        )
        return own


def _rest(kept: list[list[int]]) -> tuple[list[int], list[int], list[int]]:
    """Return the first day of a phase exposure, and its guardrail counters.

    An earlier release kept nothing of the day, or no counters: of those nobody has any.
    """
    nothing: list[list[int]] = [[], [], guardrail_counters.no_counts()]
    day, day_totals, known = [*kept, *nothing[len(kept) :]]
    return day, day_totals, known
