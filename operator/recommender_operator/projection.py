"""The one write of a model's status in a look, and when it is left to the next look."""

from __future__ import annotations

import datetime
import logging
import time
from collections.abc import Callable, Hashable

from recommender_operator.actions import Decision
from recommender_operator.adapters.kube import MODELS, Object
from recommender_operator.adapters.owned_writes import OwnedObjects
from recommender_operator.observed import ModelObject
from recommender_operator.phases.conditions import progress

logger = logging.getLogger(__name__)

#: Pause before the look that writes what was left to it, in seconds. Most often the watch brings
#: it earlier: a look that acted has changed something.
SOON = 0.5


class Projection:
    """Writes a model's status if it changed, at most once a look."""

    def __init__(self, objects: OwnedObjects, clock: Callable[[], float] = time.monotonic) -> None:
        self._objects = objects
        self._clock = clock
        #: Since when the stored status of a model is behind, on the clock.
        self._behind: dict[Hashable, float] = {}

    def forget(self, key: Hashable) -> None:
        """A model is gone, or another release's."""
        self._behind.pop(key, None)

    async def write(
        self,
        key: Hashable,
        raw: Object,
        model: ModelObject,
        decision: Decision,
        now: datetime.datetime,
    ) -> bool:
        """Write the status; return False if that is left to the next look, SOON.

        Raises:
            KubeError: ConflictError if the model is no longer what the look saw.
        """
        status = decision.status.dump()
        # Compared with what is stored, not with what was parsed: the first write counts as well.
        changed = not raw.get("status") or status != model.status.dump()
        if changed and self._may_wait(key, raw, model, decision, now):
            return False
        self._behind.pop(key, None)
        if changed and await self._objects.write_status(MODELS, raw, status) is None:
            logger.info("%s is gone: its status is not written", key)
        return True

    def _may_wait(
        self,
        key: Hashable,
        raw: Object,
        model: ModelObject,
        decision: Decision,
        now: datetime.datetime,
    ) -> bool:
        """Whether another look follows at once, and nothing is lost until then."""
        if not decision.actions or not raw.get("status") or model.deleting:
            return False
        # A warning is given when a reason is new against the stored one.
        if any(event.type == "Warning" for event in decision.events):
            return False
        if not progress.may_wait(model.status, decision.status, now):
            return False
        since = self._behind.setdefault(key, self._clock())
        return self._clock() - since < progress.LONGEST.total_seconds()
