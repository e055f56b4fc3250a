"""Several releases of the operator in a cluster: only one of them manages a model.

A model's label names the instance of the operator that it belongs to; without the label it belongs
to the release without an instance. If two releases have the same instance, the first one writes
its name to the status of the model, and the other one does not touch it.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import logging
from collections.abc import Callable

from recommender_contract.api_names import API_VERSION, GROUP
from recommender_operator.actions import Event
from recommender_operator.adapters.kinds import MODELS
from recommender_operator.adapters.objects.event_recorder import EventRecorder
from recommender_operator.adapters.objects.parsed_objects import ObservationError, model_object
from recommender_operator.controller.kube import Kube, KubeError, Object
from recommender_operator.metrics.operator_metrics import Metrics
from recommender_operator.reconcile.reconciler import Key, Refused
from recommender_operator.resources.labels import INSTANCE

logger = logging.getLogger(__name__)

#: Pauses between two passes of a model of another release, in seconds: usually, and while the
#: model is being deleted.
FOREIGN_WAIT, DELETING_WAIT = 300.0, 15.0


def selector(instance: str) -> str:
    """Return the label selector of the models of an instance."""
    return f"{INSTANCE}={instance}" if instance else f"!{INSTANCE}"


def is_labelled(raw: Object, instance: str) -> bool:
    """Return whether the label of a model names an instance."""
    label = (raw["metadata"].get("labels") or {}).get(INSTANCE)
    return label == instance if instance else label is None


class Claim(enum.Enum):
    """The release that manages a model, by its label and the release in its status."""

    OURS = enum.auto()
    #: No release manages it; this release may claim it.
    FREE = enum.auto()
    #: The label assigns it to another instance, and this release must remove its claim.
    LEFT = enum.auto()
    #: The label assigns it to this release, but the former release has not removed its claim.
    ARRIVING = enum.auto()
    #: Another release of the same instance manages it.
    FOREIGN = enum.auto()
    #: The label names another instance.
    ELSEWHERE = enum.auto()


def claim_of(raw: Object, release: str, instance: str) -> Claim:
    """Return the claim on a model."""
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
    """The release of this process."""

    #: `namespace/name` of the Lease that the replicas of the release share.
    name: str
    instance: str


class ReleaseClaims:
    """Admits the models of this release to a pass, and writes its claim to them."""

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
        """`grace`: seconds after which a pass that started before a label change has ended."""
        self._kube = kube
        self._release = release
        self._grace = grace
        self._metrics = metrics
        self._now = now
        self._clock = clock
        self._events = EventRecorder(kube)
        self._foreign: dict[Key, str] = {}
        #: Models whose label changed to this instance: resourceVersion and first read
        self._arriving: dict[Key, tuple[str, float]] = {}

    def forget(self, key: Key) -> None:
        """Forget a model that is deleted, or managed by this release."""
        self._arriving.pop(key, None)
        if self._foreign.pop(key, None) is not None:
            self._metrics.foreign_models.set(len(self._foreign))

    async def admit(self, key: Key, raw: Object) -> Object | Refused:
        """Return the model if this release manages it, or when to check again.

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
                logger.info("%s: its label names another instance; the claim is removed", key)
        return Refused(None)

    def _left(self, key: Key, raw: Object) -> float:
        """Return for how many seconds the former release may still act on a model."""
        now, version = self._clock(), str(raw["metadata"]["resourceVersion"])
        # If the label changed again in the meantime, the wait starts again.
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
            await self._report_failure(key, raw, holder)
        deleting = raw["metadata"].get("deletionTimestamp")
        return Refused(DELETING_WAIT if deleting else FOREIGN_WAIT)

    async def _report_failure(self, key: Key, raw: Object, holder: str) -> None:
        message = (
            f"the release {holder} manages this model, so {self._release.name} does not: set a "
            "different operator.instance for one of them and the label of the model, or, if "
            f"{holder} no longer exists, remove status.operator"
        )
        logger.warning("%s: %s", key, message)
        event = Event(type="Warning", reason="OtherRelease", message=message)
        try:
            await self._events.post(model_object(raw), event, self._now())
        except (KubeError, ObservationError) as error:
            logger.info("%s: no Event: %s", key, error)
