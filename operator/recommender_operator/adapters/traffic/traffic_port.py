"""The traffic port: serve versions, split requests between them, and observe both.

It has two implementations (`docs/adr/0003-traffic-port.md`).
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from recommender_operator.adapters.kinds import VERSIONS
from recommender_operator.adapters.objects.owned_writes import Claim
from recommender_operator.adapters.objects.preconditions import ObservedObjects
from recommender_operator.adapters.pods import pod_states as podstates
from recommender_operator.adapters.pods import restarts as podrestarts
from recommender_operator.controller import redaction
from recommender_operator.controller.kube import Object
from recommender_operator.observed import (
    PLAIN,
    ModelObject,
    Routing,
    Scaling,
    ServiceState,
    TrafficState,
    VersionObject,
)
from recommender_operator.resources import labels
from recommender_operator.resources.labels import Component
from recommender_operator.resources.ownership import Foreign

#: Hex digits of the digest of observations.
DIGEST_DIGITS = 16


class TrafficError(Exception):
    """The data plane cannot apply the split yet, usually because a status lags behind.

    The pass is repeated; only if the error persists, it is reported.
    """


@dataclasses.dataclass(frozen=True, kw_only=True)
class Subject:
    """The subject of a traffic call: a model, its versions, and their observed serving pods.

    `seen` has the objects that the pass observed, which are the preconditions of writes.
    """

    model: ModelObject
    versions: Mapping[str, VersionObject]
    pods: Mapping[str, Sequence[Object]] = dataclasses.field(default_factory=dict)
    seen: ObservedObjects = dataclasses.field(default_factory=ObservedObjects)

    @property
    def owners(self) -> Collection[str]:
        """The uids that may control the model's serving objects."""
        return frozenset({self.model.uid, *(v.uid for v in self.versions.values())})

    @property
    def claim(self) -> Claim:
        """The owners and observed objects for writes."""
        return Claim(owners=self.owners, seen=self.seen)

    @property
    def basis(self) -> str:
        """A digest of the versions that a split is based on.

        With it, every decision changes the route, even if the split stays the same, so that a
        later write by an operator that was suspended in between gets a conflict.
        """
        seen = [self.seen.get(VERSIONS, name) for name in sorted(self.versions)]
        texts = [
            f"{thing['metadata']['uid']}@{thing['metadata']['resourceVersion']}"
            for thing in seen
            if thing is not None
        ]
        return hashlib.sha256(" ".join(texts).encode()).hexdigest()[:DIGEST_DIGITS]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrafficView:
    """The observed services, and the traffic split."""

    services: Mapping[str, ServiceState]
    traffic: TrafficState
    #: Foreign objects with the names of the model's objects.
    foreign: tuple[Foreign, ...] = ()
    scaling: Scaling = dataclasses.field(default_factory=Scaling)
    #: Services, by name, that have outlived the record of their version, which is there again.
    to_adopt: tuple[str, ...] = ()


class Traffic(Protocol):
    """Each call is idempotent and sets a desired state, without waiting. All raise KubeError.

    Writes raise ForeignObjectError if a foreign object has the name, and ConflictError if an
    object has changed since the pass observed it.
    """

    async def observe(self, subject: Subject) -> TrafficView:
        """Return the services by version and the split that the data plane reports."""
        ...

    async def ensure(self, subject: Subject, version: str, *, optional: bool = False) -> None:
        """Serve a version, without requests if another one receives them.

        In Gateway mode it may be the name of a version's fresh deployment (`resources/fresh.py`),
        here, in `release` and in what is observed. That of a fresh or an `optional` one that the
        API server refuses is remembered (`refused`).

        Raises:
            NotPublishedError: the version has no artifact.
        """
        ...

    async def adopt(self, subject: Subject, version: str) -> None:
        """Make a version the controller of the service that has outlived its former record."""
        ...

    async def release(self, subject: Subject, version: str) -> None:
        """Stop serving a version that receives no requests."""
        ...

    async def split(
        self,
        subject: Subject,
        weights: Mapping[str, int],
        host: str = "",
        routing: Routing = PLAIN,
    ) -> None:
        """Set the split of the requests at a host, in percent, with a sum of 100.

        An empty host is the model's default host. Only the Gateway has a `routing`.

        Raises:
            TrafficError: the data plane cannot apply the split yet.
        """
        ...

    async def withdraw(self, subject: Subject) -> None:
        """Stop routing requests to the model."""
        ...


def created_at(thing: Object) -> datetime.datetime | None:
    """Return the creation time of an object."""
    text = thing["metadata"].get("creationTimestamp")
    return datetime.datetime.fromisoformat(text) if text else None


def ready_condition(thing: Object, kind: str = "Ready") -> Object:
    """Return a condition of an object; empty if it is not set."""
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
    components: Sequence[Component] = (),
    outdated: bool,
    requested_memory: int,
) -> ServiceState:
    """Return the state of a version's service, with pods of these components, or of one kind.

    It is ready if KServe reports Ready and a pod of each component is ready: KServe's condition
    may precede the pods, and stays True for a while after they are gone.
    """
    by_component = _by_component(pods, components)
    ready_by_component = [sum(map(podstates.is_ready, some)) for some in by_component]
    ready_pods = min(ready_by_component)
    ready = condition.get("status") == "True" and ready_pods > 0
    # Without a ready pod of a component, its pods tell why; otherwise those of all do.
    lacking = [
        some for some, count in zip(by_component, ready_by_component, strict=True) if count == 0
    ]
    reason, message = "", ""
    if not ready:
        reason, message = _obstacle(lacking or by_component)
        reason = reason or str(condition.get("reason") or "") or "NotReady"
        message = message or str(condition.get("message") or "") or f"{ready_pods} pods are ready"
    restarts, restart_reason = podrestarts.restarts(pods)
    return ServiceState(
        version=version,
        ready=ready,
        reason=reason,
        message=message[: redaction.SHOWN_LIMIT],
        ready_pods=ready_pods,
        answers=any(map(podstates.is_ready, podstates.answering(pods))),
        uid=str(owner["metadata"].get("uid") or ""),
        restarts=restarts,
        restart_reason=restart_reason,
        disrupted=not ready and any(map(podrestarts.disrupted, lacking or [pods])),
        unscheduled=podstates.unscheduled(pods),
        outdated=outdated,
        requested_memory=requested_memory,
    )


def _by_component(
    pods: Sequence[Object], components: Sequence[Component]
) -> list[Sequence[Object]]:
    if not components:
        return [pods]
    return [
        [pod for pod in pods if podstates.label(pod, labels.COMPONENT) == component]
        for component in components
    ]


def _obstacle(groups: Sequence[Sequence[Object]]) -> tuple[str, str]:
    """Return the reason that the newest pod of a component does not work."""
    for pods in groups:
        by_age = sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")))
        if by_age and (found := podstates.obstacle(by_age[-1])) != ("", ""):
            return found
    return "", ""
