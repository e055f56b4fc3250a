"""A watch by Kopf's index and event handler, and one by the operator's informer.

Each side is a process with its own server, which answers as an API server does, and is not part
of the figures. It lists N objects, then sends each of them E times with another status; then it
deletes ten while the watch is away, and answers the next watch with 410. `ms_per_event` is CPU of
the process, `kib_per_object` its memory after the events over that before the list, `kept` the
number of objects that it still knows at the end.

    python -m lab.benchmarks.kopf_watch [--objects N] [--events E]

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import kopf
from aiohttp import ClientSession, web

from recommender_contract.api_names import API_VERSION, GROUP
from recommender_operator.adapters import model_caches
from recommender_operator.adapters.kinds import MODELS
from recommender_operator.controller.informer import Informer, Observer
from recommender_operator.controller.store import Store, name_of
from recommender_operator.controller.transport import Transport
from recommender_operator.controller.watching import ApiSource, Scope
from recommender_operator.process import kopf_handlers
from tests.benchmarks.machine import machine
from tests.ports import free_port

PLURAL = MODELS.plural
DELETED = 10
SIDES = ("kopf", "informer")


def thing(number: int, version: int) -> dict[str, Any]:
    """Return an object of about 12 KB, as a RecommenderModel that serves."""
    conditions = [
        {"type": f"Condition{each}", "status": "True", "reason": "Serving", "message": "m" * 120}
        | {"lastTransitionTime": "2026-12-01T10:00:00Z", "observedGeneration": version}
        for each in range(17)
    ]
    fields = {f"f:field{each}": {"f:part": {}, "f:other": {"f:leaf": {}}} for each in range(90)}
    managed = [{"manager": "recommender-operator-status", "subresource": "status"}]
    managed[0] |= {"time": "2026-12-01T10:00:00Z", "fieldsV1": fields}  # type: ignore[dict-item]
    return {
        "apiVersion": f"{GROUP}/{API_VERSION}",
        "kind": "RecommenderModel",
        "metadata": {
            "name": f"model-{number}",
            "namespace": "team",
            "uid": f"uid-{number}",
            "generation": 1,
            "resourceVersion": str(version),
            "managedFields": managed,
        },
        "spec": {f"section{s}": {f"field{f}": f for f in range(12)} for s in range(12)},
        "status": {"stage": "Serving", "champion": "v1", "conditions": conditions},
    }


class Server:
    def __init__(self, count: int, events: int) -> None:
        self._objects = {number: thing(number, number + 1) for number in range(count)}
        self._version, self._events = count + 1, events
        self.sends, self.ends = asyncio.Event(), asyncio.Event()

    async def serve(self, port: int) -> web.AppRunner:
        site = web.Application()
        base = f"/apis/{GROUP}/{API_VERSION}"
        ours, crds = _group(GROUP, API_VERSION), _group("apiextensions.k8s.io", "v1")
        # Kopf needs these, even if it watches none of them.
        core = [_kind("namespaces", namespaced=False), _kind("events")]
        answers: dict[str, Any] = {
            "/version": {},
            "/api": {"versions": ["v1"]},
            "/api/v1": {"resources": core},
            "/apis": {"groups": [ours, crds]},
            base: {"resources": [_kind(PLURAL)]},
            "/apis/apiextensions.k8s.io/v1": {
                "resources": [_kind("customresourcedefinitions", namespaced=False)]
            },
        }
        for path, answer in answers.items():
            site.router.add_get(path, self._constant(answer))
        site.router.add_get(f"{base}/namespaces/team/{PLURAL}", self._models)
        site.router.add_post("/sends", self._mark(self.sends))
        site.router.add_post("/ends", self._mark(self.ends))
        runner = web.AppRunner(site, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        return runner

    def _constant(self, body: Any) -> Any:
        async def answer(_: web.Request) -> web.Response:
            return web.json_response(body)

        return answer

    def _mark(self, event: asyncio.Event) -> Any:
        async def answer(_: web.Request) -> web.Response:
            event.set()
            return web.Response()

        return answer

    async def _models(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("watch"):
            return await self._watch(request)
        numbers = sorted(self._objects)
        at, limit = int(request.query.get("continue") or 0), int(request.query.get("limit") or 0)
        chosen = numbers[at : at + limit] if limit else numbers
        more = str(at + limit) if limit and at + limit < len(numbers) else ""
        metadata = {"resourceVersion": str(self._version), "continue": more}
        items = [self._objects[number] for number in chosen]
        return web.json_response({"metadata": metadata, "items": items})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        if self.ends.is_set() and int(request.query["resourceVersion"]) < self._version:
            gone = {"kind": "Status", "code": 410, "reason": "Expired"}
            await self._line(answer, "ERROR", gone)
            return answer
        if not self.ends.is_set():
            await self.sends.wait()
            for _ in range(self._events):
                for number in self._objects:
                    self._version += 1
                    self._objects[number] = thing(number, self._version)
                    await self._line(answer, "MODIFIED", self._objects[number])
            await self.ends.wait()
            for number in range(DELETED):
                del self._objects[number]
                self._version += 1
            return answer
        await asyncio.sleep(3600)
        return answer

    async def _line(self, answer: web.StreamResponse, kind: str, body: Any) -> None:
        await answer.write(json.dumps({"type": kind, "object": body}).encode() + b"\n")


def _group(name: str, version: str) -> dict[str, Any]:
    found = {"groupVersion": f"{name}/{version}", "version": version}
    return {"name": name, "versions": [found], "preferredVersion": found}


def _kind(plural: str, *, namespaced: bool = True) -> dict[str, Any]:
    verbs = ["list", "watch", "get", "patch"]
    names = {"name": plural, "singularName": plural[:-1], "kind": plural.title()}
    return {**names, "namespaced": namespaced, "verbs": verbs}


class Side:
    """What the process of a side has seen, and what it keeps."""

    def __init__(self, kept: Callable[[], int]) -> None:
        #: The newest version by name: Kopf merges events of an object that waits for a worker.
        self.versions: dict[str, int] = {}
        self.kept = kept


@contextlib.asynccontextmanager
async def by_kopf(_: str) -> Any:
    registry = kopf.OperatorRegistry()
    side = Side(lambda: len(index))
    index: dict[Any, Any] = {}

    async def start(**_: Any) -> None: ...

    async def model(name: str, body: Any, **_: Any) -> Any:
        return {name: dict(body)}

    async def event(type: str | None, **kwargs: Any) -> None:
        nonlocal index
        index = kwargs["models"]
        side.versions[kwargs["name"]] = int(kwargs["meta"]["resourceVersion"])

    at = (MODELS.group, MODELS.version, PLURAL)
    kopf.on.login(registry=registry)(kopf.login_with_kubeconfig)
    kopf.on.startup(registry=registry)(start)
    kopf.index(*at, id="models", registry=registry)(model)
    kopf.on.event(*at, id="event", registry=registry)(event)
    settings = kopf_handlers.settings(namespaced=True)
    # A worker waits until all objects are indexed, so a limit below their number waits forever.
    settings.queueing.worker_limit = None
    running = asyncio.create_task(
        kopf.operator(registry=registry, settings=settings, standalone=True, namespaces=("team",))
    )
    yield side
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@contextlib.asynccontextmanager
async def by_informer(_: str) -> Any:
    def changed(namespace: str, name: str) -> None:
        found = store.find((namespace, name))
        side.versions[name] = found.version if found is not None else 0

    store = Store(
        "recommender.dev/model",
        slim=lambda each: model_caches.slim(MODELS, each),
        parent_of=name_of,
        urgency=model_caches.urgency_of,
    )
    side = Side(lambda: len(store))
    transport = Transport(concurrency=4, timeout=15.0)
    informer = Informer(
        ApiSource(transport), Scope(MODELS, "team", ""), store, observer=Observer(changed=changed)
    )
    running = asyncio.create_task(informer.run())
    yield side
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await transport.close()


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def memory() -> float:
    gc.collect()
    found = re.search(r"VmRSS:\s+(\d+)", pathlib.Path("/proc/self/status").read_text())
    assert found
    return float(found[1])


async def measure(side_name: str, url: str, objects: int, events: int) -> dict[str, Any]:
    """Run one side against a server, and return its figures."""
    runs = {"kopf": by_kopf, "informer": by_informer}[side_name]
    before = memory()
    async with runs(url) as side, ClientSession() as session:

        async def until(version: int) -> None:
            async with asyncio.timeout(300):
                while len(side.versions) < objects or min(side.versions.values()) < version:
                    await asyncio.sleep(0.02)

        started = cpu()
        await until(0)
        listed, after_list = cpu(), memory()
        await session.post(f"{url}/sends")
        await until(2 + objects * events)
        done, after_events = cpu(), memory()
        await session.post(f"{url}/ends")
        await asyncio.sleep(5)
        return {
            "ms_per_listed": round(1000 * (listed - started) / objects, 3),
            "ms_per_event": round(1000 * (done - listed) / objects / events, 3),
            "kib_per_object_listed": round((after_list - before) / objects, 1),
            "kib_per_object": round((after_events - before) / objects, 1),
            "kept": side.kept(),
        }


async def main(options: argparse.Namespace) -> None:
    if options.side:
        found = await measure(options.side, options.url, options.objects, options.events)
        print(json.dumps(found))
        return
    result: dict[str, Any] = {}
    for side in SIDES * options.repeats:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        server = Server(options.objects, options.events)
        runner = await server.serve(port)
        with tempfile.TemporaryDirectory() as folder:
            config = {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": url}}],
                "users": [{"name": "u", "user": {"token": "t"}}],
            }
            path = pathlib.Path(folder) / "config"
            path.write_text(json.dumps(config))
            command = [sys.executable, "-m", "lab.benchmarks.kopf_watch", "--side", side]
            command += ["--url", url, "--objects", str(options.objects)]
            command += ["--events", str(options.events)]
            process = await asyncio.create_subprocess_exec(
                *command, env={**os.environ, "KUBECONFIG": str(path)}, stdout=subprocess.PIPE
            )
            text, _ = await process.communicate()
        await runner.cleanup()
        found = json.loads(text.decode().strip().splitlines()[-1])
        print(f"  {side}: {found}", flush=True)
        result.setdefault(side, []).append(found)
    sizes = len(json.dumps(thing(1, 1)))
    line = {"benchmark": "kopf_watch", "objects": options.objects, "events": options.events}
    print(json.dumps({**line, "bytes": sizes, **result, "machine": machine()}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, default=1000)
    parser.add_argument("--events", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--side", default="")
    parser.add_argument("--url", default="")
    asyncio.run(main(parser.parse_args()))
