"""The traffic port: serve versions, split requests over them, say what is so.

Two implementations, with one core above them (`docs/adr/0003-traffic-port.md`).
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from recommender_operator.adapters import pods as podstates
from recommender_operator.adapters import redaction
from recommender_operator.adapters import restarts as podrestarts
from recommender_operator.adapters.kube import Object
from recommender_operator.adapters.owned_writes import Claim
from recommender_operator.adapters.seen import Seen
from recommender_operator.observed import (
    ModelObject,
    ServiceState,
    TrafficState,
    VersionObject,
)
from recommender_operator.resources.ownership import Foreign


class TrafficError(Exception):
    """What is asked for cannot be done now, most often because a status lags behind.

    The look is repeated; it is a failure only if that goes on.
    """


@dataclasses.dataclass(frozen=True, kw_only=True)
class Subject:
    """What a traffic call speaks of: a model, its versions, and their serving pods as read.

    `seen` has the objects that the look read: what is observed is kept there, and what is asked
    for is conditional on it.
    """

    model: ModelObject
    versions: Mapping[str, VersionObject]
    pods: Mapping[str, Sequence[Object]] = dataclasses.field(default_factory=dict)
    seen: Seen = dataclasses.field(default_factory=Seen)

    @property
    def owners(self) -> Collection[str]:
        """The uids that may control what the model serves by."""
        return frozenset({self.model.uid, *(v.uid for v in self.versions.values())})

    @property
    def claim(self) -> Claim:
        """On whose behalf, and over which objects, writes are made."""
        return Claim(owners=self.owners, seen=self.seen)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrafficView:
    """What serves, and how requests are split."""

    services: Mapping[str, ServiceState]
    traffic: TrafficState
    #: Objects in the place of the model's own.
    foreign: tuple[Foreign, ...] = ()


class Traffic(Protocol):
    """Each call is idempotent and asks for a state; none waits for it. All raise KubeError.

    Writes raise ForeignObjectError where an object of another is in the way, and ConflictError
    where an object is no longer what the subject's look saw.
    """

    async def observe(self, subject: Subject) -> TrafficView:
        """Return the services by version and the split that the data plane reports."""
        ...

    async def ensure(self, subject: Subject, version: str) -> None:
        """Serve a version, without requests as long as another one takes them.

        Raises:
            NotPublishedError: the version has no artifact.
        """
        ...

    async def release(self, subject: Subject, version: str) -> None:
        """Stop serving a version that gets no requests."""
        ...

    async def split(self, subject: Subject, weights: Mapping[str, int], host: str = "") -> None:
        """Ask for a split in percent, summing to 100, of the requests at a host.

        Without a host it is the one that the model has by default.

        Raises:
            TrafficError: the data plane cannot do it as things stand.
        """
        ...

    async def withdraw(self, subject: Subject) -> None:
        """Take no requests any more."""
        ...


def created_at(thing: Object) -> datetime.datetime | None:
    """Return the creation time of an object."""
    text = thing["metadata"].get("creationTimestamp")
    return datetime.datetime.fromisoformat(text) if text else None


def ready_condition(thing: Object, kind: str = "Ready") -> Object:
    """Return a condition of an object; empty if it is not there."""
    for condition in thing.get("status", {}).get("conditions") or []:
        if condition.get("type") == kind:
            found: Object = condition
            return found
    return {}


def service_state(
    version: str,
    *,
    owner: Object,
    condition: Object,
    pods: Sequence[Object],
    outdated: bool,
) -> ServiceState:
    """Return the state of what serves a version.

    It is ready when Kubernetes says so and a pod is there to answer: KServe's own Ready can be
    ahead of the pods, and stays true for a while after they are gone.
    """
    ready_pods = sum(1 for pod in pods if podstates.is_ready(pod))
    ready = condition.get("status") == "True" and ready_pods > 0
    reason, message = "", ""
    if not ready:
        newest = sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")))
        reason, message = podstates.obstacle(newest[-1]) if newest else ("", "")
        reason = reason or str(condition.get("reason") or "") or "NotReady"
        message = message or str(condition.get("message") or "") or f"{ready_pods} pods are ready"
    restarts, restart_reason = podrestarts.restarts(pods)
    return ServiceState(
        version=version,
        ready=ready,
        reason=reason,
        message=message[: redaction.SHOWN_LIMIT],
        ready_pods=ready_pods,
        uid=str(owner["metadata"].get("uid") or ""),
        restarts=restarts,
        restart_reason=restart_reason,
        disrupted=not ready and podrestarts.disrupted(pods),
        outdated=outdated,
    )
