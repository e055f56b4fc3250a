"""One cluster and one chart for all end-to-end tests, whose worlds run concurrently."""

from __future__ import annotations

import dataclasses
import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cluster import locks
from tests.cluster.groups import EVERYTHING
from tests.cluster.settings import cache_folder
from tests.e2e import worlds
from tests.e2e.worlds import MODES
from tests.scenario import collecting, install, stories
from tests.scenario.setup import Platform, join_platform, make_platform
from tests.scenario.traffic import TrafficWatch
from tests.scenario.world import World, merged

#: A request takes 15 ms of a core with all that it passes through, and three worlds share two
#: cores: at 30 a second, two worlds took half of them. At a weight of 10 %, a step has its
#: requests after 14 s.
REQUESTS_A_SECOND = 15.0
NewWorld = Callable[..., World]
#: A quarter of MovieLens' items, with two thirds of its events: an export and a request score all
#: items, and no story is about how many there are.
ITEMS = 400
DATA = cache_folder() / f"{install.DATA_FOLDER}-{ITEMS}-items"
ENDS_WORLD = pytest.StashKey[bool]()
#: Several worlds share two cores and the memory. A served version uses 0.6 GiB and a training
#: 0.7 GiB; Knative keeps old revisions for more than a minute. With requests of twice the CPU,
#: pods of a third world found no room on the node.
SMALL: dict[str, Any] = {
    "training": {
        "hyperparameters": {
            # Lists without towers, which take half of a training and are tested elsewhere.
            "retrieval": "Weights",
            # As many steps as two epochs of large batches have on all of MovieLens, and more.
            "epochs": 1,
            "batchSize": 256,
        },
        # Users go before it.
        "resources": {"requests": {"cpu": "25m"}, "limits": {"memory": "1536Mi"}},
    },
    "serving": {
        # Trainings saturate the cores: a model that has just started may wait for seconds.
        "timeoutMilliseconds": 7000,
        "resources": {"requests": {"cpu": "50m"}, "limits": {"memory": "1Gi"}},
        "transformerResources": {"requests": {"cpu": "50m"}, "limits": {"memory": "384Mi"}},
    },
    "rollout": {
        "analysis": {
            "stepSeconds": 10,
            "minRequests": 20,
            "thresholds": {"maxLatencyP99Milliseconds": 9000},
        }
    },
}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a world together, because its setup takes minutes.

    Pytest itself groups by the position of a parameter in its list, not by its value.
    """
    nodeids = [item.nodeid for item in items]
    items[:] = [items[at] for at in worlds.in_order(nodeids)]
    # It reads the audit log of all others; `tests.run` runs it as a separate part.
    items.sort(key=lambda item: item.path.stem == "test_rights")
    ends = worlds.ends_of_worlds([item.nodeid for item in items])
    for item in items:
        item.stash[ENDS_WORLD] = item.nodeid in ends


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> worlds.ByWorld | None:
    return worlds.ByWorld(config, log) if config.getvalue("dist") == "loadscope" else None


@pytest.fixture(scope="session")
def platform(
    tmp_path_factory: pytest.TempPathFactory, worker_id: str, testrun_uid: str
) -> Iterator[Platform]:
    """One cluster with one chart; the first process that needs the images builds them."""
    base = tmp_path_factory.getbasetemp()
    record = (base if worker_id == "master" else base.parent) / f"images-{testrun_uid}.json"
    with locks.held(record.with_suffix(".lock"), "the platform"):
        if record.exists():
            made = join_platform(DATA, print, json.loads(record.read_text(encoding="utf-8")))
        else:
            made = make_platform(
                DATA, print, extras=EVERYTHING, collector=collecting.VALUES, items=ITEMS
            )
            record.write_text(json.dumps(made.images), encoding="utf-8")
    yield made
    # Their models were deleted before, and must be gone now.
    for namespace in made.namespaces:
        made.remove(namespace)


@pytest.fixture(scope="session", params=MODES)
def world(request: pytest.FixtureRequest, platform: Platform) -> Iterator[World]:
    """A champion that serves, with a constant load of which no request may fail.

    One per traffic mode; the tests of a mode run in sequence, in any order.
    """
    mode = str(request.param)
    namespace = f"{install.E2E_PREFIX}{mode.lower()}"
    made = platform.world(namespace, merged(SMALL, {"rollout": {"traffic": mode}}))
    made.remove()
    made.route = TrafficWatch(made.kube, made.name, mode)
    reported = stories.first_version(made)
    assert (reported.decision, reported.reason) == ("Promoted", "InitialRollout"), reported
    made.first = reported.version
    made.start_load(REQUESTS_A_SECOND)
    yield made
    end(made)


def end(world: World) -> None:
    """End a shared world, once; none of its requests may have failed."""
    load, world.load = world.load, None
    if load is None:
        return
    figures = load.stop()
    if world.route is not None:
        world.route.stop()
    world.kube.delete_model(world.name)
    world.kube.changes.stop()
    assert figures["sent"] > 100, figures
    assert figures["failed"] == 0, figures


@dataclasses.dataclass(frozen=True)
class Better:
    """An undisturbed rollout: its result, and the remaining objects."""

    reported: stories.StoryResult
    left: dict[str, Any]


@pytest.fixture(scope="session")
def better(world: World) -> Better:
    """A better version that was promoted step by step, once per world."""
    world.until_settled(300)
    reported = stories.better_version(world)
    return Better(reported, stories.left_by_a_rollout(world))


@pytest.fixture
def champion(request: pytest.FixtureRequest, world: World) -> Iterator[World]:
    """Given: a champion with all requests, no candidate, and no failed request so far."""
    world.until_settled(300)
    assert world.load is not None
    before = world.failed_requests
    try:
        yield world
        assert world.failed_requests == before, world.load.total
    finally:
        # Ended before the session, so that other worlds can use its resources.
        if request.node.stash[ENDS_WORLD]:
            end(world)


@pytest.fixture
def books(champion: World) -> Iterator[World]:
    """A second model, not applied yet, in the champion's namespace and with its data."""
    spec = merged(champion.spec, {"training": {"seed": 53}})
    made = dataclasses.replace(champion, name="books", spec=spec, load=None, route=None)
    yield made
    made.kube.delete_model(made.name)


@pytest.fixture
def new_world(platform: Platform) -> Iterator[NewWorld]:
    """Create models in a separate namespace, which is deleted without waiting."""
    namespace = f"{install.E2E_PREFIX}{secrets.token_hex(3)}"
    made: list[World] = []

    def make(changes: dict[str, Any] | None = None, *, name: str = "movies") -> World:
        # Sections replace those of SMALL, but a plan of a rollout keeps its limits.
        given = merged({"rollout": SMALL["rollout"]}, changes or {})
        made.append(platform.world(namespace, {**SMALL, **given}, name=name))
        return made[-1]

    yield make
    for world in made:
        if world.load is not None:
            world.load.stop()
        if world.route is not None:
            world.route.stop()
        world.kube.delete_model(world.name)
        world.kube.changes.stop()
