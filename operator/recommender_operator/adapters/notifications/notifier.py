"""Hands what a look finds to the couriers; a look never waits for one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from recommender_operator.adapters.notifications.courier import Courier, Job, Tools
from recommender_operator.notifications import facts
from recommender_operator.notifications.memory import Memory
from recommender_operator.notifications.receivers import Receiver
from recommender_operator.observed import ModelObject, VersionObject


class Notifier:
    """All receivers. Without one, it does nothing."""

    def __init__(self, receivers: Sequence[Receiver], tools: Tools) -> None:
        self._couriers = [Courier(receiver, tools) for receiver in receivers]
        self._memory = Memory()
        self._now = tools.now

    def look(self, model: ModelObject, versions: Sequence[VersionObject]) -> None:
        """Take up what there is to tell about a model."""
        if not self._couriers:
            return
        now = self._now()
        for fact in facts.of_model(model, versions, now):
            for courier in self._couriers:
                receiver = courier.receiver
                if receiver.wants(fact) and self._memory.due(
                    receiver.name, fact.id, now, lasting=fact.lasting
                ):
                    courier.offer(Job(model=model, fact=fact, at=now))

    async def run(self) -> None:
        """Tell all receivers, until cancelled."""
        await asyncio.gather(asyncio.Event().wait(), *(one.run() for one in self._couriers))
