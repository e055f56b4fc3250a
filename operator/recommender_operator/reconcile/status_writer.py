"""The write of a model's status, at most once per pass, or later."""

from __future__ import annotations

import datetime
import logging
import time
from collections.abc import Callable, Hashable

from recommender_operator.actions import Decision, SaveBaseline
from recommender_operator.adapters.kinds import MODELS
from recommender_operator.adapters.objects.owned_writes import OwnedObjects
from recommender_operator.controller.kube import Object
from recommender_operator.observed import ModelObject
from recommender_operator.status import postponed_changes

logger = logging.getLogger(__name__)

#: Pause before the pass that writes a postponed status, in seconds. Usually the watch triggers it
#: earlier, because the actions changed objects.
SOON = 0.5


class StatusWriter:
    """Writes a model's status if it changed, at most once per pass."""

    def __init__(self, objects: OwnedObjects, clock: Callable[[], float] = time.monotonic) -> None:
        self._objects = objects
        self._clock = clock
        #: Time since which the stored status of a model is outdated, by the clock.
        self._behind: dict[Hashable, float] = {}

    def forget(self, key: Hashable) -> None:
        """Forget a model that is deleted, or managed by another release."""
        self._behind.pop(key, None)

    async def write(
        self,
        key: Hashable,
        raw: Object,
        model: ModelObject,
        decision: Decision,
        now: datetime.datetime,
    ) -> bool:
        """Write the status; return False if the next pass (after SOON) writes it.

        Raises:
            ConflictError: the model has changed since the pass observed it.
            KubeError: the API server failed.
        """
        status = decision.status.dump()
        # The stored status may be empty, although the parsed one has defaults.
        changed = not raw.get("status") or status != model.status.dump()
        if changed and self._may_wait(key, raw, model, decision, now):
            return False
        self._behind.pop(key, None)
        if changed and await self._objects.write_status(MODELS, raw, status) is None:
            logger.info("%s is deleted: its status is not written", key)
        return True

    def _may_wait(
        self,
        key: Hashable,
        raw: Object,
        model: ModelObject,
        decision: Decision,
        now: datetime.datetime,
    ) -> bool:
        """Return whether the next pass, which follows at once, may write the status instead."""
        if not raw.get("status") or model.deleting:
            return False
        # After any other action a pass follows at once. The start of a window causes none, and
        # while all models wait for their first pass by a new leader, the next one comes last.
        if all(isinstance(action, SaveBaseline) for action in decision.actions):
            return False
        # A Warning is posted if a reason differs from the stored one.
        if any(event.type == "Warning" for event in decision.events):
            return False
        if not postponed_changes.may_wait(model.status, decision.status, now):
            return False
        since = self._behind.setdefault(key, self._clock())
        return self._clock() - since < postponed_changes.LONGEST.total_seconds()
