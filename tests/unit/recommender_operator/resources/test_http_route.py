"""The route sends what clients may call to the transformers, by weights, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.observed import Routing
from recommender_operator.resources import http_route, labels
from recommender_operator.resources.assignment_header import Assignment
from recommender_serving.server import grpc_server, openapi
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS, model
from tests.unit.recommender_operator.resources.built_manifests import Golden
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


def test_a_route_is_as_expected(golden: Golden) -> None:
    weights = {"movies-0123abcd": 90, "movies-4567cdef": 10, "movies-89abcdef": 0}
    golden("http_route", http_route.http_route(model(), weights, OPTIONS))


def test_a_route_of_an_experiment_is_as_expected(golden: Golden) -> None:
    weights = {"movies-0123abcd": 90, "movies-4567cdef": 10}
    users = Assignment(id="00c0ffee", phase=1, cap=1000, candidate="movies-4567cdef", percent=10)
    routing = Routing(
        experiment=users.header, tester="let-me-see-it-first", tested="movies-4567cdef"
    )
    golden(
        "http_route_experiment",
        http_route.http_route(model(), weights, OPTIONS, routing=routing),
    )


def test_a_route_of_a_shadow_phase_is_as_expected(golden: Golden) -> None:
    routing = Routing(shadow="movies-4567cdef:1000")
    route = http_route.http_route(model(), {"movies-0123abcd": 100}, OPTIONS, routing=routing)
    golden("http_route_shadow", route)


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(-5, 105), max_size=4))
def test_a_route_has_exactly_the_given_weights_or_is_refused(
    weights: dict[str, int],
) -> None:
    good = sum(weights.values()) == 100 and all(0 <= w <= 100 for w in weights.values())
    if not good:
        with pytest.raises(ValueError, match="sum to 100"):
            http_route.http_route(model(), weights, OPTIONS)
        return
    route = http_route.http_route(model(), weights, OPTIONS)
    assert http_route.weights_of(route) == {k: w for k, w in weights.items() if w > 0}
    grpc, rest = route["spec"]["rules"]
    assert [b["weight"] for b in grpc["backendRefs"]] == [b["weight"] for b in rest["backendRefs"]]
