"""The host of a model's route: it ends in a suffix of the namespace, and no other route has it.

Between two routes the order of the Gateway API decides (the older one first, then by name). In
addition, a model never takes a host from a route that already has it. The data plane itself would
prefer the model's gRPC rule, which matches a header, to an older route.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable

from recommender_operator.api import host_names
from recommender_operator.api.conditions import Reason
from recommender_operator.api.spec import TrafficMode
from recommender_operator.api.version import VersionStage
from recommender_operator.observed import ModelObject, Observed, Rival, VersionObject

_ROUTED = (VersionStage.CANARY, VersionStage.PROMOTED)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hosting:
    """The host of the route, and why it is not the desired one.

    `host` is None if no host is allowed, and empty if the operator does not set one.
    """

    host: str | None = ""
    reason: Reason | None = None
    message: str = ""


def wanted(model: ModelObject, domain: str) -> str:
    """Return the desired host of a model."""
    named = model.spec.serving.host
    return named or host_names.default(model.name, model.namespace, domain)


def is_routed(versions: Iterable[VersionObject]) -> bool:
    """Return whether a route exists or is about to be written."""
    return any(version.status.stage in _ROUTED for version in versions)


def resolve_host(observed: Observed) -> Hosting:
    """Return the host to route: the desired one, else the current one, else none."""
    model, domain = observed.model, observed.platform.domain
    if model.spec.rollout.traffic is not TrafficMode.GATEWAY or not domain:
        return Hosting()
    host, former = wanted(model, domain), observed.traffic.host
    refused = _refusal(observed, host)
    if refused is None:
        return Hosting(host=host)
    reason, message = refused
    if former not in ("", host) and _refusal(observed, former) is None:
        message = f"{message}. Requests are still routed at {former}"
        return Hosting(host=former, reason=reason, message=message)
    message = f"{message}. Until then, no requests are routed"
    return Hosting(host=None, reason=reason, message=message)


def _refusal(observed: Observed, host: str) -> tuple[Reason, str] | None:
    platform, namespace = observed.platform, observed.model.namespace
    suffixes = host_names.allowed(platform.host_policy, namespace, platform.domain)
    if refusal := host_names.refusal(host, suffixes):
        return Reason.HOST_NOT_ALLOWED, refusal
    holder = _holder(observed, host)
    if holder is None:
        return None
    message = (
        f"host {host} is used by the {holder.kind} {holder.namespace}/{holder.name}, created at "
        f"{holder.created_at.isoformat(timespec='seconds')}. Set another serving.host, or remove "
        "the host from that route"
    )
    return Reason.HOST_CONFLICT, message


def _holder(observed: Observed, host: str) -> Rival | None:
    """Return the first other route with a host, if it precedes the model's route."""
    model, traffic = observed.model, observed.traffic
    rivals = [rival for rival in observed.rivals if _overlaps(rival, host, model.namespace)]
    if not rivals:
        return None
    first = min(rivals, key=_order)
    if traffic.host != host or traffic.created_at is None:
        return first
    own = (traffic.created_at, f"{model.namespace}/{model.name}")
    return first if _order(first) < own else None


def _order(rival: Rival) -> tuple[datetime.datetime, str]:
    return rival.created_at, f"{rival.namespace}/{rival.name}"


def _overlaps(rival: Rival, host: str, namespace: str) -> bool:
    """Return whether a route has a host; in its own namespace, wildcards do not count."""
    return any(
        host_names.covers(pattern, host) and (pattern == host or rival.namespace != namespace)
        for pattern in rival.hosts
    )
