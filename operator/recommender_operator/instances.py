"""Releases of the operator that share a cluster: each model is acted upon by one of them.

A label of the model names the instance of the operator that it belongs to; without the label it
belongs to the release that has no instance. Should two releases be of the same instance, the
first that acts on a model writes its name into the status, and the other one keeps its hands off.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import logging
from collections.abc import Callable

from recommender_operator.actions import Event
from recommender_operator.adapters.events import EventRecorder
from recommender_operator.adapters.kube import MODELS, Kube, KubeError, Object
from recommender_operator.adapters.typed import ObservationError, model_object
from recommender_operator.api.base import API_VERSION, GROUP
from recommender_operator.metrics import Metrics
from recommender_operator.reconcile import Key, Refused
from recommender_operator.resources.labels import INSTANCE

logger = logging.getLogger(__name__)

#: Pauses between two looks at a model of another release, in seconds: at most, and while the
#: model is being deleted, so that the end of the deletion is noticed.
FOREIGN_WAIT, DELETING_WAIT = 300.0, 15.0


def selector(instance: str) -> str:
    """Return the label selector of the models of an instance."""
    return f"{INSTANCE}={instance}" if instance else f"!{INSTANCE}"


def is_labelled(raw: Object, instance: str) -> bool:
    """Return whether the label of a model names an instance."""
    label = (raw["metadata"].get("labels") or {}).get(INSTANCE)
    return label == instance if instance else label is None


class Claim(enum.Enum):
    """Whose a model is, by its label and by the release in its status."""

    OURS = enum.auto()
    #: Nobody acts on it: it is this release's once its name is written.
    FREE = enum.auto()
    #: The label has moved it to another instance, and this release has to let go of it.
    LEFT = enum.auto()
    #: The label has moved it here, and the release that acted on it has not let go of it.
    ARRIVING = enum.auto()
    #: Another release of the same instance acts on it.
    FOREIGN = enum.auto()
    #: The label names another instance.
    ELSEWHERE = enum.auto()


def claim_of(raw: Object, release: str, instance: str) -> Claim:
    """Return whose a model is."""
    found = (raw.get("status") or {}).get("operator") or {}
    holder = str(found.get("release") or "")
    if not is_labelled(raw, instance):
        return Claim.LEFT if holder == release else Claim.ELSEWHERE
    if not holder:
        return Claim.FREE
    if holder == release:
        return Claim.OURS if found.get("instance", "") == instance else Claim.FREE
    return Claim.FOREIGN if found.get("instance", "") == instance else Claim.ARRIVING


@dataclasses.dataclass(frozen=True)
class Release:
    """Who this process acts for."""

    #: `namespace/name` of the Lease that the replicas of the release share.
    name: str
    instance: str


class Claims:
    """Admits the models of this release to a look, and writes down that it acts on them."""

    def __init__(
        self,
        kube: Kube,
        release: Release,
        *,
        grace: float,
        metrics: Metrics,
        now: Callable[[], datetime.datetime],
        clock: Callable[[], float],
    ) -> None:
        """`grace`: a look that began before a label moved has ended after so many seconds."""
        self._kube = kube
        self._release = release
        self._grace = grace
        self._metrics = metrics
        self._now = now
        self._clock = clock
        self._events = EventRecorder(kube)
        self._foreign: dict[Key, str] = {}
        #: Models that the label has moved here, their resourceVersion, and since when it is that.
        self._arriving: dict[Key, tuple[str, float]] = {}

    def forget(self, key: Key) -> None:
        """A model is no more, or is this release's."""
        self._arriving.pop(key, None)
        if self._foreign.pop(key, None) is not None:
            self._metrics.foreign_models.set(len(self._foreign))

    async def admit(self, key: Key, raw: Object) -> Object | Refused:
        """Return the model as it is to be looked at, or when to look whether that has changed.

        Raises:
            KubeError: the claim could not be written.
        """
        claim = claim_of(raw, self._release.name, self._release.instance)
        if claim is Claim.FOREIGN:
            return await self._refuse(key, raw)
        if claim is Claim.ARRIVING:
            left = self._left(key, raw)
            if left > 0:
                return Refused(min(left, DELETING_WAIT))
            claim = Claim.FREE
        self.forget(key)
        match claim:
            case Claim.OURS:
                return raw
            case Claim.FREE:
                mine = {"release": self._release.name, "instance": self._release.instance}
                return await self._write(key, raw, mine) or Refused(None)
            case Claim.LEFT:
                await self._write(key, raw, None)
                logger.info("%s: its label names another instance; it is let go", key)
        return Refused(None)

    def _left(self, key: Key, raw: Object) -> float:
        """Return for how long the release that the label took a model from may still be at it."""
        now, version = self._clock(), str(raw["metadata"]["resourceVersion"])
        # A label that went back and forth in the meantime starts the wait anew.
        if self._arriving.get(key, ("", now))[0] != version:
            self._arriving[key] = (version, now)
        return self._arriving[key][1] + self._grace - now

    async def _write(self, key: Key, raw: Object, claim: Object | None) -> Object | None:
        status = {k: v for k, v in (raw.get("status") or {}).items() if k != "operator"}
        if claim is not None:
            status["operator"] = claim
        seen = {name: raw["metadata"][name] for name in ("uid", "resourceVersion")}
        manifest = {
            "apiVersion": f"{GROUP}/{API_VERSION}",
            "kind": "RecommenderModel",
            "metadata": {"name": key.name, "namespace": key.namespace, **seen},
            "status": status,
        }
        return await self._kube.apply_status(MODELS, manifest)

    async def _refuse(self, key: Key, raw: Object) -> Refused:
        holder = str(raw["status"]["operator"]["release"])
        if self._foreign.get(key) != holder:
            self._foreign[key] = holder
            self._metrics.foreign_models.set(len(self._foreign))
            await self._complain(key, raw, holder)
        deleting = raw["metadata"].get("deletionTimestamp")
        return Refused(DELETING_WAIT if deleting else FOREIGN_WAIT)

    async def _complain(self, key: Key, raw: Object, holder: str) -> None:
        message = (
            f"the release {holder} acts on this model, so {self._release.name} does not: give one "
            "of them an operator.instance of its own and the model its label, or, if "
            f"{holder} is gone, remove status.operator"
        )
        logger.warning("%s: %s", key, message)
        event = Event(type="Warning", reason="OtherRelease", message=message)
        try:
            await self._events.post(model_object(raw), event, self._now())
        except (KubeError, ObservationError) as error:
            logger.info("%s: no Event: %s", key, error)
