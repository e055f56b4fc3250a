"""Pods that fit on no node: the condition PodsScheduled."""

from __future__ import annotations

import dataclasses
import datetime

import pytest

from recommender_operator.decide import decide
from recommender_operator.observed import JobKind
from tests.unit.recommender_operator.started_worlds import promoted_first
from tests.unit.recommender_operator.world import World

FULL = "0/1 nodes are available: 1 Insufficient cpu."
REST = "no new claims to deallocate"
SAID = f"{FULL} {REST}, preemption: 0/1 nodes are available."


def with_a_waiting_job(kind: JobKind) -> World:
    """Return a world whose Job of this kind has a pod that fits on no node."""
    world = World()
    for _ in range(20):
        world.reconcile()
        found = next((key for key in world.jobs if key[0] is kind), None)
        if found is not None:
            world.jobs[found] = dataclasses.replace(
                world.jobs[found], phase="Running", reason="Unschedulable", message=SAID
            )
            world.reconcile()
            return world
        world.finish_jobs()
        world.tick()
    raise AssertionError(world.summary())


def test_pods_with_nodes_are_scheduled() -> None:
    world = promoted_first()
    assert world.condition("PodsScheduled") == ("True", "PodsHaveNodes")


def test_a_pod_of_a_serving_champion_that_fits_on_no_node_is_named() -> None:
    world = promoted_first()
    champion = world.status.champion or ""
    world.services[champion].unscheduled = f"pod movies-x: {SAID}"
    world.reconcile()
    assert world.condition("PodsScheduled") == ("False", "Unschedulable")
    message = world.message("PodsScheduled")
    assert message.startswith(f"{champion}: no node fits pod movies-x: {FULL} {REST}. Add a node")
    assert "serving.resources or serving.transformerResources" in message
    assert "preemption" not in message
    assert world.condition("Ready")[0] == "True"
    world.services[champion].unscheduled = ""
    world.reconcile()
    assert world.condition("PodsScheduled") == ("True", "PodsHaveNodes")


def test_users_are_warned_once() -> None:
    world = promoted_first()
    champion = world.status.champion or ""
    for pod in ("a", "b"):
        world.services[champion].unscheduled = f"pod {pod}: {SAID}"
        world.reconcile()
    warned = [event.message for event in world.events if event.reason == "Unschedulable"]
    assert len(warned) == 1
    assert "no node fits pod a" in warned[0]
    assert "no node fits pod b" in world.message("PodsScheduled")


def test_a_candidate_that_waits_for_a_node_says_so() -> None:
    world = promoted_first()
    world.seed(18)
    for _ in range(20):
        world.reconcile()
        world.finish_jobs()
        waiting = set(world.services) - {world.status.champion}
        if waiting:
            break
        world.tick()
    (name,) = waiting
    world.services[name].ctx(ready=False)
    world.services[name].unscheduled = f"pod new: {SAID}"
    world.reconcile()
    assert world.condition("PodsScheduled") == ("False", "Unschedulable")
    assert world.condition("Progressing") == ("True", "Deploying")
    assert f"{name} is at the stage Deploying and waits: no node fits pod new" in world.message(
        "Progressing"
    )


@pytest.mark.parametrize(
    ("kind", "lower"), [(JobKind.CHECK, False), (JobKind.TRAIN, True), (JobKind.PUBLISH, False)]
)
def test_a_job_whose_pod_fits_on_no_node_is_named(kind: JobKind, lower: bool) -> None:
    world = with_a_waiting_job(kind)
    assert world.condition("PodsScheduled") == ("False", "Unschedulable")
    message = world.message("PodsScheduled")
    assert f"no node fits the Job {kind.value}: {FULL} {REST}. Add a node" in message
    # The others request what no field changes.
    assert ("lower training.resources" in message) is lower
    assert "training.podTemplate" in message
    assert "no node fits" in world.message("Progressing")


def test_the_message_has_at_most_three_and_the_number_of_the_others() -> None:
    world = promoted_first()
    champion = world.status.champion or ""
    service = world.services[champion]
    service.unscheduled = f"pod a: {SAID}"
    job = dataclasses.replace(next(iter(world.jobs.values())), phase="Running")
    observed = dataclasses.replace(
        world.observe(),
        jobs=tuple(
            dataclasses.replace(
                job, kind=JobKind.SNAPSHOT, attempt=at, reason="Unschedulable", message=SAID
            )
            for at in range(4)
        ),
    )
    status = decide(observed, world.now + datetime.timedelta(seconds=1)).status
    (found,) = (each for each in status.conditions if each.type == "PodsScheduled")
    assert found.message.count("no node fits") == 3
    assert found.message.endswith("; and 2 more")
