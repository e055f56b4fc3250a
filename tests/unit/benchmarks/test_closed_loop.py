"""The parts of the benchmark of the closed loop that need no server."""

from __future__ import annotations

import asyncio

from recommender_client import Query
from recommender_collector.domain.declaration import Declaration
from recommender_simulate.driver import Truth
from recommender_simulate.population import named
from recommender_training.ingestion.mapping import Mapping
from tests.benchmarks.closed_loop import MAPPING, TOP_N, AtRandom, World

ITEMS = named(40, "item-")
WORLD = World(ITEMS, named(30, "user-"), Truth(), seconds=5.0, rate=100.0)


def test_random_lists_have_different_items_of_the_catalogue() -> None:
    endpoint = AtRandom(ITEMS, seed=3)
    first = asyncio.run(endpoint.recommend(Query(user_id="user-1")))
    second = asyncio.run(endpoint.recommend(Query(user_id="user-1")))
    assert len(set(first.items)) == TOP_N
    assert set(first.items) <= set(ITEMS)
    assert first.items != second.items
    assert first.request_id != second.request_id


def test_no_list_is_truly_better_than_the_best_one() -> None:
    endpoint = AtRandom(ITEMS, seed=3)
    truth = WORLD.truth
    for user in WORLD.users:
        shown = asyncio.run(endpoint.recommend(Query(user_id=user))).items
        found = truth.behaviour.expected_clicks(truth.tastes, user, shown)
        assert found <= WORLD.best_of(user)


def test_what_is_left_out_makes_the_best_list_worse() -> None:
    user = WORLD.users[0]
    liked = max(ITEMS, key=lambda item: WORLD.truth.tastes.chance(user, item))
    assert WORLD.best_of(user, {liked}) < WORLD.best_of(user)
    assert WORLD.best_of(user, ITEMS) == 0


def test_collector_and_training_accept_its_mapping() -> None:
    assert Mapping.model_validate(MAPPING).label is not None
    declared = Declaration.model_validate({"models": {"shop": {"mapping": MAPPING}}})
    assert declared.models["shop"].outcome is not None
