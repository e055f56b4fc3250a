"""What a first version costs the API server: a change that adds a write shows up here."""

from __future__ import annotations

import collections
from typing import Any

from recommender_operator.adapters.kubernetes.port import Resource
from tests.fakes.kube import FakeKube
from tests.unit.recommender_operator.operator_rig import Rig
from tests.unit.recommender_operator.stories import WRITES, Story

#: Looks after which nothing of the rollout is left to write.
SETTLED = 5


class CountingKube:
    """The API server for an operator whose writes are counted, but not those of the cluster."""

    def __init__(self, kube: FakeKube) -> None:
        self._kube = kube
        self.writes: collections.Counter[str] = collections.Counter()

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._kube, name)
        return self._counted(name, call) if name in WRITES else call

    def _counted(self, name: str, call: Any) -> Any:
        async def write(resource: Resource, *arguments: Any, **preconditions: Any) -> Any:
            self.writes[f"{name} {resource.plural}"] += 1
            return await call(resource, *arguments, **preconditions)

        return write


class CountedStory(Story):
    """A story whose operator's writes are counted."""

    def _born(self, kube: FakeKube) -> Rig:
        self.operators_kube = CountingKube(kube)
        return super()._born(kube)


async def test_a_first_version_costs_no_more_writes_than_its_facts_need() -> None:
    story = CountedStory("Gateway")
    await story.first()
    for _ in range(SETTLED):
        await story.look()
    assert story.operators_kube.writes == {
        "patch recommendermodels": 1,
        "apply_status recommendermodels": 3,
        "create modelversions": 1,
        "apply_status modelversions": 6,
        "create jobs": 3,
        "apply inferenceservices": 1,
        "apply poddisruptionbudgets": 2,
        "apply networkpolicies": 1,
        "apply httproutes": 1,
        "create events": 7,
    }
