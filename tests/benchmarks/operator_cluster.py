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
those of pods are merge patches. Deployments and ReplicaSets have no status. Not simulated are
Service and HorizontalPodAutoscaler, Events of all of them, and the renewals of a node. Each
serving pod has a separate address in 127.0.0.0/8, where this process answers on the port of the
transformer with counters that grow with time and with an inference that passes the smoke test.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import functools
import itertools
import json
import os
import pathlib
import time
from collections.abc import Callable

from recommender_operator.adapters.counters.pod_scrape import PORT
from recommender_operator.adapters.kinds import (
    DEPLOYMENTS,
    HTTP_ROUTES,
    INFERENCE_SERVICES,
    JOBS,
    REPLICA_SETS,
)
from recommender_operator.controller.client import OfficialKube
from recommender_operator.controller.informer import Informer, Observer
from recommender_operator.controller.kube import PODS, KubeError, Object, Resource
from recommender_operator.controller.store import Store
from recommender_operator.controller.transport import Transport
from recommender_operator.controller.watching import ApiSource, Scope
from recommender_operator.resources import labels as marks
from recommender_operator.resources.labels import MANAGER
from tests.benchmarks import operator_statuses as statuses
from tests.benchmarks.operator_pods import Answering, prediction
from tests.fakes.objects import STANDARD_CHAIN, controller, create_chain
from tests.integration import operator_api_rig as rig

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
Key = tuple[str, str]


@dataclasses.dataclass
class Serving:
    """The parts of a service, by kind, name and uid, and the socket of the pod that answers."""

    parts: list[tuple[Resource, str, str]]
    server: asyncio.AbstractServer


class Simulator:
    """Watches the operator's children and acts on them."""

    def __init__(
        self, transport: Transport, namespace: str | None = None, *, texts: bool = False
    ) -> None:
        """Without a namespace it acts in all of them. `texts`: ids of items are texts."""
        #: Whether a version answers with errors.
        self.fails: Callable[[str], bool] = lambda _version: False
        self._prediction = prediction(texts=texts)
        self._transport = transport
        self._kube = OfficialKube(transport, manager=MANAGER)
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
                Store(marks.MODEL),
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
        there = {uid_of(service) for service in services}
        # All at once: another worker may look at the same model while this one waits.
        for ended in [pods.pop(uid) for uid in list(pods) if uid not in there]:
            ended.server.close()
            for resource, name, part in ended.parts:
                await self._kube.delete(resource, key[0], name, uid=part)
        for service in services:
            version, uid = service["metadata"]["labels"].get(marks.VERSION), uid_of(service)
            if version and uid not in pods and (key, uid) not in self._starting:
                self._starting.add((key, uid))
                try:
                    pods[uid] = await self._serve(key, version, service)
                finally:
                    self._starting.discard((key, uid))
                # It may have been deleted meanwhile.
                self._changed(*key)
        for route in self._children(HTTP_ROUTES, key):
            uid, generation = route["metadata"]["uid"], int(route["metadata"]["generation"])
            if self._accepted.get(uid) != generation:
                self._accepted[uid] = generation
                await self._update(HTTP_ROUTES, route, statuses.accepted(route))

    async def _end(self, job: Object) -> None:
        name, at = job["metadata"]["name"], statuses.now()
        counts = {"terminating": 0, "uncountedTerminatedPods": {}}
        job = await self._update(JOBS, job, {"startTime": at, "active": 1, "ready": 0, **counts})
        own = {**job["metadata"]["labels"], "batch.kubernetes.io/job-name": name}
        owner = ("batch/v1", "Job", f"{name}-pod")
        pod = await self._pod(job, owner, own, "main", finalizers=[TRACKING])
        await self._patch_status(pod, statuses.started("main"))
        await self._patch_status(pod, statuses.finished(job))
        ended = {"succeeded": [pod["metadata"]["uid"]]}
        job = await self._update(JOBS, job, {"active": 0, "uncountedTerminatedPods": ended})
        place = (pod["metadata"]["namespace"], pod["metadata"]["name"])
        await self._kube.patch(PODS, *place, {"metadata": {"finalizers": None}})
        await self._update(JOBS, job, statuses.complete(at))

    async def _serve(self, key: Key, version: str, service: Object) -> Serving:
        address, server = await self._listen(key[1], version)
        service = await self._update(INFERENCE_SERVICES, service, statuses.ready("False"))
        parts = []
        for component in reversed(marks.Component):
            own = marks.of_component(key[1], version, component)
            name = f"{version}-{component}"
            owners = controller("InferenceService", version, uid_of(service))
            made = await create_chain(self._kube, STANDARD_CHAIN, key[0], name, owners)
            made.append(await self._start(made[-1], f"{name}-{uid_of(service)[:5]}", own, address))
            for kind, one in zip((DEPLOYMENTS, REPLICA_SETS, PODS), made, strict=True):
                parts.append((kind, one["metadata"]["name"], uid_of(one)))
        await self._update(INFERENCE_SERVICES, service, statuses.ready("True"))
        return Serving(parts, server)

    async def _listen(self, model: str, version: str) -> tuple[str, asyncio.AbstractServer]:
        """Answer for the pods of a version, at an address of their own."""
        number = next(ADDRESSES)
        address = f"127.{NET}.{number // 250}.{number % 250 + 1}"
        answering = functools.partial(
            Answering, model, version, time.monotonic(), self._prediction,
            lambda name: self.fails(name),
        )  # fmt: skip
        return address, await asyncio.get_running_loop().create_server(answering, address, PORT)

    async def _start(
        self, replica_set: Object, name: str, own: dict[str, str], address: str
    ) -> Object:
        """Start a pod, and return it once it is ready."""
        made = await self._pod(replica_set, ("apps/v1", "ReplicaSet", name), own, CONTAINER)
        for status in (statuses.started(CONTAINER), statuses.running(CONTAINER, address)):
            await self._patch_status(made, status)
        return made

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
        # One of the name may be there, and end before it is read.
        while (made := await self._kube.create(PODS, manifest)) is None:
            if (there := await self._kube.get(PODS, namespace, name)) is not None:
                return there
        target = {"apiVersion": "v1", "kind": "Node", "name": "node"}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}}
        await self._transport.request(
            "POST", PODS.path(namespace, name, "binding"), [], {**binding, "target": target}
        )
        return made

    async def _update(self, resource: Resource, thing: Object, changes: Object) -> Object:
        """Update fields of a status, as a controller does, and return the object."""
        namespace, name = thing["metadata"]["namespace"], thing["metadata"]["name"]
        path = resource.path(namespace, name, "status")
        for _ in range(TRIES):
            body = statuses.changed(thing, changes)
            answer = await self._transport.request("PUT", path, [], body)
            if answer.status == 200:
                updated: Object = json.loads(answer.data)
                return updated
            if answer.status != 409:
                break
            found = await self._kube.get(resource, namespace, name)
            if found is None or statuses.obsolete(resource, thing, found):
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


def uid_of(thing: Object) -> str:
    return str(thing["metadata"]["uid"])


async def main(config: str) -> None:
    await Simulator(rig.transport_to(pathlib.Path(config))).run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kubeconfig")
    asyncio.run(main(parser.parse_args().kubeconfig))
