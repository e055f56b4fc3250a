"""Hands what a pass finds to the dispatchers; a pass never waits for one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from recommender_operator.adapters.notifications.dispatcher import Dispatcher, Job, Result, Tools
from recommender_operator.notifications import facts
from recommender_operator.notifications.receivers import Receiver
from recommender_operator.notifications.sent_facts import SentFacts
from recommender_operator.observed import ModelObject, VersionObject

logger = logging.getLogger(__name__)


class Notifier:
    """All receivers. Without one, it does nothing."""

    def __init__(self, receivers: Sequence[Receiver], tools: Tools) -> None:
        self._dispatchers = [Dispatcher(receiver, tools) for receiver in receivers]
        self._memory = SentFacts()
        self._now, self._count = tools.now, tools.count

    def take_up(self, model: ModelObject, versions: Sequence[VersionObject]) -> None:
        """Take up what there is to send about a model. No error in it fails a pass."""
        if not self._dispatchers:
            return
        try:
            now = self._now()
            for fact in facts.of_model(model, versions, now):
                for dispatcher in self._dispatchers:
                    self._offer(dispatcher, Job(model=model, fact=fact, at=now))
        except Exception as error:
            name = type(error).__name__
            logger.exception("notifications of %s/%s: %s", model.namespace, model.name, name)
            for dispatcher in self._dispatchers:
                self._count(dispatcher.receiver.name, Result.ERROR)

    def _offer(self, dispatcher: Dispatcher, job: Job) -> None:
        receiver, fact = dispatcher.receiver, job.fact
        if receiver.wants(fact) and self._memory.due(
            receiver.name, fact.id, job.at, lasting=fact.lasting
        ):
            dropped = dispatcher.offer(job)
            if dropped is not None:
                self._memory.forget(receiver.name, dropped.fact.id)

    async def run(self) -> None:
        """Send to all receivers, until cancelled."""
        await asyncio.gather(asyncio.Event().wait(), *(one.run() for one in self._dispatchers))
