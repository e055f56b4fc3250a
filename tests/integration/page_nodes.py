"""Plays what a page expects of a cluster besides the operator: nothing of it runs a container.

    Deployment and StatefulSet controller   the status, as if all pods were ready
    Job controller                          Jobs that are not the operator's are complete
    provisioner                             each claim is bound; a deleted one is gone
    kubelet                                 the pod of `helm test` succeeds; a deleted pod ends
    garbage collector                       what a deleted InferenceService owned is deleted
    namespace controller                    a deleted namespace is gone (its objects stay)

Jobs, services, pods and routes of the operator are those of `tests.benchmarks.operator_cluster`,
which runs in the same process.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from recommender_operator.controller.transport import Transport
from recommender_operator.resources import labels as marks
from tests.benchmarks.operator_cluster import Simulator
from tests.integration import operator_api_rig as rig

Json = dict[str, Any]
#: Seconds between two looks.
PAUSE = 0.3
MERGE = "application/merge-patch+json"
#: The kinds, and their path below a namespace.
KINDS = {
    "deployments": "/apis/apps/v1/namespaces/{}/deployments",
    "statefulsets": "/apis/apps/v1/namespaces/{}/statefulsets",
    "jobs": "/apis/batch/v1/namespaces/{}/jobs",
    "claims": "/api/v1/namespaces/{}/persistentvolumeclaims",
    "pods": "/api/v1/namespaces/{}/pods",
}


SERVICES = "/apis/serving.kserve.io/v1beta1/namespaces/{}/inferenceservices"
#: What an InferenceService owns, besides the pods, which the simulator deletes.
OWNED = (
    "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers",
    "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _condition(kind: str, reason: str = "Played") -> Json:
    return {"type": kind, "status": "True", "reason": reason, "lastTransitionTime": _now()}


def _replicated(thing: Json) -> Json:
    count = thing["spec"].get("replicas", 1)
    names = ("replicas", "readyReplicas", "updatedReplicas", "availableReplicas")
    return {
        "observedGeneration": thing["metadata"]["generation"],
        **dict.fromkeys(names, count),
    }


def _deployment(thing: Json) -> Json:
    conditions = [
        _condition("Available", "MinimumReplicasAvailable"),
        _condition("Progressing", "NewReplicaSetAvailable"),
    ]
    return {**_replicated(thing), "conditions": conditions}


def _stateful_set(thing: Json) -> Json:
    replicated = _replicated(thing)
    revisions = {"currentRevision": "a", "updateRevision": "a"}
    return {**replicated, "currentReplicas": replicated["replicas"], **revisions}


def _job(_: Json) -> Json:
    done = [_condition("SuccessCriteriaMet"), _condition("Complete")]
    return {
        "startTime": _now(), "completionTime": _now(), "succeeded": 1,
        "uncountedTerminatedPods": {}, "conditions": done,
    }  # fmt: skip


def wanted(kind: str, thing: Json) -> Json | None:
    """Return the status that an object gets; None if it has it, or if it is another's."""
    status, own = thing.get("status") or {}, thing["metadata"].get("labels") or {}
    match kind:
        case "deployments" | "statefulsets":
            if status.get("observedGeneration") == thing["metadata"]["generation"]:
                return None
            return _deployment(thing) if kind == "deployments" else _stateful_set(thing)
        case "jobs":
            return None if marks.MODEL in own or status.get("conditions") else _job(thing)
        case "claims":
            return None if status.get("phase") == "Bound" else {"phase": "Bound"}
    tests = own.get("app.kubernetes.io/name", "").endswith("-test")
    return {"phase": "Succeeded"} if tests and status.get("phase") != "Succeeded" else None


class Nodes:
    """Looks at some namespaces again and again."""

    def __init__(self, transport: Transport, namespaces: set[str]) -> None:
        self._transport = transport
        self._namespaces = namespaces

    async def run(self) -> None:
        while True:
            for namespace in sorted(self._namespaces):
                for kind, path in KINDS.items():
                    await self._look(kind, path.format(namespace))
                await self._collect(namespace)
                await self._finalize(f"/api/v1/namespaces/{namespace}")
            await asyncio.sleep(PAUSE)

    async def _look(self, kind: str, path: str) -> None:
        for thing in await self._items(path) or ():
            place, status = f"{path}/{thing['metadata']['name']}", wanted(kind, thing)
            if kind == "pods" and "deletionTimestamp" in thing["metadata"]:
                await self._transport.request("DELETE", place, [("gracePeriodSeconds", "0")])
            elif kind == "claims" and "deletionTimestamp" in thing["metadata"]:
                patch: Json = {"metadata": {"finalizers": None}}
                await self._transport.request("PATCH", place, [], patch, MERGE)
            elif status is not None:
                patch = {"status": status}
                await self._transport.request("PATCH", f"{place}/status", [], patch, MERGE)

    async def _items(self, path: str) -> list[Json] | None:
        answer = await self._transport.request("GET", path)
        return list(json.loads(answer.data)["items"]) if answer.status == 200 else None

    async def _collect(self, namespace: str) -> None:
        services = await self._items(SERVICES.format(namespace))
        alive = {service["metadata"]["uid"] for service in services or ()}
        for path in OWNED if services is not None else ():
            for thing in await self._items(path.format(namespace)) or ():
                owners = thing["metadata"].get("ownerReferences") or [{}]
                if owners[0].get("kind") == "InferenceService" and owners[0]["uid"] not in alive:
                    place = f"{path.format(namespace)}/{thing['metadata']['name']}"
                    await self._transport.request("DELETE", place)

    async def _finalize(self, path: str) -> None:
        answer = await self._transport.request("GET", path)
        found = json.loads(answer.data) if answer.status == 200 else {"metadata": {}}
        if "deletionTimestamp" in found["metadata"]:
            await self._transport.request(
                "PUT", f"{path}/finalize", [], {**found, "spec": {"finalizers": []}}
            )


@contextlib.contextmanager
def played(
    config: pathlib.Path, log: pathlib.Path, models: str, texts: str, others: Iterable[str]
) -> Iterator[None]:
    """Play the cluster in a process.

    In the namespaces `models` and `texts` it also acts on the operator's objects; the items of
    the models in `texts` have texts as ids.
    """
    spaces = [f"--models={models}", f"--texts={texts}", *(f"--others={each}" for each in others)]
    command = [sys.executable, "-m", "tests.integration.page_nodes", str(config), *spaces]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with log.open("ab") as out:
        process = subprocess.Popen(command, cwd=rig.ROOT, env=environment, stdout=out, stderr=out)
    try:
        yield
        text = log.read_text(encoding="utf-8")
        assert process.poll() is None, text[-3000:]
        assert "Traceback" not in text, text[-3000:]
    finally:
        process.terminate()
        process.wait(timeout=30)


async def main(config: pathlib.Path, models: str, texts: str, others: list[str]) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(Nodes(rig.transport_to(config), {models, texts, *others}).run())
        for namespace in (models, texts):
            of_texts = namespace == texts
            played = Simulator(rig.transport_to(config), namespace, texts=of_texts)
            group.create_task(played.run())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kubeconfig", type=pathlib.Path)
    parser.add_argument("--models", required=True)
    parser.add_argument("--texts", required=True)
    parser.add_argument("--others", action="append", default=[])
    given = parser.parse_args()
    asyncio.run(main(given.kubeconfig, given.models, given.texts, given.others))
