"""A fresh deployment of the champion: its names, its objects, and its part of the route."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.context import routing
from recommender_operator.extensions.baseline.baseline_deployment import fresh_weight
from recommender_operator.observed import Routing
from recommender_operator.resources import (
    baseline_deployment_names,
    disruption_budgets,
    http_route,
    inference_service,
    names,
    network_policies,
)
from recommender_operator.resources.assignment_header import Assignment
from recommender_operator.resources.labels import Component
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS, model, version

STABLE, CANDIDATE = "movies-0123abcd", "movies-4567cdef"
FRESH = baseline_deployment_names.deployment(STABLE)
Golden = Callable[[str, Any], None]
PERCENTS = st.integers(1, 99)


def weights(share: int) -> dict[str, int]:
    return {STABLE: 100 - share, CANDIDATE: share}


def users(share: int) -> str:
    given = Assignment(id="00c0ffee", phase=0, cap=1000, candidate=CANDIDATE, percent=share)
    return given.header


def received(route: Any) -> list[dict[str, int]]:
    """Return the weights of the backends in each rule of a route."""
    return [
        {b["name"].removesuffix("-transformer"): b["weight"] for b in rule["backendRefs"]}
        for rule in route["spec"]["rules"]
    ]


@given(st.from_regex(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?", fullmatch=True), st.integers(0))
def test_its_name_is_that_of_no_version_and_fits_its_services(name: str, seed: int) -> None:
    own = names.version_name(name, f"{seed % 16**8:08x}")
    deployment = baseline_deployment_names.deployment(own)
    assert (
        baseline_deployment_names.is_fresh(deployment),
        baseline_deployment_names.is_fresh(own),
    ) == (True, False)
    assert (
        baseline_deployment_names.version_of(deployment),
        baseline_deployment_names.version_of(own),
    ) == (own, own)
    assert len(http_route.service_name(deployment)) <= 63


@given(PERCENTS, st.booleans())
def test_a_route_with_it_says_what_was_decided_and_sums_to_100(share: int, by_users: bool) -> None:
    part = fresh_weight(share, by_users=by_users)
    wanted = Routing(experiment=users(share) if by_users else "", fresh=FRESH, fresh_weight=part)
    route = http_route.http_route(model(), weights(share), OPTIONS, routing=wanted)
    for rule in received(route):
        assert sum(rule.values()) == 100
        assert min(rule.values()) > 0, "a backend without requests must not exist"
        assert rule[FRESH] == part
        assert (CANDIDATE in rule) != by_users
    assert http_route.weights_of(route) == weights(share)
    assert http_route.routing_of(route) == wanted


@given(PERCENTS)
def test_it_has_as_much_as_the_candidate_but_at_most_half_of_what_is_left(share: int) -> None:
    part = fresh_weight(share, by_users=False)
    left = 100 - share
    assert 1 <= part <= share
    assert part <= left - part or left == 1, "the other pods keep at least as much"
    assert part == share or part >= (left - 1) // 2


@given(st.integers(1, 98))
def test_of_what_users_share_it_never_has_less_at_a_wider_share_and_at_most_half(
    share: int,
) -> None:
    part = fresh_weight(share, by_users=True)
    assert 1 <= part <= fresh_weight(share + 1, by_users=True) <= 50
    answers = part * (100 - share) / 100
    assert answers <= share + 0.5
    assert part == 50 or abs(answers - share) <= 0.5


@given(PERCENTS, st.booleans())
def test_the_arms_of_a_route_share_all_requests(share: int, by_users: bool) -> None:
    part = fresh_weight(share, by_users=by_users)
    wanted = Routing(experiment=users(share) if by_users else "", fresh=FRESH, fresh_weight=part)
    found = routing.arms(weights(share), wanted)
    assert sum(found.values()) == 100
    assert min(found.values()) >= 0
    assert (found[CANDIDATE], found[FRESH] + found[STABLE]) == (share, 100 - share)
    assert routing.arms(weights(share), Routing()) == weights(share)


@pytest.mark.parametrize(
    ("given", "deployment", "part"),
    [
        (weights(60), FRESH, 41),  # more than the champion has
        (weights(60), FRESH, 0),
        ({CANDIDATE: 100}, FRESH, 10),
        (weights(60), baseline_deployment_names.deployment("movies-89abcdef"), 10),
    ],
)
def test_a_part_that_the_champion_does_not_have_is_refused(
    given: dict[str, int], deployment: str, part: int
) -> None:
    wanted = Routing(fresh=deployment, fresh_weight=part)
    with pytest.raises(ValueError, match="has no"):
        http_route.http_route(model(), given, OPTIONS, routing=wanted)


def test_a_route_with_it_is_as_expected(golden: Golden) -> None:
    wanted = Routing(fresh=FRESH, fresh_weight=10, tester="let-me-see-it-first", tested=CANDIDATE)
    route = http_route.http_route(model(), weights(10), OPTIONS, routing=wanted)
    golden("http_route_fresh", route)


def test_its_service_is_as_expected(golden: Golden) -> None:
    service = inference_service.standard(model(), version(STABLE), OPTIONS, name=FRESH)
    golden("inference_service_fresh", service)


def test_it_differs_from_the_champion_in_its_name_alone() -> None:
    own = inference_service.standard(model(), version(STABLE), OPTIONS)
    other = inference_service.standard(model(), version(STABLE), OPTIONS, name=FRESH)
    (container,) = other["spec"]["transformer"]["containers"]
    env = {each["name"]: each["value"] for each in container["env"]}
    assert env["RECOMMENDER_VERSION"] == STABLE, "its counters and impressions are the champion's"
    assert str(other).replace(FRESH, STABLE) == str(own)


def test_what_selects_its_pods_selects_none_of_the_champion() -> None:
    owner = inference_service.standard(model(), version(STABLE), OPTIONS)
    owner["metadata"]["uid"] = "uid-service"
    made = {
        name: [
            *(
                policy["spec"]["podSelector"]
                for policy in network_policies.policies(model(), name, owner, OPTIONS)
            ),
            *(
                disruption_budgets.budget("movies", name, part, owner)["spec"]["selector"]
                for part in Component
            ),
        ]
        for name in (STABLE, FRESH)
    }
    assert not [each for each in made[FRESH] if each in made[STABLE]]
