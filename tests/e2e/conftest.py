"""One cluster, one chart, one model under load for all end-to-end stories."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.settings import cache_folder
from tests.scenario import setup, stories
from tests.scenario.kube import RouteWatch
from tests.scenario.world import World

NAMESPACE = "recommender-e2e"
REQUESTS_A_SECOND = 30.0


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """A champion that serves, with a steady load that no story may make fail."""
    made, url = setup.make_world(NAMESPACE, cache_folder() / "demo-data", print, knative=False)
    try:
        made.kube.delete_model(made.name)
        made.until("the earlier model to be gone", lambda: not made.kube.versions(made.name), 180)
    except Exception:  # there is none, the usual case
        pass
    made.route = RouteWatch(made.kube, made.name)
    stories.first_version(made)
    made.start_load(url, REQUESTS_A_SECOND)
    yield made
    assert made.load is not None
    figures = made.load.stop()
    made.route.stop()
    made.kube.delete_model(made.name)
    assert figures["failed"] == 0, figures["failures"]


@pytest.fixture
def champion(world: World) -> Iterator[World]:
    """Given: a champion with all traffic, nothing on its way, no failed request so far."""
    world.until_settled(300)
    before = world.failed_requests
    yield world
    assert world.failed_requests == before, world.load and world.load.total
