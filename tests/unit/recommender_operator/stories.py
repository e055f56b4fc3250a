"""The lifecycle of a model from its creation, with fakes, in either traffic mode."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Any

from recommender_operator.adapters.kinds import INFERENCE_SERVICES, JOBS, MODELS, VERSIONS
from recommender_operator.adapters.objects.parsed_objects import version_object
from recommender_operator.observed import CollectorReading, ModelObject
from recommender_operator.resources.options import Options
from tests.fakes.kserve import FakeKServe
from tests.fakes.kube import FakeKube
from tests.fakes.objects import add_model
from tests.scripted import GrowingSamples, ScriptedCluster
from tests.unit.recommender_operator.operator_rig import KEY, Rig
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS
from tests.unit.recommender_operator.simulation.users import Users

MODES = ("Gateway", "Knative")


WRITES = ("create", "apply", "apply_status", "patch", "delete")


class Died(BaseException):
    """The operator has crashed; its earlier writes remain."""


class MortalKube:
    """The API server for an operator that crashes after each write that changes something."""

    def __init__(self, kube: FakeKube) -> None:
        self._kube = kube
        self.deaths = 0

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._kube, name)
        return self._deadly(call) if name in WRITES else call

    def _deadly(self, call: Any) -> Any:
        async def write(*arguments: Any, **preconditions: Any) -> Any:
            before = self._kube.revisions()
            answer = await call(*arguments, **preconditions)
            if self._kube.revisions() != before:
                self.deaths += 1
                raise Died
            return answer

        return write


class FakeCollector:
    """The collector: it counts the users whom the route assigns to versions."""

    def __init__(self, rig: Callable[[], Rig]) -> None:
        self._rig = rig
        self.users = Users(per_hour=10_000_000)

    async def read(
        self, _model: ModelObject, experiment: str, _phase: int | None = None
    ) -> CollectorReading:
        """Return the moments of an experiment."""
        kube, now = self._rig().kube, self._rig().time
        versions = [version_object(kube.find(VERSIONS, name)) for name in kube.names(VERSIONS)]
        reading = self.users.reading(versions, now)
        assert reading is not None, "nobody measures"
        assert reading.error or reading.body["experiment"] == experiment, "asked for another one"
        return reading

    async def outcomes(self, _model: ModelObject, _version: str) -> CollectorReading:
        """Fail: no label of the stories is attributed."""
        raise AssertionError("no label is compared")

    async def measure(self, _model: ModelObject, _measure: str) -> CollectorReading:
        """Fail: no model of the stories has a holdout."""
        raise AssertionError("there is no holdout")


def _spec(
    mode: str,
    experiment: Mapping[str, Any] | None,
    rollout: Mapping[str, Any] | None,
    autoscaling: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the spec of a model with short steps."""
    serving: dict[str, Any] = {"impressions": 1} if experiment else {}
    if autoscaling:
        serving |= {"replicas": 1, "autoscaling": autoscaling}
    return {
        "rollout": {
            "traffic": mode,
            "analysis": {"stepSeconds": 20, "intervalSeconds": 5, "minRequests": 100},
            **({"experiment": experiment} if experiment else {}),
            **(rollout or {}),
        },
        "retrain": {"drift": {"enabled": False}},
        **({"serving": serving} if serving else {}),
    }


class Story:
    """A model, the operator, and a simulated cluster."""

    def __init__(
        self,
        mode: str,
        *,
        mortal: bool = False,
        jump: tuple[int, datetime.timedelta] | None = None,
        experiment: Mapping[str, Any] | None = None,
        rollout: Mapping[str, Any] | None = None,
        autoscaling: Mapping[str, Any] | None = None,
        options: Options = OPTIONS,
    ) -> None:
        """`jump`: the number of a look, and the error of the clock from then on."""
        self.options = options
        self.collector = FakeCollector(lambda: self.rig)
        self.mode = mode
        self.looks = 0
        self.jump = jump
        #: Looks after which the user sees a change.
        self.turns: list[int] = []
        self._shown: object = None
        self.samples = GrowingSamples()
        kube = FakeKube()
        self.operators_kube: Any = MortalKube(kube) if mortal else kube
        self.rig = self._born(kube)
        self.cluster = ScriptedCluster(self.rig.kube)
        self.kserve = FakeKServe(self.rig.kube)
        spec = _spec(mode, experiment, rollout, autoscaling)
        add_model(self.rig.kube, finalizers=[], spec=spec)

    def _born(self, kube: FakeKube) -> Rig:
        knative = self.mode == "Knative"
        rig = Rig(
            kube=self.operators_kube,
            samples=self.samples,
            knative=knative,
            users=self.collector,
            options=self.options,
        )
        rig.kube = kube
        return rig

    async def reconcile(self) -> None:
        """Let the operator look once; a successor starts if it crashes."""
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


async def end_of_two(story: Story, bad: bool) -> dict[str, Any]:
    """Run the lifecycle of a first version and of a second one, which is good or bad."""
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
