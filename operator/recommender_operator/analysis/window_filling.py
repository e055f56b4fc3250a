"""A window of sessions that is not full yet, so it has no verdict.

Two counters of each pod show when it is full; until then, neither a whole metrics page nor a pass
is needed.
"""

from __future__ import annotations

import dataclasses
import math

from recommender_contract.metrics import CREATED, SESSIONS
from recommender_operator.analysis.counter_window import is_pod
from recommender_operator.observed import PodCounters, Sample

#: The counters that show when a window is full.
NAMES = (SESSIONS, CREATED)
#: Limits of the pause between two readings, in seconds. At a constant rate of sessions, a full
#: window is detected within the shortest pause; if the rate increases, within the longest.
SHORTEST, LONGEST = 15.0, 60.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Filling:
    """A window of a version that started `seconds` ago, with its counters at the start."""

    version: str
    start: Sample
    #: Current and required number of sessions.
    counted: int
    needed: int
    seconds: float
    #: Seconds until the first reading of a new window.
    first: float = LONGEST
    #: Maximum time until the next pass, in seconds.
    rest: float = math.inf

    @property
    def pause(self) -> float:
        """Seconds until the next reading."""
        return pause(self.counted, self.needed, self.seconds) if self.counted else self.first


def start_of(sample: Sample) -> Sample:
    """Return the counters of sessions by pod."""
    return {pod: _selected(counters) for pod, counters in sample.items() if is_pod(pod)}


def counted(start: Sample, now: Sample) -> int | None:
    """Return the number of sessions of a window; None if a pass is needed.

    A pass is needed if a pod is new, deleted or restarted, or does not answer.
    """
    if start.keys() != now.keys():
        return None
    total = 0.0
    for pod, then in start.items():
        here = _selected(now[pod])
        if here.keys() != then.keys() or not any(key.startswith(SESSIONS) for key in here):
            return None
        if any(not math.isfinite(value) or value < then[key] for key, value in here.items()):
            return None
        if here.get(CREATED) != then.get(CREATED):
            return None
        total += sum(here[key] - then[key] for key in here if key != CREATED)
    return round(total)


def pause(counted: int, needed: int, seconds: float) -> float:
    """Return the pause before the next reading: half of the remaining time at the current rate.

    Before the first session, the rate is below one in the time so far.
    """
    counted = max(1, counted)
    return first_pause(counted, max(0, needed - counted), seconds)


def first_pause(counted: int, needed: int, seconds: float) -> float:
    """Return half of the time for `needed` sessions at the rate of the former window."""
    if counted <= 0 or seconds <= 0:
        return LONGEST
    return min(LONGEST, max(SHORTEST, needed * seconds / counted / 2))


def _selected(counters: PodCounters) -> PodCounters:
    return {key: value for key, value in counters.items() if key.startswith(NAMES)}
