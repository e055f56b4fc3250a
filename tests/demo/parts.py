"""The parts of the demo, each with a model of its own: the lifecycle, and the loop."""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

from kubernetes.client import ApiException
from urllib3.exceptions import HTTPError

from tests.cluster.errors import ClusterError
from tests.demo.screen import Screen
from tests.scenario import install, loop, loop_figures, stories
from tests.scenario.setup import NAME, Platform
from tests.scenario.stories import StoryResult
from tests.scenario.traffic import TrafficWatch

NAMESPACE = install.DEMO_NAMESPACE
LIFECYCLE, LOOP = "lifecycle", "loop"
NAMES = (LIFECYCLE, LOOP)
#: What ends the stories of a part, but not the demo, which still tells what it has seen.
STOPS = (
    AssertionError, TimeoutError, subprocess.TimeoutExpired, ClusterError, ApiException, HTTPError,
)  # fmt: skip


@dataclasses.dataclass
class Played:
    """What the stories of a part decided, and what became of its requests."""

    reported: list[StoryResult] = dataclasses.field(default_factory=list)
    #: What became of the requests; empty without any.
    load: dict[str, Any] = dataclasses.field(default_factory=dict)
    #: Why it stopped; empty if it did not.
    failure: str = ""


def play_lifecycle(platform: Platform, screen: Screen, rate: float, mode: str) -> Played:
    """Play the stories of a model in production, under a constant load."""
    played = Played()
    world = platform.world(NAMESPACE, {"rollout": {"traffic": mode}})
    with install.timed(screen.say, "remove the objects of an earlier run"):
        world.remove()
    world.route = TrafficWatch(world.kube, NAME, mode)
    screen.follow(world)
    with _kept(played):
        for story in stories.IN_ORDER:
            _play(played, screen, story, world)
            if world.load is None:
                # The load starts once the first version serves.
                world.start_load(rate)
    screen.stop()
    played.load = world.load.stop() if world.load else {}
    world.route.stop()
    return played


def play_loop(platform: Platform, screen: Screen, name: str) -> Played:
    """Close the loop of a new shop: what its users do trains the next model."""
    played, reports = Played(), []
    with _kept(played):
        shop = loop.opened(platform, name, install.ROOT / "build" / "demo" / "loop")
        reports = shop.reports
        screen.follow(shop.world)
        for story in loop.IN_ORDER:
            _play(played, screen, story, shop)
    screen.stop()
    played.load = loop_figures.load(reports)
    return played


def _play(
    played: Played,
    screen: Screen,
    story: Callable[[stories.Subject], StoryResult],
    subject: stories.Subject,
) -> None:
    screen.say(f"story: {(story.__doc__ or '').strip()}")
    told = stories.run(story, subject)
    screen.say(f"       {told.decision}: {told.message}")
    played.reported.append(told)


@contextlib.contextmanager
def _kept(played: Played) -> Iterator[None]:
    """Keep why the stories stopped, so that the figures until then are shown."""
    try:
        yield
    except STOPS as problem:
        played.failure = str(problem) or type(problem).__name__
