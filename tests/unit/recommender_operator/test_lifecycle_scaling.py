"""Whole lifecycles with what scales the pods: each component of each version has one scaler."""

from __future__ import annotations

import dataclasses

import pytest

from recommender_operator.adapters.kinds import AUTOSCALERS, MODELS, SCALED_OBJECTS
from recommender_operator.adapters.traffic.keda import scaled_objects
from recommender_operator.resources import autoscaling
from recommender_operator.resources.labels import Component
from tests.fakes import keda
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS
from tests.unit.recommender_operator.stories import Story

NAMES = {"HPA": autoscaling.name, "KEDA": scaled_objects.name}
ENGINES = tuple(NAMES)


class Scaled(Story):
    """A model in a cluster with KEDA, with one to three pods of each component."""

    def __init__(self, engine: str) -> None:
        options = dataclasses.replace(OPTIONS, keda=True)
        super().__init__(
            "Gateway", autoscaling={"maxReplicas": 3, "engine": engine}, options=options
        )
        self.rig.kube.kinds.add(SCALED_OBJECTS)

    async def look(self) -> None:
        """Look once; then KEDA acts, and no Deployment has two autoscalers."""
        await super().look()
        await keda.step(self.rig.kube)
        names = self.rig.kube.names(AUTOSCALERS)
        for version in self.stages:
            for component in Component:
                pair = {of(version, component) for of in NAMES.values()}
                assert not pair <= {*names}

    def scalers(self) -> dict[str, list[str]]:
        """Return the names of the autoscalers, by who made them."""
        names = self.rig.kube.names(AUTOSCALERS)
        by_keda = set(self.rig.kube.names(SCALED_OBJECTS))
        return {
            "HPA": [name for name in names if name not in by_keda],
            "KEDA": [name for name in names if name in by_keda],
        }


def expected(engine: str, *versions: str) -> dict[str, list[str]]:
    """Return the autoscalers of versions that this engine alone scales."""
    found: dict[str, list[str]] = {each: [] for each in ENGINES}
    names = [NAMES[engine](version, each) for version in versions for each in Component]
    return {**found, engine: sorted(names)}


async def until_scaled(story: Scaled, engine: str, *versions: str) -> None:
    """Look until this engine alone scales the versions, and then see that it stays so."""
    await story.until(lambda: story.scalers() == expected(engine, *versions))
    # More than KEDA's time to make an autoscaler.
    for _ in range(8):
        await story.look()
        assert story.scalers() == expected(engine, *versions)


@pytest.mark.parametrize("engine", ENGINES)
async def test_each_component_is_scaled_while_its_pods_do_not_answer(engine: str) -> None:
    story = Scaled(engine)
    await story.until(lambda: bool(story.stages))
    (version,) = story.stages
    story.cluster.broken.add(version)
    await until_scaled(story, engine, version)
    assert not story.status.get("champion")


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_candidate_is_scaled_beside_the_champion_until_it_takes_over(engine: str) -> None:
    story = Scaled(engine)
    champion = await story.first()
    await until_scaled(story, engine, champion)
    candidate = await story.second()
    both = expected(engine, champion, candidate)
    await story.until(lambda: story.scalers() == both)
    assert story.status["champion"] == champion
    await story.until(lambda: story.status["champion"] == candidate)
    assert story.scalers() == both, "the former champion stands by"


async def test_a_model_changes_its_engine_for_both_components() -> None:
    story = Scaled("HPA")
    champion = await story.first()
    await until_scaled(story, "HPA", champion)
    for engine in ("KEDA", "HPA", "KEDA"):
        model = story.rig.kube.touch(MODELS, "movies")
        model["spec"]["serving"]["autoscaling"]["engine"] = engine
        model["metadata"]["generation"] += 1
        await until_scaled(story, engine, champion)
