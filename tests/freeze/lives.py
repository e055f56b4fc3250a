"""What happens to a model while its operators are frozen, one life each."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from recommender_operator.adapters.kinds import MODELS, VERSIONS
from recommender_operator.controller.client import OfficialKube
from tests.benchmarks.operator_cluster import Simulator
from tests.benchmarks.operator_fleet import SPEC
from tests.freeze.chain import Chain
from tests.freeze.collector import BETTER, PLAN, Collector
from tests.integration import operator_api_rig as rig
from tests.integration.operator_process import delete_model, status_of


@dataclasses.dataclass
class World:
    """A namespace with one model, its operators and the rest of the cluster."""

    kube: OfficialKube
    namespace: str
    chain: Chain
    simulator: Simulator
    collector: Collector

    async def status(self) -> dict[str, Any]:
        return await status_of(self.kube, self.namespace)

    async def make(self, **spec: Any) -> None:
        await self.kube.create(MODELS, rig.manifest(self.namespace, **(SPEC | spec)))

    async def change(self) -> None:
        """Ask for another version."""
        patch = {"spec": {"training": {"seed": 18}}}
        await self.kube.patch(MODELS, self.namespace, "movies", patch)

    async def serving(self) -> bool:
        status = await self.status()
        return status.get("stage") == "Serving" and not status.get("candidate")

    async def first(self, **spec: Any) -> str:
        """Return the champion that one operator makes, without stops."""
        await self.make(**spec)
        await self.chain.before("a first version", self.serving)
        return str((await self.status())["champion"])

    async def stages(self) -> dict[str, str]:
        found = await self.kube.list(VERSIONS, self.namespace, {})
        return {v["metadata"]["name"]: v.get("status", {}).get("stage", "") for v in found}


async def promotion(world: World) -> None:
    """A first version until it serves, and a second one until it is promoted."""

    async def promoted() -> bool:
        return await world.serving() and (await world.status()).get("champion") != first

    await world.make()
    await world.chain.phase("a first version", world.serving)
    first = (await world.status())["champion"]
    await world.change()
    await world.chain.phase("a second version", promoted)


async def deletion(world: World) -> None:
    """The deletion of a model that serves."""

    async def gone() -> bool:
        return await world.kube.get(MODELS, world.namespace, "movies") is None

    await world.first()
    await delete_model(world.kube, world.namespace)
    await world.chain.phase("the deletion", gone)


async def rollback(world: World) -> None:
    """A candidate that answers with errors, until it is rolled back."""
    first = await world.first()
    world.simulator.fails = lambda version: version != first

    async def rolled_back() -> bool:
        return await world.serving() and "RolledBack" in (await world.stages()).values()

    await world.change()
    await world.chain.phase("a bad candidate", rolled_back)
    assert (await world.status())["champion"] == first, "the bad candidate was promoted"


async def experiment(world: World) -> None:
    """A candidate whose users click more, until the experiment promotes it."""
    first = await world.first(
        serving=SPEC["serving"] | {"impressions": 1},
        rollout=SPEC["rollout"] | {"experiment": PLAN},
    )
    world.collector.clicks = lambda version: BETTER if version != first else None

    async def promoted() -> bool:
        return await world.serving() and (await world.status()).get("champion") != first

    await world.change()
    await world.chain.phase("an experiment", promoted)
    found = await world.kube.list(VERSIONS, world.namespace, {})
    verdicts = [(v["status"].get("experiment") or {}).get("verdict") for v in found]
    assert "Promote" in verdicts, f"no experiment decided: {verdicts}"


async def knative(world: World) -> None:
    """A first version until it serves and a second one until it is promoted, by KServe."""

    async def promoted() -> bool:
        return await world.serving() and (await world.status()).get("champion") != first

    await world.make(rollout=SPEC["rollout"] | {"traffic": "Knative"})
    await world.chain.phase("a first version in Knative mode", world.serving)
    first = (await world.status())["champion"]
    await world.change()
    await world.chain.phase("a second version in Knative mode", promoted)


LIVES: Mapping[str, Callable[[World], Awaitable[None]]] = {
    life.__name__: life for life in (promotion, deletion, rollback, experiment, knative)
}
