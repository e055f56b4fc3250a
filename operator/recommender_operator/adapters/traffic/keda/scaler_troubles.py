"""The problems of scalers that this process remembers.

After a restart it is found out again. Nothing here is written to the cluster.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable

#: Pause before a refused write is tried again, in seconds: it doubles up to the maximum.
FIRST_PAUSE, LONGEST_PAUSE = 30.0, 600.0
#: Maximum number of remembered ScaledObjects; the oldest is forgotten.
REMEMBERED = 10_000

#: Namespace and name of a ScaledObject.
Place = tuple[str, str]


@dataclasses.dataclass(frozen=True)
class Refusal:
    """A ScaledObject that was refused, or that KEDA does not scale by."""

    #: What was wanted. With other settings it is tried at once.
    wanted: str
    message: str
    until: float
    pause: float


class Troubles:
    """Refusals, and the times since when something waits, by ScaledObject."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._refusals: collections.OrderedDict[Place, Refusal] = collections.OrderedDict()
        self._since: collections.OrderedDict[Place, tuple[str, float]] = collections.OrderedDict()

    def refuse(
        self, place: Place, wanted: str, message: str, *, pause: float = FIRST_PAUSE
    ) -> None:
        """Remember a refusal, for a longer time than the last one with the same settings."""
        before = self._refusals.pop(place, None)
        if before is not None and before.wanted == wanted:
            pause = min(2 * before.pause, LONGEST_PAUSE)
        self._refusals[place] = Refusal(wanted, message, self._clock() + pause, pause)
        if len(self._refusals) > REMEMBERED:
            self._refusals.popitem(last=False)

    def refusal(self, place: Place, wanted: str) -> str:
        """Return why the settings were refused, until KEDA scales by them; empty if not."""
        found = self._refusals.get(place)
        return found.message if found is not None and found.wanted == wanted else ""

    def pauses(self, place: Place, wanted: str) -> bool:
        """Return whether the settings were refused and are not yet tried again."""
        found = self._refusals.get(place)
        return found is not None and found.wanted == wanted and self._clock() < found.until

    def forget(self, place: Place) -> None:
        """Forget the refusals of a ScaledObject: KEDA scales by it."""
        self._refusals.pop(place, None)

    def lasted(self, place: Place, state: str) -> float:
        """Return for how many seconds a ScaledObject has had a state; empty for none."""
        if not state:
            self._since.pop(place, None)
            return 0.0
        known, since = self._since.get(place, ("", 0.0))
        if known != state:
            since = self._clock()
            self._since[place] = (state, since)
            if len(self._since) > REMEMBERED:
                self._since.popitem(last=False)
        return self._clock() - since
