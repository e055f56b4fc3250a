"""The route sends what clients may call to the transformers, and nothing else."""

from __future__ import annotations

from recommender_operator.resources import http_route, labels
from recommender_serving.protocols import grpc_server, openapi
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS, model
from tests.unit.recommender_serving.serving_parsing import LIMITS


def _port_of(path: str) -> int | None:
    """Return the port that a path is routed to, by the rules of the Gateway API; None if none."""
    route = http_route.http_route(model(), {"movies-0123abcd": 100}, OPTIONS)
    for rule in route["spec"]["rules"]:
        for match in rule["matches"]:
            kind, value = match["path"]["type"], match["path"]["value"]
            below = kind == "PathPrefix" and path.startswith(f"{value}/")
            if path == value or below:
                return int(rule["backendRefs"][0]["port"])
    return None


def _calls() -> list[str]:
    """Return the paths that the transformer serves over REST, from its own document."""
    return sorted(openapi.document(LIMITS, "recommender", "movies-0")["paths"])


def test_what_clients_may_call_is_routed_and_nothing_else() -> None:
    assert len(_calls()) > 5
    for path in [*_calls(), "/v2", "/docs", "/openapi.json"]:
        assert _port_of(path) == http_route.HTTP_PORT, path
    assert _port_of(f"/{grpc_server.NAME}/ModelInfer") == http_route.GRPC_PORT
    for path in ("/", "/metrics", "/metrics/", "/v1metrics", "/docs/x", "/inference.Other/Call"):
        assert _port_of(path) is None, path


def test_a_route_of_another_layout_is_not_current() -> None:
    route = http_route.http_route(model(), {"movies-0123abcd": 100}, OPTIONS)
    assert http_route.is_current(route)
    route["metadata"]["annotations"][labels.LAYOUT] = "1"
    assert not http_route.is_current(route)
    del route["metadata"]["annotations"]
    assert not http_route.is_current(route), "releases before this one set no annotation"
