"""The record of what was sent: an Event of the model for each receiver and fact.

Its name follows from these, so another leader finds it. It is renewed by a patch, which needs no
right to read Events, and which only the leader may send.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable

from recommender_operator.actions import Event
from recommender_operator.adapters.kinds import EVENTS
from recommender_operator.adapters.objects.event_recorder import manifest
from recommender_operator.controller.kube import Kube
from recommender_operator.notifications import bodies
from recommender_operator.notifications.facts import Fact
from recommender_operator.notifications.receivers import Receiver
from recommender_operator.observed import ModelObject


class SentLog:
    """Reads and writes the Events. All methods raise KubeError and NotLeaderError."""

    def __init__(self, kube: Kube, now: Callable[[], datetime.datetime]) -> None:
        self._kube = kube
        self._now = now

    async def renew(self, model: ModelObject, receiver: Receiver, fact: Fact) -> bool:
        """Return whether a fact is recorded as sent, and let Kubernetes keep the record longer."""
        stamp = self._now().astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        name = name_of(model, receiver, fact)
        again = {"lastTimestamp": stamp}
        return await self._kube.patch(EVENTS, model.namespace, name, again) is not None

    async def write(self, model: ModelObject, receiver: Receiver, fact: Fact) -> None:
        """Record that a fact was sent."""
        message = f"sent to {receiver.name}: {bodies.title(fact)}"
        event = Event(type="Normal", reason="Notified", message=message)
        name = name_of(model, receiver, fact)
        await self._kube.create(EVENTS, manifest(model, event, name, self._now()))

    async def fail(self, model: ModelObject, receiver: Receiver, fact: Fact, failure: str) -> None:
        """Record that a fact was not sent, and why. Another try may follow, so it has its name."""
        message = f"not sent to {receiver.name} ({failure}): {bodies.title(fact)}"
        event = Event(type="Warning", reason="NotificationFailed", message=message)
        made = manifest(model, event, name_of(model, receiver, fact, "failure"), self._now())
        if await self._kube.create(EVENTS, made) is None:
            again = {key: made[key] for key in ("lastTimestamp", "message")}
            await self._kube.patch(EVENTS, model.namespace, made["metadata"]["name"], again)


def name_of(model: ModelObject, receiver: Receiver, fact: Fact, kind: str = "notification") -> str:
    """Return the name of a record."""
    content = f"{model.uid}\0{kind}\0{receiver.name}\0{fact.id}"
    return f"{model.name}.{hashlib.sha256(content.encode()).hexdigest()[:16]}"
