"""The models of the benchmark of the operator, and what is observed of them."""

from __future__ import annotations

import asyncio
import pathlib
import secrets
import time
from typing import Any

from recommender_operator.adapters.kinds import CLAIMS, HTTP_ROUTES, MODELS, VERSIONS
from recommender_operator.controller.client import OfficialKube
from recommender_operator.controller.informer import Informer, Observer
from recommender_operator.controller.kube import Object
from recommender_operator.controller.store import Store, name_of
from recommender_operator.controller.watching import ApiSource, Scope
from recommender_operator.resources import http_route
from recommender_operator.resources import labels as marks
from recommender_operator.resources.labels import MANAGER
from tests.integration import operator_api_rig as rig

NAMESPACES = 10
SYSTEM = "recommender-system"
MERGE = "application/merge-patch+json"
#: Concurrent requests when models are created or changed.
TOGETHER = 16
SPEC: dict[str, Any] = {
    "rollout": {"analysis": {"stepSeconds": 5, "intervalSeconds": 2}},
    "retrain": {"drift": {"enabled": False}},
    "serving": {"keepPrevious": False},
}
#: The time limit of each step, in seconds.
PATIENCE = 1800.0


class Routes:
    """Measures from a weight in a version's status to the same weight in its route."""

    def __init__(self, versions: Store, routes: Store) -> None:
        self._versions, self._routes = versions, routes
        self._asked: dict[tuple[str, str, str, int], float] = {}
        self._there: dict[tuple[str, str, str, int], float] = {}
        self.seconds: list[float] = []

    def changed(self, namespace: str, model: str) -> None:
        now = time.monotonic()
        for version in self._versions.select(namespace, {marks.MODEL: model}):
            status = version.get("status") or {}
            if status.get("stage") == "Canary" and status.get("weight"):
                key = (namespace, model, version["metadata"]["name"], int(status["weight"]))
                self._asked.setdefault(key, now)
                self._match(key)
        for route in self._routes.select(namespace, {marks.MODEL: model}):
            for name, weight in http_route.weights_of(route).items():
                self._there.setdefault((namespace, model, name, weight), now)
                self._match((namespace, model, name, weight))

    def _match(self, key: tuple[str, str, str, int]) -> None:
        asked, there = self._asked.get(key), self._there.get(key)
        if asked is not None and there is not None and asked >= 0:
            self.seconds.append(max(0.0, there - asked))
            self._asked[key] = -1.0


class Fleet:
    """The models and their observed state."""

    def __init__(self, count: int, config: pathlib.Path) -> None:
        transport = rig.transport_to(config)
        self._transport = transport
        self.kube = OfficialKube(transport, manager=MANAGER)
        run = secrets.token_hex(3)
        self._spaces = [f"fleet-{run}-{i}" for i in range(NAMESPACES)]
        self.places = [(self._spaces[i % NAMESPACES], f"model-{i:05d}") for i in range(count)]
        source, changed = ApiSource(transport), Observer(changed=self._changed)
        # A read from the store decompresses and parses: once a change, not once a poll of all.
        self._statuses: dict[tuple[str, str], Object] = {}
        self._models = Informer(
            source,
            Scope(MODELS, None, ""),
            Store(marks.MODEL, parent_of=name_of),
            observer=Observer(changed=self._keep_status),
        )
        self._versions, self._routed = (
            Informer(source, Scope(kind, None, marks.MODEL), Store(marks.MODEL), observer=changed)
            for kind in (VERSIONS, HTTP_ROUTES)
        )
        self.routes = Routes(self._versions.store, self._routed.store)
        self._tasks: list[asyncio.Task[None]] = []

    def _keep_status(self, namespace: str, model: str) -> None:
        thing = self._models.store.get((namespace, model)) or {}
        self._statuses[namespace, model] = thing.get("status") or {}

    def _changed(self, namespace: str, model: str) -> None:
        self.routes.changed(namespace, model)

    async def start(self) -> None:
        rig.kubectl("create", "namespace", SYSTEM)
        for space in self._spaces:
            rig.make_namespace(space)
            await self._bind(space)
        await self._follow(self._models)

    async def watch_routes(self) -> None:
        """Watch what `routes` compares; earlier, its watches would be a load of their own."""
        await self._follow(self._versions, self._routed)

    async def _follow(self, *informers: Informer) -> None:
        for informer in informers:
            self._tasks.append(asyncio.create_task(informer.run()))
            await informer.ready()

    async def _bind(self, space: str) -> None:
        """Bind the claims, as a provisioner does; each look reads an unbound claim again."""
        for claim in ("raw", "store"):
            path = CLAIMS.path(space, claim, "status")
            bound = {"status": {"phase": "Bound"}}
            await self._transport.request("PATCH", path, [], bound, MERGE)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.kube.close()

    async def create(self, *, paused: bool) -> None:
        async def one(place: tuple[str, str]) -> None:
            await self.kube.create(MODELS, rig.manifest(*place, **SPEC, paused=paused))

        await self._each(self.places, one)

    async def patch(self, places: list[tuple[str, str]], spec: Object) -> None:
        async def one(place: tuple[str, str]) -> None:
            await self.kube.patch(MODELS, *place, {"spec": spec})

        await self._each(places, one)

    async def _each(self, places: list[tuple[str, str]], one: Any) -> None:
        gate = asyncio.Semaphore(TOGETHER)

        async def bounded(place: tuple[str, str]) -> None:
            async with gate:
                await one(place)

        await asyncio.gather(*(bounded(place) for place in places))

    def statuses(self, places: list[tuple[str, str]]) -> list[Object]:
        return [self._statuses.get(place) or {} for place in places]

    def champions(self) -> dict[tuple[str, str], str]:
        pairs = zip(self.places, self.statuses(self.places), strict=True)
        return {place: status.get("champion") or "" for place, status in pairs}

    async def until(self, what: str, done: Any) -> float:
        """Return the seconds until a condition holds for all these models."""
        started = time.monotonic()
        shown = started
        while (left := done()) > 0:
            now = time.monotonic()
            if now - started > PATIENCE:
                raise SystemExit(f"{what}: {left} are not there after {PATIENCE:.0f} s")
            if now - shown > 10:
                print(f"  {what}: {left} left after {now - started:.0f} s", flush=True)
                shown = now
            await asyncio.sleep(0.25)
        return time.monotonic() - started


def ready(status: Object) -> bool:
    conditions = status.get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def paused(status: Object) -> bool:
    conditions = status.get("conditions") or []
    return any(c["type"] == "Progressing" and c["reason"] == "Paused" for c in conditions)
