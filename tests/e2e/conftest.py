"""One cluster and one chart for all end-to-end tests."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cluster.settings import cache_folder
from tests.scenario import stories
from tests.scenario.setup import Platform, make_platform
from tests.scenario.traffic import TrafficWatch
from tests.scenario.world import World, merged

#: At 10 % a step has its 40 requests after 14 s.
REQUESTS_A_SECOND = 30.0
MODES = ("Gateway", "Knative")
NewWorld = Callable[..., World]
#: Several worlds share two cores, and Knative keeps old revisions for more than a minute.
SMALL: dict[str, Any] = {
    # Lists without towers: their fits take half of a training, and tests of training have them.
    "training": {"hyperparameters": {"retrieval": "Weights"}},
    "serving": {"resources": {"cpu": "100m"}, "transformerResources": {"cpu": "100m"}},
    "analysis": {"stepSeconds": 10},
}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of one world together, whatever their order: it takes minutes to make.

    Pytest itself groups by the place of a parameter in its list, not by its value.
    """
    order = [_world_of(item) for item in items]
    items.sort(key=lambda item: order.index(_world_of(item)))
    # It looks back at what all others did.
    items.sort(key=lambda item: item.path.stem == "test_rights")


def _world_of(item: pytest.Item) -> str:
    callspec = getattr(item, "callspec", None)
    return str(callspec.params.get("world", "")) if callspec else ""


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    made = make_platform(cache_folder() / "demo-data", print, knative=True)
    yield made
    # Their models are deleted already, and had until now to be gone.
    for namespace in made.namespaces:
        made.remove(namespace)


@pytest.fixture(scope="session", params=MODES)
def world(request: pytest.FixtureRequest, platform: Platform) -> Iterator[World]:
    """A champion that serves, with a steady load that no story may make fail.

    One per traffic mode; the tests of a mode run one after the other, in any order.
    """
    mode = str(request.param)
    namespace = f"recommender-e2e-{mode.lower()}"
    made = platform.world(namespace, {**SMALL, "rollout": {"traffic": mode}})
    made.remove()
    made.route = TrafficWatch(made.kube, made.name, mode)
    told = stories.first_version(made)
    assert (told.decision, told.reason) == ("Promoted", "InitialRollout"), told
    made.first = told.version
    made.start_load(REQUESTS_A_SECOND)
    yield made
    assert made.load is not None
    figures = made.load.stop()
    made.route.stop()
    made.kube.delete_model(made.name)
    assert figures["sent"] > 100, figures
    assert figures["failed"] == 0, figures


@dataclasses.dataclass(frozen=True)
class Better:
    """A rollout that nothing disturbed: how it went, and what it left."""

    told: stories.Told
    left: dict[str, Any]


@pytest.fixture(scope="session")
def better(world: World) -> Better:
    """A better version was promoted step by step, once in each world."""
    world.until_settled(300)
    told = stories.better_version(world)
    return Better(told, stories.left_by_a_rollout(world))


@pytest.fixture
def champion(world: World) -> Iterator[World]:
    """Given: a champion with all requests, nothing on its way, no failed request so far."""
    world.until_settled(300)
    assert world.load is not None
    before = world.failed_requests
    yield world
    assert world.failed_requests == before, world.load.total


@pytest.fixture
def books(champion: World) -> Iterator[World]:
    """A second model, not applied yet, beside the champion: in its namespace, on its data."""
    spec = merged(champion.spec, {"training": {"seed": 53}})
    made = dataclasses.replace(champion, name="books", spec=spec, load=None, route=None)
    yield made
    made.kube.delete_model(made.name)


@pytest.fixture
def new_world(platform: Platform) -> Iterator[NewWorld]:
    """Make models in a namespace of this test alone; nobody waits for them to be gone."""
    namespace = f"recommender-e2e-{secrets.token_hex(3)}"
    made: list[World] = []

    def make(changes: dict[str, Any] | None = None, *, name: str = "movies") -> World:
        made.append(platform.world(namespace, {**SMALL, **(changes or {})}, name=name))
        return made[-1]

    yield make
    for world in made:
        if world.load is not None:
            world.load.stop()
        if world.route is not None:
            world.route.stop()
        world.kube.delete_model(world.name)
