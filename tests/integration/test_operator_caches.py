"""Caches with a real API server: equal to a list after a storm of writes, and after a cut."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import random
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import yaml

from recommender_operator.adapters import model_caches
from recommender_operator.adapters.kinds import HTTP_ROUTES, TRAIN_JOBS, VERSIONS
from recommender_operator.controller.cached_kube import CachedKube
from recommender_operator.controller.caches import Caches
from recommender_operator.controller.client import OfficialKube
from recommender_operator.controller.informer import Informer, Rhythm
from recommender_operator.controller.kube import ConflictError, Object, Resource
from recommender_operator.controller.store import Store
from recommender_operator.controller.watching import ApiSource, Scope
from recommender_operator.resources import labels
from recommender_operator.resources.labels import MANAGER
from tests.integration import operator_account as account
from tests.integration import operator_api_rig as rig

pytestmark = pytest.mark.integration
SECONDS = 60.0
#: Short, so that a test sees the reaction to a cut connection and to a new kind.
QUICK = Rhythm(watch=2.0, silence=2.0, absent=0.5, pause=0.1, longest_pause=0.5)


class Unseen:
    def watch_caches(self, caches: Any) -> None: ...

    def cache_listed(self, resource: str, why: str) -> None: ...


async def until(what: str, condition: Callable[[], bool]) -> None:
    try:
        async with asyncio.timeout(SECONDS):
            while not condition():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"{what}: not in {SECONDS} s") from None


@contextlib.asynccontextmanager
async def caching(
    config: pathlib.Path, *namespaces: str
) -> AsyncIterator[tuple[CachedKube, Caches]]:
    """The caches of some namespaces, or of all, with the rights of an account."""
    transport = rig.transport_to(config)
    direct = OfficialKube(transport, manager=MANAGER)
    caches = Caches(
        ApiSource(transport),
        model_caches.watched(),
        namespaces=namespaces,
        wake=lambda *_: None,
        metrics=Unseen(),
        rhythm=QUICK,
    )
    await caches.start()
    try:
        yield CachedKube(direct, caches), caches
    finally:
        await caches.stop()
        await direct.close()


def informer_of(caches: Caches, resource: Resource, namespace: str) -> Informer:
    found = caches.of(resource, namespace)
    assert found is not None
    return found


def route(namespace: str, name: str, model: str = "movies") -> Object:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": name, "namespace": namespace, "labels": labels.of_model(model)},
        "spec": {"hostnames": [f"{name}.example.com"]},
    }


def versions_of(things: list[Object]) -> dict[str, str]:
    return {t["metadata"]["name"]: t["metadata"]["resourceVersion"] for t in things}


async def test_after_a_storm_of_writes_by_all_clients_the_cache_equals_a_list(
    kube: OfficialKube, namespace: str, tmp_path: pathlib.Path
) -> None:
    chance = random.Random(7)
    async with caching(account.namespaced(namespace).config(tmp_path), namespace) as (own, caches):
        await informer_of(caches, HTTP_ROUTES, namespace).ready()

        async def write(by: Any) -> None:
            name = f"r{chance.randrange(12)}"
            found = await kube.get(HTTP_ROUTES, namespace, name)
            with contextlib.suppress(ConflictError):
                if found is None:
                    await by.create(HTTP_ROUTES, route(namespace, name))
                elif chance.random() < 0.3:
                    await by.delete(HTTP_ROUTES, namespace, name, uid=found["metadata"]["uid"])
                else:
                    changed = route(namespace, name)
                    changed["spec"]["hostnames"] = [f"{secrets.token_hex(4)}.example.com"]
                    await by.apply(HTTP_ROUTES, changed, over=found)

        async def writer(by: Any) -> None:
            for _ in range(40):
                await write(by)

        await asyncio.gather(writer(own), writer(kube), writer(own), writer(kube))
        truth = versions_of(await kube.list(HTTP_ROUTES, namespace, labels.of_model("movies")))
        store = informer_of(caches, HTTP_ROUTES, namespace).store
        await until("equal", lambda: versions_of(store.select(namespace, {})) == truth)
        cached = await own.list(HTTP_ROUTES, namespace, labels.of_model("movies"))
        assert versions_of(cached) == truth


async def test_own_writes_are_read_back_at_once(
    kube: OfficialKube, namespace: str, tmp_path: pathlib.Path
) -> None:
    marks = labels.of_model("movies")
    async with caching(account.namespaced(namespace).config(tmp_path), namespace) as (own, _):
        assert await own.list(HTTP_ROUTES, namespace, marks) == []
        for i in range(20):
            made = await own.create(HTTP_ROUTES, route(namespace, f"r{i}"))
            assert made is not None
            assert f"r{i}" in versions_of(await own.list(HTTP_ROUTES, namespace, marks))
            changed = route(namespace, f"r{i}")
            changed["spec"]["hostnames"] = ["other.example.com"]
            applied = await own.apply(HTTP_ROUTES, changed, over=made)
            found = await own.get(HTTP_ROUTES, namespace, f"r{i}")
            assert found is not None
            assert found["metadata"]["resourceVersion"] == applied["metadata"]["resourceVersion"]
            uid = made["metadata"]["uid"]
            assert await own.delete(HTTP_ROUTES, namespace, f"r{i}", uid=uid)
            assert await own.list(HTTP_ROUTES, namespace, marks) == []


async def test_a_write_to_a_changed_object_conflicts_once_and_is_decided_again(
    kube: OfficialKube, namespace: str, tmp_path: pathlib.Path
) -> None:
    await kube.create(HTTP_ROUTES, route(namespace, "movies"))
    async with caching(account.namespaced(namespace).config(tmp_path), namespace) as (own, _):
        for _ in range(10):
            seen = await own.get(HTTP_ROUTES, namespace, "movies")
            note = {"metadata": {"annotations": {"by": secrets.token_hex(4)}}}
            await kube.patch(HTTP_ROUTES, namespace, "movies", note)
            with pytest.raises(ConflictError):
                await own.apply(HTTP_ROUTES, route(namespace, "movies"), over=seen)
            again = await own.get(HTTP_ROUTES, namespace, "movies")
            await own.apply(HTTP_ROUTES, route(namespace, "movies"), over=again)


class Proxy:
    """A TCP proxy in front of the API server that can freeze or cut connections."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._open: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._flows.set()

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    def freeze(self) -> None:
        """Forward nothing but keep connections open, like a network that drops packets."""
        self._flows.clear()

    def heal(self) -> None:
        self._flows.set()

    def cut(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def stop(self) -> None:
        self.heal()
        self.cut()
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._target)
        self._open |= {writer, back}
        await asyncio.gather(self._pump(reader, back), self._pump(there, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._flows.wait()
                writer.write(data)
                await writer.drain()
        writer.close()
        self._open.discard(writer)


@pytest.mark.parametrize("fault", ["cut", "freeze"])
async def test_a_broken_or_silent_watch_recovers_and_misses_nothing(
    fault: str, kube: OfficialKube, namespace: str, tmp_path: pathlib.Path
) -> None:
    config = yaml.safe_load(rig.kubeconfig().read_text(encoding="utf-8"))
    server = config["clusters"][0]["cluster"]
    host, port = server["server"].removeprefix("https://").rsplit(":", 1)
    proxy = Proxy((host, int(port)))
    server["server"] = f"https://127.0.0.1:{await proxy.start()}"
    path = tmp_path / "proxied.kubeconfig"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    await kube.create(HTTP_ROUTES, route(namespace, "before"))
    async with caching(path, namespace) as (_, caches):
        informer = informer_of(caches, HTTP_ROUTES, namespace)
        store = await informer.ready()
        assert [t["metadata"]["name"] for t in store.select(namespace, {})] == ["before"]
        if fault == "cut":
            proxy.cut()
        else:
            proxy.freeze()
        before = await kube.get(HTTP_ROUTES, namespace, "before")
        assert before is not None
        uid = before["metadata"]["uid"]
        await kube.delete(HTTP_ROUTES, namespace, "before", uid=uid)
        await kube.create(HTTP_ROUTES, route(namespace, "after"))
        if fault == "freeze":
            await until("silent", lambda: informer.age > 2 * QUICK.watch + QUICK.silence)
            proxy.cut()
        proxy.heal()
        names: Callable[[], list[str]] = lambda: [  # noqa: E731
            found["metadata"]["name"] for found in store.select(namespace, {})
        ]
        await until("healed", lambda: names() == ["after"])
    await proxy.stop()


async def test_a_kind_that_is_installed_later_is_found_without_a_restart(
    kube: OfficialKube, namespace: str, tmp_path: pathlib.Path
) -> None:
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "laterthings.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "laterthings", "singular": "laterthing", "kind": "LaterThing"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "x-kubernetes-preserve-unknown-fields": True,
                        }
                    },
                }
            ],
        },
    }
    later = Resource("example.com", "v1", "laterthings")
    transport = rig.transport_to(rig.kubeconfig())
    informer = Informer(
        ApiSource(transport), Scope(later, namespace, ""), Store(labels.MODEL), rhythm=QUICK
    )
    task = asyncio.create_task(informer.run())
    try:
        await until("known to be missing", lambda: not informer.served)
        assert (await informer.ready()).select(None, {}) == []
        rig.kubectl("create", "-f", "-", stdin=yaml.safe_dump(crd))
        await until("served", lambda: informer.served)
        made = {
            "apiVersion": "example.com/v1",
            "kind": "LaterThing",
            "metadata": {"name": "one", "namespace": namespace},
        }
        await kube.create(later, made)
        await until("cached", lambda: len(informer.store) == 1)
        rig.kubectl("delete", "crd", "laterthings.example.com")
        await until("gone", lambda: not informer.served and len(informer.store) == 0)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await transport.close()


async def test_a_cluster_without_kubeflow_is_not_an_error(
    namespace: str, tmp_path: pathlib.Path
) -> None:
    async with caching(account.namespaced(namespace).config(tmp_path), namespace) as (own, caches):
        await informer_of(caches, TRAIN_JOBS, namespace).ready()
        assert await own.list(TRAIN_JOBS, namespace, labels.of_model("movies")) == []
        assert await own.list(VERSIONS, namespace, labels.of_model("movies")) == []
