"""When a standby prepares to lead, and when it stops again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

logger = logging.getLogger(__name__)

#: Share of the time without a change of the record after which the holder has probably ended.
LATE = 0.5


class Standby(Protocol):
    """The work that a standby can do before it leads."""

    async def prepare(self) -> None:
        """Prepare to lead soon."""
        ...

    async def stand_down(self) -> None:
        """Undo the preparation."""
        ...


class Preparation:
    """The preparation of one standby: begun when the holder is late, undone when it renews."""

    def __init__(self, standby: Standby | None, clock: Callable[[], float]) -> None:
        self._standby = standby
        self._clock = clock
        self._since: float | None = None

    def pause(self, left: float, duration: float) -> float:
        """Return the seconds until there is something to do, `left` before the Lease is free."""
        late = LATE * duration
        waits = self._standby is not None and self._since is None and left > late
        return left - late if waits else left

    async def follow(self, left: float, duration: float) -> None:
        """Prepare or stand down, after the record was read.

        Without an answer of the API server nothing is known of the holder, and the lists and
        watches of all standbys would only add to the load of a server that fails.
        """
        if self._standby is None:
            return
        if self._since is None and 0 < left <= LATE * duration:
            logger.info("the lease was not renewed: preparing to take over")
            self._since = self._clock()
            await self._standby.prepare()
        elif self._since is not None and left > LATE * duration:
            logger.info("the lease was renewed: standing by again")
            await self._stand_down()

    async def lead(self, duration: float) -> None:
        """Discard a preparation of longer ago than a Lease, as after an outage: it may be old."""
        if self._since is not None and self._clock() - self._since > duration:
            await self._stand_down()

    async def _stand_down(self) -> None:
        self._since = None
        if self._standby is not None:
            await self._standby.stand_down()
