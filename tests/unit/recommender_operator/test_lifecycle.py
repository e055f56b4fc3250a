"""Whole lifecycles with fakes: the same core and stories in both traffic modes."""

from __future__ import annotations

import contextlib
import copy
import datetime
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from recommender_operator.adapters.kubernetes.port import (
    BASELINES,
    EVENTS,
    INFERENCE_SERVICES,
    JOBS,
    MODELS,
    VERSIONS,
    ConflictError,
    KubeError,
    Resource,
)
from recommender_operator.adapters.objects.finalizer import FINALIZER
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

    def __init__(
        self,
        mode: str,
        *,
        mortal: bool = False,
        jump: tuple[int, datetime.timedelta] | None = None,
    ) -> None:
        """`jump`: the number of a look, and by how much the clock is wrong from then on."""
        self.mode = mode
        self.looks = 0
        self.jump = jump
        #: Looks at which something changed for the user.
        self.turns: list[int] = []
        self._shown: object = None
        self.samples = GrowingSamples()
        kube = FakeKube()
        self.operators_kube: Any = MortalKube(kube) if mortal else kube
        self.rig = self._born(kube)
        self.cluster = ScriptedCluster(self.rig.kube)
        self.kserve = FakeKServe(self.rig.kube)
        add_model(
            self.rig.kube,
            finalizers=[],
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
        self.looks += 1
        if self.jump is not None and self.looks == self.jump[0]:
            self.rig.time += self.jump[1]
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
        shown = (self.stages, self.status.get("stage"), self.status.get("candidateWeight"))
        if shown != self._shown:
            self._shown = shown
            self.turns.append(self.looks)

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


@pytest.mark.parametrize("bad", [True, False])
@pytest.mark.parametrize("mode", MODES)
async def test_if_counters_cannot_be_stored_a_candidate_can_fail_but_not_pass(
    mode: str, bad: bool
) -> None:
    story = Story(mode)
    champion = await story.first()
    analysis = story.rig.kube.find(MODELS, "movies")["spec"]["analysis"]
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
    metadata |= {"deletionTimestamp": "2026-01-02", "finalizers": [FINALIZER, "others"]}
    await story.until(
        lambda: story.rig.kube.find(MODELS, "movies")["metadata"]["finalizers"] == ["others"]
    )
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


def decided(story: Story) -> dict[str, Any]:
    """Return what was decided about each version, and why."""
    versions = {name: story.rig.kube.find(VERSIONS, name) for name in story.stages}
    decisions = {name: version["status"].get("decision", {}) for name, version in versions.items()}
    return {
        "decisions": {n: (d.get("outcome"), d.get("reason")) for n, d in decisions.items()},
        "rollbacks": story.status.get("consecutiveRollbacks"),
        "locked": story.status.get("locked"),
        "steps": {
            name: [(s["weight"], s["verdict"]) for s in version["status"].get("steps", [])]
            for name, version in versions.items()
        },
    }


@pytest.mark.parametrize("bad", [False, True], ids=["good", "bad"])
@pytest.mark.parametrize("mode", MODES)
async def test_a_clock_an_hour_back_or_forward_in_any_phase_reaches_the_same_end(
    mode: str, bad: bool
) -> None:
    straight = Story(mode)
    expected = await end_of_two(straight, bad), decided(straight)
    for look in straight.turns:
        for hours in (-1, 1):
            story = Story(mode, jump=(look + 1, datetime.timedelta(hours=hours)))
            seen = await end_of_two(story, bad), decided(story)
            assert seen == expected, f"{hours} h at look {look + 1}"


class LateKServe(FakeKServe):
    """KServe whose InferenceService names a revision as ready some steps after the revision."""

    late = 0

    def _reconcile(self, service: Any) -> None:
        before = copy.deepcopy(service.get("status", {}))
        super()._reconcile(service)
        now = service["status"]["components"]["predictor"]
        was = before.get("components", {}).get("predictor", {})
        is_new = now.get("latestReadyRevision") != was.get("latestReadyRevision")
        self.late = self.late + 1 if is_new and was and self.late < 2 else 0
        if self.late:
            made = now["latestCreatedRevision"]
            now.clear()
            now |= {**was, "latestCreatedRevision": made}


@pytest.mark.parametrize("bad", [False, True], ids=["good", "bad"])
async def test_a_late_status_of_kserve_is_not_a_failure(bad: bool) -> None:
    story = Story("Knative")
    story.kserve = LateKServe(story.rig.kube)
    end = await end_of_two(story, bad)
    assert end == await end_of_two(Story("Knative"), bad)
    kube = story.rig.kube
    assert "ReconcileFailed" not in {kube.find(EVENTS, n)["reason"] for n in kube.names(EVENTS)}
    assert story.rig.metric("reconcile_errors_total", error="TrafficError") is None


class Disturbed(Story):
    """A story in which one write fails, and the look that it ends is repeated at once."""

    def __init__(self, mode: str, number: int, error: KubeError) -> None:
        """`number` of the write, counted from 1."""
        super().__init__(mode)
        self.left = number
        self._error = error

    def _fault(self, verb: str, resource: Resource, _name: str) -> KubeError | None:
        if verb in {"get", "list"} or resource == EVENTS:
            return None
        self.left -= 1
        return self._error if self.left == 0 else None

    async def reconcile(self) -> None:
        before, self.rig.kube.fault = self.left, self._fault
        with contextlib.suppress(KubeError):
            await super().reconcile()
        if self.left <= 0 < before:
            await super().reconcile()
        self.rig.kube.fault = lambda *_: None


def reported(story: Story) -> list[tuple[str, str, str]]:
    """Return what the Events of a story say, less the numbers of requests, which grow by look."""
    kube = story.rig.kube
    events = [kube.find(EVENTS, name) for name in kube.names(EVENTS)]
    shown_text = [(e["type"], e["reason"], e["message"].partition(" (at ")[0]) for e in events]
    return sorted(one for one in shown_text if one[1] != "ReconcileFailed")


CONFLICT = ConflictError("it has been modified", status=409)
FAILURE = KubeError("no answer", status=503)


@pytest.mark.parametrize(
    ("mode", "bad", "error"),
    [("Gateway", True, CONFLICT), ("Knative", False, CONFLICT), ("Gateway", False, FAILURE)],
    ids=["bad-conflict", "knative-conflict", "failure"],
)
async def test_a_look_that_ends_at_any_write_loses_and_doubles_no_event(
    mode: str, bad: bool, error: KubeError
) -> None:
    straight = Story(mode)
    await end_of_two(straight, bad)
    for number in itertools.count(1):
        story = Disturbed(mode, number, error)
        await end_of_two(story, bad)
        if story.left > 0:
            break
        assert reported(story) == reported(straight), f"at write {number}"
        assert "patch" not in {verb for verb, kind, _ in story.rig.kube.writes if kind == "events"}
    assert number > 30
