"""Whole lifecycles with fakes: the same core in both traffic modes."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from recommender_operator.adapters.kinds import BASELINES, MODELS, VERSIONS
from recommender_operator.adapters.objects.finalizer import FINALIZER
from recommender_operator.controller.kube import KubeError
from tests.unit.recommender_operator.stories import MODES, Story


@pytest.mark.parametrize("mode", MODES)
async def test_a_first_version_ends_as_champion_with_all_requests(mode: str) -> None:
    story = Story(mode)
    champion = await story.first()
    await story.until(lambda: story.status["stage"] == "Serving")
    assert await story.weights() == {champion: 100}
    hosts = {"Gateway": "movies.team.models.example",
             "Knative": "movies-predictor.team.knative.example"}  # fmt: skip
    assert story.status["url"] == hosts[mode]


@pytest.mark.parametrize("mode", MODES)
async def test_a_good_candidate_goes_up_and_takes_over(mode: str) -> None:
    story = Story(mode)
    await story.first()
    candidate = await story.second()
    seen: list[int] = []

    def promoted() -> bool:
        seen.append(int(story.status.get("candidateWeight", 0)))
        return story.status.get("champion") == candidate

    await story.until(promoted)
    assert {10, 50} <= set(seen)
    assert seen == sorted(seen[:-1]) + seen[-1:]
    await story.until(lambda: not story.status.get("candidate"))
    assert await story.weights() == {candidate: 100}


@pytest.mark.parametrize("mode", MODES)
async def test_a_bad_candidate_is_rolled_back_and_leaves_nothing_behind(mode: str) -> None:
    story = Story(mode)
    champion = await story.first()
    candidate = await story.second()
    story.samples.bad.add(candidate)
    await story.until(lambda: story.stages[candidate] == "RolledBack")
    assert await story.weights() == {champion: 100}
    for _ in range(8):
        await story.look()
    snapshot = await story.rig.observer.observe(story.rig.kube.find(MODELS, "movies"))
    assert set(snapshot.observed.services) == {champion}
    assert snapshot.observed.traffic.accepted


@pytest.mark.parametrize("bad", [True, False])
@pytest.mark.parametrize("mode", MODES)
async def test_if_counters_cannot_be_stored_a_candidate_can_fail_but_not_pass(
    mode: str, bad: bool
) -> None:
    story = Story(mode)
    champion = await story.first()
    analysis = story.rig.kube.find(MODELS, "movies")["spec"]["rollout"]["analysis"]
    analysis |= {"deadlineSeconds": 120, "onDeadline": "RollBack"}
    candidate = await story.second()
    if bad:
        story.samples.bad.add(candidate)
    refused = KubeError("the object is too large", status=413)
    story.rig.kube.fault = lambda verb, resource, _: (
        refused if resource == BASELINES and verb in {"create", "apply"} else None
    )
    await story.until(lambda: story.stages[candidate] == "RolledBack")
    assert await story.weights() == {champion: 100}
    decision = story.rig.kube.find(VERSIONS, candidate)["status"]["decision"]
    assert decision["reason"] == ("AnalysisFailed" if bad else "InconclusiveAtDeadline")
    if not bad:
        error = (
            "the counters at the start of the step could not be stored: the object is too large"
        )
        assert error in decision["message"]


@pytest.mark.parametrize("mode", MODES)
async def test_a_foreign_baseline_is_reported_with_the_remedy_until_it_is_deleted(
    mode: str,
) -> None:
    story = Story(mode)
    await story.first()
    candidate = await story.second()
    kube = story.rig.kube

    def of_step() -> list[str]:
        found = {name: kube.find(BASELINES, name) for name in kube.names(BASELINES)}
        return [n for n, thing in found.items() if thing["spec"]["key"].startswith("step/")]

    await story.until(lambda: bool(of_step()))
    (name,) = of_step()
    other = kube.put(BASELINES, {"metadata": {"name": name, "namespace": "team"}})
    before = copy.deepcopy(other)

    def owned() -> dict[str, Any]:
        conditions = story.status["conditions"]
        return next(c for c in conditions if c["type"] == "ObjectsOwned")

    await story.until(lambda: owned()["status"] == "False")
    for _ in range(3):
        assert (
            f"CounterBaseline team/{name} does not belong to this model (no owner)"
            in owned()["message"]
        )
        assert "delete or move the CounterBaseline" in owned()["message"]
        await story.look()
    assert kube.find(BASELINES, name) == before
    await kube.delete(BASELINES, "team", name, uid=before["metadata"]["uid"])
    await story.until(lambda: owned()["status"] == "True", looks=2)
    await story.until(lambda: story.stages[candidate] == "Promoted")


@pytest.mark.parametrize("mode", MODES)
async def test_a_candidate_that_never_gets_ready_gets_no_request(mode: str) -> None:
    story = Story(mode)
    champion = await story.first()
    candidate = await story.second()
    story.cluster.broken.add(candidate)
    await story.until(lambda: story.stages[candidate] == "RolledBack", looks=120)
    assert await story.weights() == {champion: 100}


@pytest.mark.parametrize("mode", MODES)
async def test_a_former_champion_returns_on_request(mode: str) -> None:
    story = Story(mode)
    first = await story.first()
    second = await story.second()
    await story.until(lambda: story.status.get("champion") == second)
    await story.until(lambda: story.status.get("stage") == "Serving")
    thing = story.rig.kube.find(MODELS, "movies")
    thing["metadata"]["annotations"] = {"recommender.dev/rollback-to": first}
    await story.until(lambda: story.status.get("champion") == first)
    for _ in range(3):
        await story.look()
    assert await story.weights() == {first: 100}


@pytest.mark.parametrize("mode", MODES)
async def test_deleting_with_the_artifacts_ends_with_nothing_served(mode: str) -> None:
    story = Story(mode)
    await story.first()
    thing = story.rig.kube.find(MODELS, "movies")
    thing["spec"]["deletionPolicy"] = "Delete"
    metadata = thing["metadata"]
    now = story.rig.time.isoformat()
    metadata |= {"deletionTimestamp": now, "finalizers": [FINALIZER, "others"]}
    await story.until(
        lambda: story.rig.kube.find(MODELS, "movies")["metadata"]["finalizers"] == ["others"]
    )
    assert story.rig.kube.names(VERSIONS) == []
