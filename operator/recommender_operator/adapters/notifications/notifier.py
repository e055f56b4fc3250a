"""Hands what a look finds to the couriers; a look never waits for one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from recommender_operator.adapters.notifications.dispatcher import Courier, Job, Result, Tools
from recommender_operator.notifications import facts
from recommender_operator.notifications.receivers import Receiver
from recommender_operator.notifications.sent_facts import Memory
from recommender_operator.observed import ModelObject, VersionObject

logger = logging.getLogger(__name__)


class Notifier:
    """All receivers. Without one, it does nothing."""

    def __init__(self, receivers: Sequence[Receiver], tools: Tools) -> None:
        self._couriers = [Courier(receiver, tools) for receiver in receivers]
        self._memory = Memory()
        self._now, self._count = tools.now, tools.count

    def look(self, model: ModelObject, versions: Sequence[VersionObject]) -> bool:
        """Take up what there is to send about a model. No error in it fails a look.

        Return whether there is anything, which later looks take up again if it was not sent.
        """
        if not self._couriers:
            return False
        try:
            now = self._now()
            found = facts.of_model(model, versions, now)
            for fact in found:
                for courier in self._couriers:
                    self._offer(courier, Job(model=model, fact=fact, at=now))
        except Exception as error:
            name = type(error).__name__
            logger.exception("notifications of %s/%s: %s", model.namespace, model.name, name)
            for courier in self._couriers:
                self._count(courier.receiver.name, Result.ERROR)
            return True
        return bool(found)

    def _offer(self, courier: Courier, job: Job) -> None:
        receiver, fact = courier.receiver, job.fact
        if receiver.wants(fact) and self._memory.due(
            receiver.name, fact.id, job.at, lasting=fact.lasting
        ):
            dropped = courier.offer(job)
            if dropped is not None:
                self._memory.forget(receiver.name, dropped.fact.id)

    async def run(self) -> None:
        """Send to all receivers, until cancelled."""
        await asyncio.gather(asyncio.Event().wait(), *(one.run() for one in self._couriers))
