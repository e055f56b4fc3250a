"""Kubernetes Events about a RecommenderModel: equal ones are posted once, then counted."""

from __future__ import annotations

import collections
import datetime
import hashlib
import logging
from collections.abc import Iterable

from recommender_contract.api_names import API_VERSION, GROUP
from recommender_operator.actions import Event
from recommender_operator.adapters.kinds import EVENTS
from recommender_operator.controller.kube import Kube, KubeError, Object
from recommender_operator.observed import ModelObject
from recommender_operator.resources.labels import MANAGER

logger = logging.getLogger(__name__)

#: Period in which an equal Event is not posted again.
QUIET = datetime.timedelta(minutes=10)
REMEMBERED = 2_000
#: Maximum number of pending Events of a model; later ones are dropped.
OWED = 20
MAX_MESSAGE = 1_024


class EventRecorder:
    """Posts Events; a failure to post does not fail a reconcile."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._posted: collections.OrderedDict[str, datetime.datetime] = collections.OrderedDict()
        self._owed: collections.OrderedDict[str, list[Event]] = collections.OrderedDict()

    def defer(self, model: ModelObject, events: Iterable[Event]) -> None:
        """Remember Events of a pass that ended before it could post them."""
        owed = [*self._owed.pop(model.uid, ()), *events][:OWED]
        if owed:
            self._owed[model.uid] = owed
        while len(self._owed) > REMEMBERED:
            self._owed.popitem(last=False)

    async def post_deferred(self, model: ModelObject, now: datetime.datetime) -> None:
        """Post the pending Events of earlier passes of a model."""
        owed = self._owed.get(model.uid, [])
        while owed:
            await self.post(model, owed[0], now)
            owed.pop(0)
        self._owed.pop(model.uid, None)

    async def post(self, model: ModelObject, event: Event, now: datetime.datetime) -> None:
        """Post an Event, or increase the count of an equal one, unless it was posted recently."""
        name = event_name(model, event)
        before = self._posted.get(name)
        if before is not None and now - before < QUIET:
            return
        self._posted[name] = now
        self._posted.move_to_end(name)
        while len(self._posted) > REMEMBERED:
            self._posted.popitem(last=False)
        try:
            if not await self._kube.create(EVENTS, manifest(model, event, name, now)):
                again = {"lastTimestamp": _time(now)}
                await self._kube.patch(EVENTS, model.namespace, name, again)
        except KubeError as error:
            if error.namespace_terminating:
                return
            logger.warning("an Event could not be posted: %s", error)
        except BaseException:
            # This process may not write, or the pass was cancelled: the Event may not exist.
            self._posted.pop(name, None)
            raise


def event_name(model: ModelObject, event: Event) -> str:
    """Return the name of an Event; equal Events have the same, so a restart posts none twice."""
    content = f"{model.uid}\0{event.type}\0{event.reason}\0{event.message}"
    return f"{model.name}.{hashlib.sha256(content.encode()).hexdigest()[:16]}"


def manifest(model: ModelObject, event: Event, name: str, now: datetime.datetime) -> Object:
    """Return the Event's manifest."""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": model.namespace},
        "involvedObject": {
            "apiVersion": f"{GROUP}/{API_VERSION}",
            "kind": "RecommenderModel",
            "name": model.name,
            "namespace": model.namespace,
            "uid": model.uid,
        },
        "type": event.type,
        "reason": event.reason,
        "message": event.message[:MAX_MESSAGE],
        "source": {"component": MANAGER},
        "reportingComponent": MANAGER,
        "reportingInstance": MANAGER,
        "firstTimestamp": _time(now),
        "lastTimestamp": _time(now),
        "count": 1,
    }


def _time(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
