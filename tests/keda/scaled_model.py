"""A model that KEDA scales, and the looks of an operator with the rights of the chart."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import time
from collections.abc import Awaitable, Callable
from typing import Any

from recommender_operator.adapters.kinds import (
    AUTOSCALERS,
    DEPLOYMENTS,
    MODELS,
    SCALED_OBJECTS,
    VERSIONS,
)
from recommender_operator.adapters.traffic.keda import scaled_objects
from recommender_operator.controller.client import OfficialKube
from recommender_operator.controller.kube import Object
from recommender_operator.reconcile.reconciler import Key
from recommender_operator.resources import autoscaling
from recommender_operator.resources.labels import Component
from tests.integration import operator_api_rig as rig
from tests.keda.players import Players
from tests.scripted import GrowingSamples
from tests.unit.recommender_operator.operator_rig import Rig
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS

MODEL = "movies"
#: For one condition. Most take seconds, the end of a peak four minutes.
SECONDS = 300.0
PAUSE = 0.5


class ScaledModel:
    """One model in its namespace."""

    def __init__(
        self, operator: OfficialKube, admin: OfficialKube, namespace: str, server: str
    ) -> None:
        """`server` is the Prometheus that KEDA asks."""
        self.namespace = namespace
        self.admin = admin
        self._players = Players(admin, namespace=namespace)
        self._key = Key(namespace, MODEL)
        self._operator = Rig(
            kube=operator,
            samples=GrowingSamples(),
            key=self._key,
            options=dataclasses.replace(OPTIONS, keda=True, keda_prometheus_url=server),
        )
        #: Added to the operator's clock.
        self.ahead = datetime.timedelta()
        self.version = ""
        #: Autoscalers of people.
        self.foreign: set[str] = set()
        #: Number of pods that each Deployment was seen to ask for.
        self.replicas: dict[Component, list[int]] = {each: [] for each in Component}

    # What happens.

    async def create(self, **scaling: Any) -> None:
        """Create the model, and wait until its first version serves."""
        serving = {"replicas": 2, "autoscaling": scaling}
        drift = {"enabled": False}
        made = rig.manifest(self.namespace, serving=serving, retrain={"drift": drift})
        assert await self.admin.create(MODELS, made)
        await self.until("it serves", self._serves)

    async def _serves(self) -> bool:
        status = await self._status()
        self.version = str(status.get("champion") or "")
        return status.get("stage") == "Serving"

    async def scale_by(self, **scaling: Any) -> None:
        """Replace `serving.autoscaling`; what is left out gets its default."""
        names = ("targetRequestsInFlight", "peaks", "scaleDownStabilizationSeconds")
        changed = {**dict.fromkeys(names), **scaling}
        await self.admin.patch(
            MODELS, self.namespace, MODEL, {"spec": {"serving": {"autoscaling": changed}}}
        )

    async def delete(self) -> None:
        found = await self.admin.get(MODELS, self.namespace, MODEL)
        assert found is not None
        uid = found["metadata"]["uid"]
        assert await self.admin.delete(MODELS, self.namespace, MODEL, uid=uid)

    async def annotate(self, component: Component, **notes: str | None) -> None:
        """Annotate a ScaledObject as people do; None removes an annotation."""
        found = {f"autoscaling.keda.sh/{name}": value for name, value in notes.items()}
        await self.admin.patch(
            SCALED_OBJECTS, self.namespace, self.name(component),
            {"metadata": {"annotations": found}},
        )  # fmt: skip

    async def look(self) -> None:
        """Let the operator look, and everybody else act."""
        self._operator.time = datetime.datetime.now(datetime.UTC) + self.ahead
        await self._operator.reconciler.reconcile(self._key)
        await self._players.step()
        await self._check_that_one_scales()

    async def until(self, what: str, condition: Callable[[], Awaitable[bool]]) -> None:
        """Look until a condition holds."""
        end = time.monotonic() + SECONDS
        while not await condition():
            assert time.monotonic() < end, f"not in {SECONDS} s: {what}\n{await self.shown()}"
            await self.look()
            await asyncio.sleep(PAUSE)

    async def _check_that_one_scales(self) -> None:
        targets = [
            one["spec"]["scaleTargetRef"]["name"]
            for name, one in (await self.autoscalers()).items()
            if name not in self.foreign
        ]
        assert len(targets) == len(set(targets)), "two autoscalers of one Deployment"
        for component in Component:
            found = await self.deployment(component)
            if found is not None:
                self.replicas[component].append(found["spec"]["replicas"])

    # What there is.

    def name(self, component: Component) -> str:
        """Return the name of a ScaledObject, and of the autoscaler that KEDA makes of it."""
        return scaled_objects.name(self.version, component)

    async def scaled_object(self, component: Component) -> Object | None:
        return await self.admin.get(SCALED_OBJECTS, self.namespace, self.name(component))

    async def of_keda(self, component: Component) -> Object | None:
        """Return KEDA's autoscaler of a component."""
        return await self.admin.get(AUTOSCALERS, self.namespace, self.name(component))

    async def of_operator(self, component: Component) -> Object | None:
        """Return the operator's autoscaler of a component."""
        name = autoscaling.name(self.version, component)
        return await self.admin.get(AUTOSCALERS, self.namespace, name)

    async def autoscalers(self) -> dict[str, Object]:
        found = await self.admin.list(AUTOSCALERS, self.namespace, {})
        return {one["metadata"]["name"]: one for one in found}

    async def deployment(self, component: Component) -> Object | None:
        name = f"{self.version}-{component}"
        return await self.admin.get(DEPLOYMENTS, self.namespace, name) if self.version else None

    async def pods(self, component: Component) -> int:
        """Return the number of pods that a Deployment asks for."""
        found = await self.deployment(component)
        return int(found["spec"]["replicas"]) if found is not None else 0

    async def by_keda(self) -> bool:
        """Return whether KEDA alone scales both components."""
        return all([await self._only(component) for component in Component])

    async def _only(self, component: Component) -> bool:
        stored = await self.scaled_object(component)
        ready = scaled_objects.condition(stored or {}, "Ready").get("status") == "True"
        mine, theirs = await self.of_operator(component), await self.of_keda(component)
        return ready and mine is None and theirs is not None

    async def by_operator(self) -> bool:
        """Return whether the operator's autoscalers alone scale both components."""
        return all(
            [
                await self.of_operator(component) is not None
                and await self.scaled_object(component) is None
                for component in Component
            ]
        )

    async def accepted(self) -> Object:
        """Return the condition of the model that tells what is not as the spec asks."""
        conditions = (await self._status()).get("conditions") or []
        return next((one for one in conditions if one["type"] == "Accepted"), {})

    async def is_accepted(self) -> bool:
        return (await self.accepted()).get("status") == "True"

    async def gone(self) -> bool:
        """Return whether nothing of the model scales any more."""
        if await self.admin.get(MODELS, self.namespace, MODEL) is not None:
            return False
        kinds = (VERSIONS, SCALED_OBJECTS, AUTOSCALERS, DEPLOYMENTS)
        return not any([await self.admin.list(kind, self.namespace, {}) for kind in kinds])

    async def _status(self) -> Object:
        found = await self.admin.get(MODELS, self.namespace, MODEL)
        return (found or {}).get("status") or {}

    async def shown(self) -> str:
        """Return what explains a condition that does not hold."""
        stored = await self.admin.list(SCALED_OBJECTS, self.namespace, {})
        lines = [f"model: {await self._status()}"]
        lines += [f"ScaledObject: {one.get('status')}" for one in stored]
        for name, one in (await self.autoscalers()).items():
            lines.append(f"autoscaler {name}: {one['spec']} {one.get('status')}")
        return "\n".join(lines)
