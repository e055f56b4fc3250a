"""Which host a model's route may have: below a suffix of its namespace, and held by nobody else.

The order of the Gateway API decides between two routes (the older one first, then by name), with
one thing more: a model that does not have a host yet never takes it from a route that has. The
data plane itself would let the model's gRPC rule, which matches a header, win over an older route.
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
    """The host that the route gets, and why that is not the one asked for.

    `host` is None where nothing may be routed, and empty where no route of the operator has one.
    """

    host: str | None = ""
    reason: Reason | None = None
    message: str = ""


def wanted(model: ModelObject, domain: str) -> str:
    """Return the host that a model asks for."""
    named = model.spec.serving.host
    return named or host_names.default(model.name, model.namespace, domain)


def is_routed(versions: Iterable[VersionObject]) -> bool:
    """Return whether a route is there, or about to be written."""
    return any(version.status.stage in _ROUTED for version in versions)


def judge(observed: Observed) -> Hosting:
    """Return the host to route: the one asked for, else the one before, else none."""
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
    message = f"{message}. Until then no requests are routed"
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
        f"host {host} is held by the {holder.kind} {holder.namespace}/{holder.name}, created at "
        f"{holder.created_at.isoformat(timespec='seconds')}. Set another serving.host, or take "
        "the host out of that route"
    )
    return Reason.HOST_CONFLICT, message


def _holder(observed: Observed, host: str) -> Rival | None:
    """Return the first of the other routes that have a host, if it comes before the model's."""
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
    """Whether a route has a host; in one namespace a wildcard yields to a host, as in the API."""
    return any(
        host_names.covers(pattern, host) and (pattern == host or rival.namespace != namespace)
        for pattern in rival.hosts
    )
