"""Whole lifecycles against a real API server, with the chart's rights and a mortal operator.

A script plays Jobs, pods and the route; the smoke inference and the counters are fakes.
"""

from __future__ import annotations

import datetime
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from recommender_operator.adapters.kinds import (
    HTTP_ROUTES,
    INFERENCE_SERVICES,
    JOBS,
    MODELS,
    VERSIONS,
)
from recommender_operator.controller.client import OfficialKube
from recommender_operator.controller.kube import Kube, Object
from recommender_operator.reconcile.reconciler import Key
from recommender_operator.resources import http_route
from tests.integration import operator_account as account
from tests.integration import operator_api_rig as rig
from tests.scripted import GrowingSamples, ScriptedCluster
from tests.unit.recommender_operator.operator_rig import Rig

pytestmark = pytest.mark.integration

WRITES = ("create", "apply", "apply_status", "patch", "delete")


class Died(BaseException):
    """The process has crashed; its earlier writes remain."""


class MortalKube:
    """An API server whose client crashes after each given number of writes."""

    def __init__(self, kube: Kube, every: int | None) -> None:
        self._kube = kube
        self._every = every
        self.writes = 0

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._kube, name)
        if name not in WRITES:
            return call

        async def write(*arguments: Any, **preconditions: Any) -> Any:
            answer = await call(*arguments, **preconditions)
            self.writes += 1
            if self._every and self.writes % self._every == 0:
                raise Died
            return answer

        return write


class Life:
    """A model in a namespace, the operator's successive processes, and the script."""

    def __init__(
        self, operator: Kube, admin: OfficialKube, namespace: str, every: int | None
    ) -> None:
        self.admin = admin
        self.namespace = namespace
        self.key = Key(namespace, "movies")
        self.kube = MortalKube(operator, every)
        self.samples = GrowingSamples()
        self.script = ScriptedCluster(admin, namespace=namespace)
        self.time = datetime.datetime(2026, 1, 1, 12, 0, tzinfo=datetime.UTC)
        self.deaths = 0
        #: Observed stages of versions.
        self.stages: set[str] = set()
        self._born()

    def _born(self) -> None:
        self.operator = Rig(kube=self.kube, samples=self.samples, key=self.key)
        self.operator.time = self.time

    async def look(self) -> None:
        try:
            await self.operator.reconciler.reconcile(self.key)
        except Died:
            self.deaths += 1
            self._born()
        await self.script.step()
        self.time += datetime.timedelta(seconds=10)
        self.operator.time = self.time

    async def model(self) -> Object:
        found = await self.admin.get(MODELS, self.namespace, "movies")
        assert found is not None
        return found

    async def versions(self) -> dict[str, str]:
        """Return the versions with their stages, which the model's status only copies."""
        found = await self.admin.list(VERSIONS, self.namespace, {})
        return {
            thing["metadata"]["name"]: (thing.get("status") or {}).get("stage", "")
            for thing in found
        }

    async def until(
        self, condition: Callable[[Object, dict[str, str]], bool], looks: int = 250
    ) -> None:
        for _ in range(looks):
            model, versions = await self.model(), await self.versions()
            if condition(model.get("status") or {}, versions):
                return
            self.stages |= set(versions.values())
            await self.look()
        raise AssertionError(f"not within {looks} looks: {await self.model()}")

    async def end_state(self) -> dict[str, Any]:
        async def named(resource: Any) -> dict[str, Object]:
            found = await self.admin.list(resource, self.namespace, {})
            return {thing["metadata"]["name"]: thing for thing in found}

        versions = await named(VERSIONS)
        routes = await named(HTTP_ROUTES)
        return {
            "champion": (await self.model())["status"]["champion"],
            "stages": {name: v["status"]["stage"] for name, v in versions.items()},
            "artifacts": {name: v["status"].get("artifact") for name, v in versions.items()},
            "steps": {
                name: [step["weight"] for step in v["status"].get("steps", [])]
                for name, v in versions.items()
            },
            "jobs": sorted(await named(JOBS)),
            "services": sorted(await named(INFERENCE_SERVICES)),
            "weights": {name: http_route.weights_of(route) for name, route in routes.items()},
        }


SPEC: dict[str, Any] = {
    "rollout": {"analysis": {"stepSeconds": 20, "intervalSeconds": 5}},
    "retrain": {"drift": {"enabled": False}},
}


async def two_versions(life: Life, bad: bool) -> dict[str, Any]:
    """Run the lifecycle of a first version and of a second one, which is good or bad."""
    assert await life.admin.create(MODELS, rig.manifest(life.namespace, **SPEC))
    await life.until(lambda status, _: status.get("stage") == "Serving")
    first = set(await life.versions())
    seed = {"spec": {"training": {"seed": 18}}}
    await life.admin.patch(MODELS, life.namespace, "movies", seed)
    await life.until(lambda _, versions: set(versions) != first)
    (second,) = set(await life.versions()) - first
    if bad:
        life.samples.bad.add(second)
    ends = ("Promoted", "RolledBack")
    await life.until(lambda _, versions: versions[second] in ends)
    await life.until(lambda status, _: status.get("stage") == "Serving")
    for _ in range(3):
        await life.look()
    return await life.end_state()


@pytest.fixture
async def operator(tmp_path: pathlib.Path) -> Any:
    kube = rig.open_kube(account.clusterwide_config(tmp_path))
    yield kube
    await kube.close()


@pytest.mark.parametrize("bad", [False, True], ids=["good", "bad"])
async def test_an_operator_that_crashes_after_its_writes_reaches_the_same_end_as_one_that_does_not(
    bad: bool, operator: OfficialKube, kube: OfficialKube
) -> None:
    immortal = Life(operator, kube, rig.new_namespace(), None)
    expected = await two_versions(immortal, bad)
    assert len(expected["stages"]) == 2
    assert set(expected["stages"].values()) == {"Promoted", "RolledBack" if bad else "Promoted"}
    assert {"CheckingData", "Training", "Canary"} <= immortal.stages
    for every in (2, 3):
        mortal = Life(operator, kube, rig.new_namespace(), every)
        assert await two_versions(mortal, bad) == expected
        assert mortal.deaths >= mortal.kube.writes // every - 1 > 4


async def test_a_settled_model_causes_no_writes(
    operator: OfficialKube, kube: OfficialKube
) -> None:
    life = Life(operator, kube, rig.new_namespace(), None)
    await two_versions(life, bad=False)
    before = life.kube.writes
    for _ in range(3):
        await life.operator.reconciler.reconcile(life.key)
    assert life.kube.writes == before
