"""Simulates Kubernetes for a fleet of models: Jobs end, pods start, routes are accepted.

A separate process, so that its work is not counted as the operator's. It watches the objects
of the operator, and reacts within milliseconds with the writes of these components:

    Job controller    the pod, with the finalizer of Jobs; the status at the start, with the
                      ended pod, and complete; removal of the finalizer
    scheduler         a binding of each pod
    kubelet           the status of each pod: running; then ended with its report, or ready
    KServe            the status of an InferenceService: not ready, then ready
    Gateway           the status of each generation of a route

Like theirs, the statuses of Jobs, InferenceServices and routes are updated as a whole (PUT), and
those of pods are merge patches. Not simulated are Deployment, ReplicaSet, Service and
HorizontalPodAutoscaler behind an InferenceService, Events of all of them, and the renewals of a
node. Each serving pod has a separate address in 127.0.0.0/8, where this process answers on the
port of the transformer with counters that grow with time and with an inference that passes the
smoke test.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import datetime
import functools
import itertools
import json
import os
import pathlib
import time

from recommender_operator.adapters.caches.informer import Informer, Observer
from recommender_operator.adapters.caches.store import Store
from recommender_operator.adapters.caches.watching import ApiSource, Scope
from recommender_operator.adapters.counters.pod_scrape import PORT
from recommender_operator.adapters.kubernetes.client import OfficialKube
from recommender_operator.adapters.kubernetes.port import (
    HTTP_ROUTES,
    INFERENCE_SERVICES,
    JOBS,
    PODS,
    KubeError,
    Object,
    Resource,
)
from recommender_operator.adapters.kubernetes.transport import Transport
from recommender_operator.resources import labels as marks
from tests.integration import operator_api_rig as rig
from tests.scripted import ended, report

WORKERS = 16
#: Maximum tries of an update of a status.
TRIES = 5
#: The container of a serving pod, and the finalizer of the pods of Jobs.
CONTAINER, TRACKING = "kserve-container", "batch.kubernetes.io/job-tracking"
MERGE = "application/merge-patch+json"
#: Second number of the pods' addresses, different for each simulator.
NET = 2 + os.getpid() % 250
#: The numbers of the pods, of all simulators of the process.
ADDRESSES = itertools.count(1)
#: Requests per second that each pod reports.
RATE = 30
BUCKETS = ("0.005", "0.01", "0.05", "0.1", "0.5", "5", "+Inf")
Key = tuple[str, str]


def page(model: str, version: str, age: float) -> bytes:
    """Return the metrics page of a pod after this number of seconds."""
    own, served = f'model="{model}",version="{version}"', int(age * RATE)
    lines = [
        f'recommender_requests_total{{{own},outcome="ok"}} {served}',
        f'recommender_requests_total{{{own},outcome="error"}} 0',
        f'recommender_answers_total{{{own},source="model"}} {served}',
        f"recommender_sessions_total{{{own}}} {served}",
    ]
    for edge in BUCKETS:
        count = 0 if edge == "0.005" else served
        name = "recommender_request_duration_seconds_bucket"
        lines.append(f'{name}{{{own},le="{edge}"}} {count}')
    return ("\n".join(lines) + "\n").encode()


def prediction(*, texts: bool) -> bytes:
    """Return an answer of ten items, whose ids are numbers or texts."""
    answer = {
        "items": [str(i) if texts else i for i in range(1, 11)],
        "scores": [round(0.9 - i / 20, 3) for i in range(10)],
        "source": "model",
    }
    return json.dumps({"predictions": [answer]}).encode()


class Answering(asyncio.Protocol):
    """The two requests of the operator to a pod, over a connection that stays open."""

    def __init__(self, model: str, version: str, born: float, answer: bytes) -> None:
        self._model, self._version, self._born = model, version, born
        self._prediction = answer
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._out = transport

    def data_received(self, data: bytes) -> None:
        self._rest += data
        while b"\r\n\r\n" in self._rest:
            head, _, rest = self._rest.partition(b"\r\n\r\n")
            length = 0
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            if len(rest) < length:
                return
            self._rest = rest[length:]
            self._answer(head.startswith(b"GET"))

    def _answer(self, counters: bool) -> None:
        kind, body = "application/json", self._prediction
        if counters:
            age = time.monotonic() - self._born
            kind, body = "text/plain; version=0.0.4", page(self._model, self._version, age)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        self._out.write(head.encode() + body)


@dataclasses.dataclass
class Serving:
    """The pods of a service, by name and uid, and the listening socket of the one that answers."""

    pods: dict[str, str]
    server: asyncio.AbstractServer


class Simulator:
    """Watches the operator's children and acts on them."""

    def __init__(
        self, transport: Transport, namespace: str | None = None, *, texts: bool = False
    ) -> None:
        """Without a namespace it acts in all of them. `texts`: ids of items are texts."""
        self._prediction = prediction(texts=texts)
        self._transport = transport
        self._kube = OfficialKube(transport)
        self._source = ApiSource(transport)
        self._queue: asyncio.Queue[Key] = asyncio.Queue()
        self._waiting: set[Key] = set()
        self._ended: set[str] = set()
        self._starting: set[tuple[Key, str]] = set()
        self._accepted: dict[str, int] = {}
        #: By the uid of the service: one that is made again has other pods.
        self._serving: dict[Key, dict[str, Serving]] = {}
        self._informers = {
            resource: Informer(
                self._source,
                Scope(resource, namespace, marks.MODEL),
                Store(),
                observer=Observer(changed=self._changed),
            )
            for resource in (JOBS, INFERENCE_SERVICES, HTTP_ROUTES)
        }

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for informer in self._informers.values():
                group.create_task(informer.run())
            for informer in self._informers.values():
                await informer.ready()
            print("ready", flush=True)
            for _ in range(WORKERS):
                group.create_task(self._work())

    def _changed(self, namespace: str, model: str) -> None:
        key = (namespace, model)
        if key not in self._waiting:
            self._waiting.add(key)
            self._queue.put_nowait(key)

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            self._waiting.discard(key)
            try:
                await self._one(key)
            except KubeError as error:
                print(f"{key}: {error}", flush=True)

    def _children(self, resource: Resource, key: Key) -> list[Object]:
        return self._informers[resource].store.select(key[0], {marks.MODEL: key[1]})

    async def _one(self, key: Key) -> None:
        for job in self._children(JOBS, key):
            uid = job["metadata"]["uid"]
            if uid not in self._ended:
                self._ended.add(uid)
                try:
                    await self._end(job)
                except KubeError:
                    self._ended.discard(uid)
                    raise
        services = self._children(INFERENCE_SERVICES, key)
        pods = self._serving.setdefault(key, {})
        for service in services:
            version, uid = service["metadata"]["labels"].get(marks.VERSION), uid_of(service)
            if version and uid not in pods and (key, uid) not in self._starting:
                self._starting.add((key, uid))
                pods[uid] = await self._serve(key, version, service)
                self._starting.discard((key, uid))
        there = {uid_of(service) for service in services}
        for uid in [uid for uid in pods if uid not in there]:
            ended = pods.pop(uid)
            ended.server.close()
            for name, uid in ended.pods.items():
                await self._kube.delete(PODS, key[0], name, uid=uid)
        for route in self._children(HTTP_ROUTES, key):
            uid, generation = route["metadata"]["uid"], int(route["metadata"]["generation"])
            if self._accepted.get(uid) != generation:
                self._accepted[uid] = generation
                await self._accept(route)

    async def _end(self, job: Object) -> None:
        name, at = job["metadata"]["name"], now()
        counts = {"terminating": 0, "uncountedTerminatedPods": {}}
        job = await self._update(JOBS, job, {"startTime": at, "active": 1, "ready": 0, **counts})
        own = {**job["metadata"]["labels"], "batch.kubernetes.io/job-name": name}
        owner = ("batch/v1", "Job", f"{name}-pod")
        pod = await self._pod(job, owner, own, "main", finalizers=[TRACKING])
        await self._patch_status(pod, _started("main"))
        await self._patch_status(pod, _finished(job))
        ended = {"succeeded": [pod["metadata"]["uid"]]}
        job = await self._update(JOBS, job, {"active": 0, "uncountedTerminatedPods": ended})
        place = (pod["metadata"]["namespace"], pod["metadata"]["name"])
        await self._kube.patch(PODS, *place, {"metadata": {"finalizers": None}})
        condition = {"status": "True", "lastProbeTime": at, "lastTransitionTime": at}
        status = {
            "completionTime": at,
            "succeeded": 1,
            "uncountedTerminatedPods": {},
            "conditions": [
                {"type": "SuccessCriteriaMet", **condition},
                {"type": "Complete", **condition},
            ],
        }
        await self._update(JOBS, job, status)

    async def _serve(self, key: Key, version: str, service: Object) -> Serving:
        number = next(ADDRESSES)
        address = f"127.{NET}.{number // 250}.{number % 250 + 1}"
        born = time.monotonic()
        server = await asyncio.get_running_loop().create_server(
            functools.partial(Answering, key[1], version, born, self._prediction), address, PORT
        )
        service = await self._update(INFERENCE_SERVICES, service, _ready("False"))
        pods = {}
        for component in reversed(marks.Component):
            own = marks.of_component(key[1], version, component)
            name = f"{version}-{component}-{uid_of(service)[:5]}"
            owner = ("serving.kserve.io/v1beta1", "InferenceService", name)
            made = await self._pod(service, owner, own, CONTAINER)
            await self._patch_status(made, _started(CONTAINER))
            await self._patch_status(made, _running(address))
            pods[made["metadata"]["name"]] = made["metadata"]["uid"]
        await self._update(INFERENCE_SERVICES, service, _ready("True"))
        return Serving(pods, server)

    async def _pod(
        self,
        owner: Object,
        known_as: tuple[str, str, str],
        own: dict[str, str],
        container: str,
        finalizers: list[str] | None = None,
    ) -> Object:
        """Return a pod of an owner (its apiVersion and kind, and the pod's name), bound."""
        namespace = owner["metadata"]["namespace"]
        version, kind, name = known_as
        reference = {
            "apiVersion": version,
            "kind": kind,
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            "controller": True,
        }
        manifest: Object = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": own,
                "finalizers": finalizers or [],
                "ownerReferences": [reference],
            },
            "spec": {"containers": [{"name": container, "image": "example/image:1"}]},
        }
        made = await self._kube.create(PODS, manifest)
        if made is None:
            made = await self._kube.get(PODS, namespace, name)
            assert made is not None
            return made
        target = {"apiVersion": "v1", "kind": "Node", "name": "node"}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}}
        await self._transport.request(
            "POST", PODS.path(namespace, name, "binding"), [], {**binding, "target": target}
        )
        return made

    async def _accept(self, route: Object) -> None:
        conditions = [
            {
                "type": kind,
                "status": "True",
                "reason": kind,
                "message": "",
                "observedGeneration": route["metadata"]["generation"],
                "lastTransitionTime": now(),
            }
            for kind in ("Accepted", "ResolvedRefs")
        ]
        parent = {
            "parentRef": route["spec"]["parentRefs"][0],
            "controllerName": "example.com/gateway",
            "conditions": conditions,
        }
        await self._update(HTTP_ROUTES, route, {"parents": [parent]})

    async def _update(self, resource: Resource, thing: Object, changes: Object) -> Object:
        """Update fields of a status, as a controller does, and return the object."""
        namespace, name = thing["metadata"]["namespace"], thing["metadata"]["name"]
        path = resource.path(namespace, name, "status")
        for _ in range(TRIES):
            answer = await self._transport.request("PUT", path, [], _with_status(thing, changes))
            if answer.status == 200:
                updated: Object = json.loads(answer.data)
                return updated
            if answer.status != 409:
                break
            found = await self._kube.get(resource, namespace, name)
            if found is None or _obsolete(resource, thing, found):
                return thing
            thing = found
        if answer.status != 404:
            print(f"{path}: {answer.status} {answer.data[:200]!r}", flush=True)
        return thing

    async def _patch_status(self, pod: Object, status: Object) -> None:
        metadata = pod["metadata"]
        path = PODS.path(metadata["namespace"], metadata["name"], "status")
        patch = {"metadata": {"uid": metadata["uid"]}, "status": status}
        answer = await self._transport.request("PATCH", path, [], patch, MERGE)
        if answer.status not in (200, 404, 409):
            print(f"{path}: {answer.status} {answer.data[:200]!r}", flush=True)


def _with_status(thing: Object, changes: Object) -> Object:
    # Controllers drop the managed fields from their caches.
    metadata = {k: v for k, v in thing["metadata"].items() if k != "managedFields"}
    return {**thing, "metadata": metadata, "status": {**(thing.get("status") or {}), **changes}}


def _obsolete(resource: Resource, thing: Object, found: Object) -> bool:
    """Return whether an update for an object must not be written to what is found now.

    The status of a route names the generation that it is about; a later one has its own update.
    """
    compared = ("uid", "generation") if resource == HTTP_ROUTES else ("uid",)
    return any(thing["metadata"][key] != found["metadata"][key] for key in compared)


def uid_of(thing: Object) -> str:
    return str(thing["metadata"]["uid"])


def now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _ready(status: str) -> Object:
    return {"conditions": [{"type": "Ready", "status": status, "lastTransitionTime": now()}]}


def _of_container(name: str, state: Object, *, ready: bool) -> list[Object]:
    known = {"name": name, "image": "example/image:1", "imageID": "", "restartCount": 0}
    return [{**known, "ready": ready, "state": state}]


def _started(container: str) -> Object:
    state = {"running": {"startedAt": now()}}
    statuses = _of_container(container, state, ready=False)
    return {"phase": "Running", "startTime": now(), "containerStatuses": statuses} | _ready(
        "False"
    )


def _finished(job: Object) -> Object:
    statuses = _of_container("main", ended(json.dumps(report(job))), ready=False)
    return {"phase": "Succeeded", "podIP": "10.0.0.1", "containerStatuses": statuses}


def _running(address: str) -> Object:
    statuses = _of_container(CONTAINER, {"running": {"startedAt": now()}}, ready=True)
    where = {"podIP": address, "podIPs": [{"ip": address}]}
    return {**where, "containerStatuses": statuses} | _ready("True")


async def main(config: str) -> None:
    await Simulator(rig.transport_to(pathlib.Path(config))).run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kubeconfig")
    asyncio.run(main(parser.parse_args().kubeconfig))
