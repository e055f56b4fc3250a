"""Plays Kubernetes for a fleet of models: Jobs end, pods start and answer, routes are accepted.

A process of its own, so that its work is not counted as the operator's. It watches what the
operator makes, and answers within milliseconds: a Job has ended with its report as soon as it is
seen, an InferenceService has its pod. Each serving pod has an address of its own in 127.0.0.0/8,
where this process answers on the port of the transformer with counters that grow with time and
with an inference that passes the smoke test.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import datetime
import functools
import json
import os
import pathlib
import time

from recommender_operator.adapters.informer import Informer, Observer
from recommender_operator.adapters.kube import (
    HTTP_ROUTES,
    INFERENCE_SERVICES,
    JOBS,
    PODS,
    KubeError,
    Object,
    Resource,
)
from recommender_operator.adapters.official import OfficialKube
from recommender_operator.adapters.pod_scrape import PORT
from recommender_operator.adapters.store import Store
from recommender_operator.adapters.transport import Transport
from recommender_operator.adapters.watching import ApiSource, Scope
from recommender_operator.resources import labels as marks
from tests.integration import operator_api_rig as rig
from tests.scripted import ended, report

WORKERS = 16
#: Second number of the pods' addresses: another one for each of several simulators.
NET = 2 + os.getpid() % 250
#: Requests a second that each pod claims to answer.
RATE = 30
BUCKETS = ("0.005", "0.01", "0.05", "0.1", "0.5", "5", "+Inf")
Key = tuple[str, str]


def page(model: str, version: str, age: float) -> bytes:
    """Return the metrics page of a pod after so many seconds."""
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


PREDICTION = json.dumps(
    {
        "predictions": [
            {
                "items": list(range(1, 11)),
                "scores": [round(0.9 - i / 20, 3) for i in range(10)],
                "source": "model",
            }
        ]
    }
).encode()


class Answering(asyncio.Protocol):
    """The two questions that the operator asks of a pod, over a connection that stays open."""

    def __init__(self, model: str, version: str, born: float) -> None:
        self._model, self._version, self._born = model, version, born
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
        kind, body = "application/json", PREDICTION
        if counters:
            age = time.monotonic() - self._born
            kind, body = "text/plain; version=0.0.4", page(self._model, self._version, age)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        self._out.write(head.encode() + body)


@dataclasses.dataclass
class Pod:
    """A serving pod and the socket that answers for it."""

    name: str
    uid: str
    server: asyncio.AbstractServer


class Simulator:
    """Watches the operator's children and acts on them."""

    def __init__(self, transport: Transport) -> None:
        self._kube = OfficialKube(transport)
        self._source = ApiSource(transport)
        self._queue: asyncio.Queue[Key] = asyncio.Queue()
        self._waiting: set[Key] = set()
        self._ended: set[str] = set()
        self._accepted: dict[str, int] = {}
        self._pods: dict[Key, dict[str, Pod]] = {}
        self._addresses = 0
        self._informers = {
            resource: Informer(
                self._source,
                Scope(resource, None, marks.MODEL),
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
                await self._end(job)
        services = self._children(INFERENCE_SERVICES, key)
        pods = self._pods.setdefault(key, {})
        for service in services:
            version = service["metadata"]["labels"].get(marks.VERSION)
            if version and version not in pods:
                pods[version] = await self._serve(key, version, service)
        there = {service["metadata"]["labels"].get(marks.VERSION) for service in services}
        for version in [version for version in pods if version not in there]:
            pod = pods.pop(version)
            pod.server.close()
            await self._kube.delete(PODS, key[0], pod.name, uid=pod.uid)
        for route in self._children(HTTP_ROUTES, key):
            uid, generation = route["metadata"]["uid"], int(route["metadata"]["generation"])
            if self._accepted.get(uid) != generation:
                self._accepted[uid] = generation
                await self._accept(route)

    async def _end(self, job: Object) -> None:
        name, at = job["metadata"]["name"], now()
        own = {**job["metadata"]["labels"], "batch.kubernetes.io/job-name": name}
        await self._pod(job, "batch/v1", "Job", f"{name}-pod", own, "main", _finished(job))
        condition = {"status": "True", "lastProbeTime": at, "lastTransitionTime": at}
        status = {
            "startTime": at,
            "completionTime": at,
            "succeeded": 1,
            "ready": 0,
            "terminating": 0,
            "uncountedTerminatedPods": {},
            "conditions": [
                {"type": "SuccessCriteriaMet", **condition},
                {"type": "Complete", **condition},
            ],
        }
        await self._status(JOBS, job, "batch/v1", "Job", status)

    async def _serve(self, key: Key, version: str, service: Object) -> Pod:
        self._addresses += 1
        address = f"127.{NET}.{self._addresses // 250}.{self._addresses % 250 + 1}"
        born = time.monotonic()
        server = await asyncio.get_running_loop().create_server(
            functools.partial(Answering, key[1], version, born), address, PORT
        )
        own = marks.of_version(key[1], version)
        name = f"{version}-predictor-0"
        kind = ("serving.kserve.io/v1beta1", "InferenceService")
        made = await self._pod(
            service, *kind, name, own, "transformer-container", _running(address)
        )
        condition = {"type": "Ready", "status": "True", "lastTransitionTime": now()}
        await self._status(INFERENCE_SERVICES, service, *kind, {"conditions": [condition]})
        return Pod(name, made["metadata"]["uid"], server)

    async def _pod(
        self,
        owner: Object,
        version: str,
        kind: str,
        name: str,
        own: dict[str, str],
        container: str,
        status: Object,
    ) -> Object:
        namespace = owner["metadata"]["namespace"]
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
                "ownerReferences": [reference],
            },
            "spec": {"containers": [{"name": container, "image": "example/image:1"}]},
        }
        made = await self._kube.create(PODS, manifest)
        status = {**status, "conditions": [{**status["conditions"][0]}]}
        for each in status["containerStatuses"]:
            each |= {"name": container, "image": "example/image:1", "imageID": ""}
        await self._status(PODS, manifest, "v1", "Pod", status)
        if made is None:
            made = await self._kube.get(PODS, namespace, name)
        assert made is not None
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
        kind = ("gateway.networking.k8s.io/v1", "HTTPRoute")
        await self._status(HTTP_ROUTES, route, *kind, {"parents": [parent]})

    async def _status(
        self, resource: Resource, thing: Object, version: str, kind: str, status: Object
    ) -> None:
        metadata = {key: thing["metadata"][key] for key in ("name", "namespace")}
        manifest = {
            "apiVersion": version, "kind": kind, "metadata": metadata, "status": status
        }  # fmt: skip
        await self._kube.apply_status(resource, manifest)


def now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _finished(job: Object) -> Object:
    state = ended(json.dumps(report(job)))
    return {
        "phase": "Succeeded",
        "podIP": "10.0.0.1",
        "podIPs": [{"ip": "10.0.0.1"}],
        "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": now()}],
        "containerStatuses": [{"ready": False, "restartCount": 0, "state": state}],
    }


def _running(address: str) -> Object:
    state = {"running": {"startedAt": now()}}
    return {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": now()}],
        "containerStatuses": [{"ready": True, "restartCount": 0, "state": state}],
    }


async def main(config: str) -> None:
    await Simulator(rig.transport_to(pathlib.Path(config))).run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kubeconfig")
    asyncio.run(main(parser.parse_args().kubeconfig))
