"""Whole lifecycles over fakes: the same core and the same stories in both traffic modes."""

from __future__ import annotations

import copy
import datetime
from collections.abc import Callable
from typing import Any

import pytest

from recommender_operator.adapters.kube import INFERENCE_SERVICES, JOBS, MODELS, VERSIONS
from tests.fakes import FakeKServe, FakeKube, add_model
from tests.scripted import GrowingSamples, ScriptedCluster
from tests.unit.recommender_operator.operator_rig import KEY, Rig

MODES = ("Gateway", "Knative")
WRITES = ("create", "apply", "apply_status", "patch", "delete")


class Died(BaseException):
    """The operator is gone; what it wrote before is there."""


class MortalKube:
    """The API server to an operator that dies after each write that changes something."""

    def __init__(self, kube: FakeKube) -> None:
        self._kube = kube
        self.deaths = 0

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._kube, name)
        return self._deadly(call) if name in WRITES else call

    def _deadly(self, call: Any) -> Any:
        async def write(*arguments: Any, **preconditions: Any) -> Any:
            before = copy.deepcopy(self._kube.objects)
            answer = await call(*arguments, **preconditions)
            if self._kube.objects != before:
                self.deaths += 1
                raise Died
            return answer

        return write


class Story:
    """A model, the operator, and a cluster that plays along."""

    def __init__(self, mode: str, *, mortal: bool = False) -> None:
        self.mode = mode
        self.samples = GrowingSamples()
        kube = FakeKube()
        self.operators_kube: Any = MortalKube(kube) if mortal else kube
        self.rig = self._born(kube)
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

    def _born(self, kube: FakeKube) -> Rig:
        knative = self.mode == "Knative"
        rig = Rig(kube=self.operators_kube, samples=self.samples, knative=knative)
        rig.kube = kube
        return rig

    async def reconcile(self) -> None:
        """Let the operator look once; its successor comes to life if it dies."""
        try:
            await self.rig.reconciler.reconcile(KEY)
        except Died:
            time = self.rig.time
            self.rig = self._born(self.rig.kube)
            self.rig.time = time

    async def look(self) -> None:
        await self.reconcile()
        await self.cluster.step()
        if self.mode == "Knative":
            self.kserve.broken = set(self.cluster.broken)
            self.kserve.step()
            for name in self.rig.kube.names(INFERENCE_SERVICES):
                service = self.rig.kube.find(INFERENCE_SERVICES, name)
                for version in self.rig.kube.names(VERSIONS):
                    await self.cluster.serve(version, service)
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


async def end_of_two(story: Story, bad: bool) -> dict[str, Any]:
    """Live through a first version and a second one, which is good or bad."""
    await story.first()
    second = await story.second()
    if bad:
        story.samples.bad.add(second)
    end = "RolledBack" if bad else "Promoted"
    await story.until(lambda: story.stages[second] == end, looks=200)
    await story.until(lambda: not story.status.get("candidate"))
    for _ in range(8):
        await story.look()
    return {
        "stages": story.stages,
        "weights": await story.weights(),
        "champion": story.status["champion"],
        "stage": story.status["stage"],
        "jobs": story.rig.kube.names(JOBS),
        "services": story.rig.kube.names(INFERENCE_SERVICES),
    }


@pytest.mark.parametrize("bad", [False, True], ids=["good", "bad"])
@pytest.mark.parametrize("mode", MODES)
async def test_an_operator_that_dies_after_every_single_write_reaches_the_same_end(
    mode: str, bad: bool
) -> None:
    expected = await end_of_two(Story(mode), bad)
    story = Story(mode, mortal=True)
    assert await end_of_two(story, bad) == expected
    assert story.operators_kube.deaths > 30
