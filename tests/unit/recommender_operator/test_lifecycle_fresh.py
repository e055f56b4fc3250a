"""Whole lifecycles with a fresh champion: the real route, objects and writes."""

from __future__ import annotations

from typing import Any

import pytest

from recommender_operator.adapters.kinds import HTTP_ROUTES, INFERENCE_SERVICES, VERSIONS
from recommender_operator.controller.kube import KubeError
from recommender_operator.resources import baseline_deployment_names, http_route
from tests.unit.recommender_operator.stories import Story, end_of_two

FRESH = {"freshChampion": True}


def parts(story: Story) -> tuple[tuple[int, ...], int]:
    """The weights of the stored route, smallest first, and the part of the fresh champion."""
    names = story.rig.kube.names(HTTP_ROUTES)
    route = story.rig.kube.find(HTTP_ROUTES, names[0]) if names else {}
    weights = tuple(sorted(http_route.weights_of(route).values()))
    return weights, http_route.routing_of(route).fresh_weight


async def test_a_rollout_has_it_from_its_first_step_to_its_end() -> None:
    story = Story("Gateway", rollout=FRESH)
    first = await story.first()
    second = await story.second()
    seen, exported = [], set()

    def ended() -> bool:
        exported.add(exported_share(story, baseline_deployment_names.deployment(first)))
        if parts(story) not in seen:
            seen.append(parts(story))
        return story.stages[second] == "Promoted"

    await story.until(ended, looks=200)
    await story.until(lambda: baseline_deployment_names.deployment(first) not in services(story))
    assert seen == [((100,), 0), ((10, 90), 10), ((50, 50), 25)]
    assert parts(story) == ((100,), 0)
    assert exported == {None, 10.0, 25.0}, "as an arm of its own"
    assert exported_share(story, baseline_deployment_names.deployment(first)) is None
    status = story.rig.kube.find(VERSIONS, second)["status"]
    assert [step.get("freshChampion") for step in status["steps"]] == [True, True, None]
    assert status["freshChampion"]["version"] == first


def exported_share(story: Story, deployment: str) -> float | None:
    own = {"namespace": "team", "model": "movies", "version": deployment}
    return story.rig.metric("traffic_weight_percent", **own)


def services(story: Story) -> list[str]:
    return story.rig.kube.names(INFERENCE_SERVICES)


@pytest.mark.parametrize("bad", [False, True], ids=["good", "bad"])
async def test_the_end_is_the_same_with_it_and_if_the_operator_dies_after_every_write(
    bad: bool,
) -> None:
    end = await end_of_two(Story("Gateway", rollout=FRESH), bad)
    mortal = Story("Gateway", mortal=True, rollout=FRESH)
    assert await end_of_two(mortal, bad) == end
    assert mortal.operators_kube.deaths > 20
    assert end == await end_of_two(Story("Gateway"), bad)


async def test_one_whose_pods_never_become_ready_does_not_stop_the_rollout() -> None:
    story = Story("Gateway", rollout=FRESH)
    first = await story.first()
    story.cluster.broken.add(baseline_deployment_names.deployment(first))
    second = await story.second()
    await story.until(lambda: story.stages[second] == "Promoted", looks=200)
    record: dict[str, Any] = story.rig.kube.find(VERSIONS, second)["status"]["freshChampion"]
    assert "was not ready for 600 s" in record["givenUp"]
    assert baseline_deployment_names.deployment(first) not in services(story)


async def test_one_that_the_api_server_refuses_does_not_stop_the_rollout() -> None:
    story = Story("Gateway", rollout=FRESH)
    first = await story.first()
    refused = KubeError("exceeded quota: pods", status=403, reason="Forbidden")

    def fault(verb: str, _resource: object, name: str) -> KubeError | None:
        return (
            refused
            if verb == "apply" and name == baseline_deployment_names.deployment(first)
            else None
        )

    story.rig.kube.fault = fault
    second = await story.second()
    await story.until(lambda: story.stages[second] == "Promoted", looks=200)
    record: dict[str, Any] = story.rig.kube.find(VERSIONS, second)["status"]["freshChampion"]
    assert "was not ready for 600 s" in record["givenUp"]
    assert "exceeded quota: pods" in record["givenUp"]


async def test_without_the_field_no_status_knows_of_it() -> None:
    story = Story("Gateway")
    await story.first()
    second = await story.second()
    await story.until(lambda: story.stages[second] == "Promoted", looks=200)
    assert "freshChampion" not in str(story.rig.kube.objects)
