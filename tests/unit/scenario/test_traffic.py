from __future__ import annotations

from typing import Any
from unittest import mock

import pytest

from recommender_operator.observed import PLAIN, Routing
from recommender_operator.resources.assignment import Assignment
from recommender_operator.resources.http_route import http_route
from tests.scenario.traffic import OfRoute
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS, model

CHAMPION, CANDIDATE = "movies-0123abcd", "movies-4567cdef"
USERS = Assignment(id="00c0ffee", phase=1, cap=1000, candidate=CANDIDATE, percent=20)


@pytest.mark.parametrize(
    ("routing", "weights"),
    [
        (PLAIN, {CHAMPION: 80, CANDIDATE: 20}),
        (Routing(experiment=USERS.header), {CHAMPION: 80, CANDIDATE: 20}),
        (Routing(tester="me", tested=CANDIDATE), {CHAMPION: 100}),
    ],
)
def test_a_split_is_that_of_the_users_in_an_experiment_and_else_of_the_requests(
    routing: Routing, weights: dict[str, int]
) -> None:
    route: Any = http_route(model(), weights, OPTIONS, routing=routing)
    assert OfRoute().read(mock.Mock(), route) == weights
