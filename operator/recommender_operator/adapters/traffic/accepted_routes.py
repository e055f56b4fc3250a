"""The status of a route, as the Gateway controllers report it."""

from __future__ import annotations

from recommender_operator.adapters.traffic.traffic_port import created_at
from recommender_operator.controller.kube import Object
from recommender_operator.observed import TrafficState
from recommender_operator.resources import http_route


def route_state(route: Object | None) -> TrafficState:
    """Return the split of a route, and whether every parent has applied this generation."""
    if route is None or route["metadata"].get("deletionTimestamp"):
        return TrafficState()
    message = _not_taken(route)
    hosts = route["spec"].get("hostnames") or [""]
    return TrafficState(
        weights=http_route.weights_of(route),
        accepted=not message,
        message=message,
        host=str(hosts[0]),
        created_at=created_at(route),
        outdated=not http_route.is_current(route),
        routing=http_route.routing_of(route),
    )


def _not_taken(route: Object) -> str:
    """Return why a route is not applied; empty if it is."""
    wanted = len(route["spec"].get("parentRefs") or [])
    parents = route.get("status", {}).get("parents") or []
    if not parents or len(parents) < wanted:
        return "no Gateway controller has accepted the HTTPRoute; check its parentRefs"
    generation = int(route["metadata"].get("generation") or 0)
    for parent in parents:
        for kind in ("Accepted", "ResolvedRefs"):
            if problem := _problem(parent, kind, generation):
                return problem
    return ""


def _problem(parent: Object, kind: str, generation: int) -> str:
    condition = next((c for c in parent.get("conditions") or [] if c.get("type") == kind), None)
    if condition is None:
        return f"the Gateway controller has not yet reported {kind}"
    if int(condition.get("observedGeneration") or 0) < generation:
        return (
            f"the Gateway controller has not yet observed generation {generation} of the HTTPRoute"
        )
    if condition.get("status") != "True":
        return f"{kind} is {condition.get('status')}: {condition.get('reason')} " + str(
            condition.get("message") or ""
        )
    return ""
