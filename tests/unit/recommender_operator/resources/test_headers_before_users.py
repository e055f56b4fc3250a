"""The headers of a route before the candidate has users: copies and mixed lists."""

from __future__ import annotations

import pytest

from recommender_contract.headers import INTERLEAVING_HEADER, NOT_OF_CLIENTS, SHADOW_HEADER
from recommender_operator.extensions.interleaving import interleaving_headers
from recommender_operator.extensions.shadow import shadow_headers
from recommender_operator.observed import Routing
from recommender_operator.resources import http_route
from recommender_serving.experiments import interleaving as mixed
from recommender_serving.experiments.mirroring_phase import MirroringPhase, parse_mirroring_phase
from tests.interleaving_vectors import header, header_alone
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS, model

STABLE, CANDIDATE = "movies-0123abcd", "movies-4567cdef"


@pytest.mark.parametrize("share", [0.0001, 0.1, 1.0])
def test_a_route_of_a_shadow_phase_names_the_candidate_and_sends_it_nothing(share: float) -> None:
    header = shadow_headers.header(CANDIDATE, share)
    routing = Routing(shadow=header)
    made = http_route.http_route(model(), {STABLE: 100}, OPTIONS, routing=routing)
    for rule in made["spec"]["rules"]:
        assert [b["name"] for b in rule["backendRefs"]] == [f"{STABLE}-transformer"]
        (modifier,) = [f["requestHeaderModifier"] for f in rule["filters"]]
        assert modifier["set"] == [{"name": "x-recommender-shadow", "value": header}]
        assert set(modifier["remove"]) == set(NOT_OF_CLIENTS) - {SHADOW_HEADER}
    assert http_route.weights_of(made) == {STABLE: 100}
    assert http_route.routing_of(made) == routing
    assert parse_mirroring_phase(header, "movies") == MirroringPhase(
        CANDIDATE, round(share * 10_000)
    )


@pytest.mark.parametrize("percent", [1, 20])
def test_a_route_of_mixed_lists_names_the_candidate_and_sends_it_nothing(percent: int) -> None:
    header = interleaving_headers.header("0a1b2c3d", CANDIDATE, percent)
    routing = Routing(interleaving=header)
    made = http_route.http_route(model(), {STABLE: 100}, OPTIONS, routing=routing)
    for rule in made["spec"]["rules"]:
        assert [b["name"] for b in rule["backendRefs"]] == [f"{STABLE}-transformer"]
        (modifier,) = [f["requestHeaderModifier"] for f in rule["filters"]]
        assert modifier["set"] == [{"name": "x-recommender-interleaving", "value": header}]
        assert set(modifier["remove"]) == set(NOT_OF_CLIENTS) - {INTERLEAVING_HEADER}
    assert http_route.weights_of(made) == {STABLE: 100}
    assert http_route.routing_of(made) == routing
    read = mixed.parse_interleaving(header, "movies")
    assert read == mixed.Interleaving("0a1b2c3d", CANDIDATE, percent * 100)


def test_a_header_says_that_all_lists_of_the_same_users_are_of_nobody() -> None:
    usual = interleaving_headers.header("0a1b2c3d", CANDIDATE, 5)
    routing = Routing(interleaving=(header := interleaving_headers.alone(usual)))
    assert (interleaving_headers.is_alone(usual), interleaving_headers.is_alone(header)) == (
        False,
        True,
    )
    assert mixed.parse_interleaving(header, "movies") == mixed.parse_interleaving(
        usual, "movies"
    )._replace(alone=True)
    made = http_route.http_route(model(), {STABLE: 100}, OPTIONS, routing=routing)
    assert http_route.routing_of(made) == routing


def test_the_header_of_mixed_lists_is_that_of_the_contract() -> None:
    assert interleaving_headers.header("0a1b2c3d", "movies-11111111", 10) == header()
    assert interleaving_headers.alone(header()) == header_alone()
