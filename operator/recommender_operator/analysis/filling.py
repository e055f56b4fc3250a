"""A window of sessions that still fills: nothing can be concluded from it before it is full.

Whether it is full shows in two counters of each pod, so that until then neither a whole page nor a
whole look is needed.
"""

from __future__ import annotations

import dataclasses
import math

from recommender_operator.analysis.window import CREATED, SESSIONS
from recommender_operator.observed import PodCounters, Sample

#: The counters that tell.
NAMES = (SESSIONS, CREATED)
#: Pauses between two readings, in seconds. A window is seen to be full at most the longest after
#: it is, if its sessions suddenly come faster; at an even rate, at most the shortest.
SHORTEST, LONGEST = 15.0, 60.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Filling:
    """A window of a version since `seconds`, with its counters at the start."""

    version: str
    start: Sample
    #: Sessions that it has and needs.
    counted: int
    needed: int
    seconds: float
    #: Seconds to the first reading of a window that has just begun.
    first: float = LONGEST
    #: Without a cause, the next whole look is due after so many seconds.
    rest: float = math.inf

    @property
    def pause(self) -> float:
        """Seconds to the next reading."""
        return pause(self.counted, self.needed, self.seconds) if self.counted else self.first


def start_of(sample: Sample) -> Sample:
    """Return the counters that tell, by pod."""
    return {pod: _telling(counters) for pod, counters in sample.items()}


def counted(start: Sample, now: Sample) -> int | None:
    """Return the sessions of a window; None if only a whole look can say.

    That is so when a pod has come, gone or restarted, or does not answer.
    """
    if start.keys() != now.keys():
        return None
    total = 0.0
    for pod, then in start.items():
        here = _telling(now[pod])
        if here.keys() != then.keys() or not any(key.startswith(SESSIONS) for key in here):
            return None
        if any(not math.isfinite(value) or value < then[key] for key, value in here.items()):
            return None
        if here.get(CREATED) != then.get(CREATED):
            return None
        total += sum(here[key] - then[key] for key in here if key != CREATED)
    return round(total)


def pause(counted: int, needed: int, seconds: float) -> float:
    """Return the pause before the next reading: half of what the window takes at its rate."""
    if counted <= 0 or seconds <= 0:
        return LONGEST
    return first_pause(counted, max(0, needed - counted), seconds)


def first_pause(counted: int, needed: int, seconds: float) -> float:
    """Return half of what a window takes that needs so many, at the rate of the one before it."""
    if counted <= 0 or seconds <= 0:
        return LONGEST
    return min(LONGEST, max(SHORTEST, needed * seconds / counted / 2))


def _telling(counters: PodCounters) -> PodCounters:
    return {key: value for key, value in counters.items() if key.startswith(NAMES)}
