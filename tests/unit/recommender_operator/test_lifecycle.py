"""Whole lifecycles over fakes: the same core and the same stories in both traffic modes."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest

from recommender_operator.adapters.kube import MODELS, VERSIONS
from tests.fakes import FakeKServe, add_model
from tests.scripted import GrowingSamples, ScriptedCluster
from tests.unit.recommender_operator.operator_rig import KEY, Rig

MODES = ("Gateway", "Knative")


class Story:
    """A model, the operator, and a cluster that plays along."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.samples = GrowingSamples()
        self.rig = Rig(samples=self.samples, knative=mode == "Knative")
        self.cluster = ScriptedCluster(self.rig.kube)
        self.kserve = FakeKServe(self.rig.kube)
        add_model(
            self.rig.kube,
            spec={
                "rollout": {"traffic": mode},
                "analysis": {"stepSeconds": 20, "intervalSeconds": 5, "minRequests": 100},
                "drift": {"enabled": False},
            },
        )

    async def look(self) -> None:
        await self.rig.reconciler.reconcile(KEY)
        await self.cluster.step()
        if self.mode == "Knative":
            self.kserve.broken = set(self.cluster.broken)
            self.kserve.step()
            for version in self.rig.kube.names(VERSIONS):
                await self.cluster.serve(version)
        self.rig.time += datetime.timedelta(seconds=10)

    async def until(self, condition: Callable[[], bool], looks: int = 80) -> None:
        for _ in range(looks):
            if condition():
                return
            await self.look()
        raise AssertionError(f"not within {looks} looks: {self.status} {self.stages}")

    @property
    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.rig.kube.find(MODELS, "movies").get("status", {})
        return status

    @property
    def stages(self) -> dict[str, str]:
        return {
            name: self.rig.kube.find(VERSIONS, name).get("status", {}).get("stage", "")
            for name in self.rig.kube.names(VERSIONS)
        }

    async def weights(self) -> dict[str, int]:
        snapshot = await self.rig.observer.observe(self.rig.kube.find(MODELS, "movies"))
        return dict(snapshot.observed.traffic.weights)

    def change(self, **training: Any) -> None:
        thing = self.rig.kube.find(MODELS, "movies")
        thing["spec"]["training"] = training
        thing["metadata"]["generation"] += 1

    async def first(self) -> str:
        await self.until(lambda: bool(self.status.get("champion")))
        return str(self.status["champion"])

    async def second(self) -> str:
        before = set(self.stages)
        self.change(seed=18)
        await self.until(lambda: set(self.stages) != before)
        return (set(self.stages) - before).pop()


@pytest.mark.parametrize("mode", MODES)
async def test_a_first_version_ends_as_champion_with_all_requests(mode: str) -> None:
    story = Story(mode)
    champion = await story.first()
    await story.until(lambda: story.status["stage"] == "Serving")
    assert await story.weights() == {champion: 100}


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


@pytest.mark.parametrize("mode", MODES)
async def test_a_candidate_that_never_gets_ready_gets_no_request(mode: str) -> None:
    story = Story(mode)
    champion = await story.first()
    candidate = await story.second()
    story.cluster.broken.add(candidate)
    await story.until(lambda: story.stages[candidate] == "RolledBack", looks=120)
    assert await story.weights() == {champion: 100}


@pytest.mark.parametrize("mode", MODES)
async def test_a_former_champion_comes_back_when_it_is_asked_for(mode: str) -> None:
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
    thing["metadata"]["deletionTimestamp"] = "2026-01-02T00:00:00Z"
    await story.until(lambda: story.rig.finished == ["uid-of-movies"])
    assert story.rig.kube.names(VERSIONS) == []
