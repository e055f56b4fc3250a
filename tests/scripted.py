"""Plays the controllers that act on the operator's children: Jobs end, pods start.

It stands in for the Job controller, Trainer, the kubelet, KServe in Standard mode and a Gateway,
over the operator's own port, so that it works on the fake API server and on a real one alike. It
runs nothing; the end-to-end tests do that.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from recommender_operator.adapters.kinds import HTTP_ROUTES, INFERENCE_SERVICES, JOBS, TRAIN_JOBS
from recommender_operator.adapters.pods.pod_ref import PodRef
from recommender_operator.controller.kube import PODS, Kube, Object, Resource
from recommender_operator.observed import JobKind, Sample
from recommender_operator.resources import labels as marks
from recommender_operator.resources.train_jobs import JOB_SET, NODE, RANK
from tests.fakes.objects import (
    GROUP_CHAIN,
    KNATIVE_CHAIN,
    STANDARD_CHAIN,
    Link,
    controller,
    create_chain,
)

AT = "2026-01-01T12:00:00Z"


def report(job: Object) -> Object:
    """Return what the container of a Job would leave as its report."""
    own = job["metadata"]["labels"]
    kind, version = own[marks.JOB_KIND], own[marks.VERSION]
    digest = "sha256:" + (version[-8:] * 8)[:64]
    head = {"schema": "recommender.dev/report/v1", "kind": kind, "ok": True}
    body: dict[str, Object] = {
        "check": {"dataVersion": "3-00ff", "rows": 90_000, "quarantinedRows": 2},
        "train": {
            "dataVersion": "3-00ff",
            "rows": 90_000,
            "codeVersion": "0.1.0",
            "seed": 17,
            "metrics": {
                "auc": 0.8,
                "logLoss": 0.5,
                "ndcgAt10": 0.2,
                "logLossMinusBaseline": -0.1,
                "ndcgAt10MinusBestPeer": 0.05,
            },
            "stagedPath": f"staging/{own[marks.MODEL]}/{version}-{own[marks.ATTEMPT]}",
            "digest": digest,
        },
        "recalibrate": {
            "stagedPath": f"staging/{own[marks.MODEL]}/{version}-{own[marks.ATTEMPT]}",
            "digest": digest,
        },
        "publish": {"path": f"artifacts/{own[marks.MODEL]}/{digest[7:23]}", "digest": digest},
        "remove": {"removed": 1},
        "snapshot": {
            "dataVersion": "i4.u1.t0-00000000000000ff",
            "takenAt": AT,
            "rows": 90_000,
            "newRows": 50,
            "quarantinedRows": 2,
            "snapshots": 1,
            "oldest": AT,
        },
    }
    return {**head, **body[kind]}


def ended(message: str, code: int = 0, reason: str = "Completed") -> Object:
    """Return the state of a container that has ended."""
    shown = {"exitCode": code, "reason": reason, "message": message}
    return {"terminated": {**shown, "startedAt": AT, "finishedAt": AT}}


class ScriptedCluster:
    """One namespace with one model in it."""

    def __init__(self, kube: Kube, *, name: str = "movies", namespace: str = "team") -> None:
        self._kube = kube
        self._namespace = namespace
        self._own = {marks.MODEL: name}
        #: Versions whose pods never become ready.
        self.broken: set[str] = set()
        #: Versions whose training of several workers runs out of memory in the second one.
        self.starved: set[str] = set()
        #: Kinds of Jobs that run on and on.
        self.endless: set[JobKind] = set()
        #: Whether anybody runs what a TrainJob asks for.
        self.trains = True
        #: Controllers of pods (resource, name and uid), by the uid of their InferenceService.
        self._parts: dict[str, set[tuple[Resource, str, str]]] = {}

    async def step(self) -> None:
        """Let every part do what it would do next."""
        for job in await self._list(JOBS):
            endless = job["metadata"]["labels"][marks.JOB_KIND] in self.endless
            if not endless and not job.get("status", {}).get("conditions"):
                await self._finish(job)
        for group in await self._list(TRAIN_JOBS):
            if self.trains and not group.get("status", {}).get("conditions"):
                await self._finish_group(group)
        services = await self._list(INFERENCE_SERVICES)
        await self._end_pods({service["metadata"]["uid"] for service in services})
        for service in services:
            version = service["metadata"]["labels"].get(marks.VERSION)
            if version and not service.get("status", {}).get("conditions"):
                await self.serve(version, service)
        for route in await self._list(HTTP_ROUTES):
            await self._accept(route)

    async def _list(self, resource: Any) -> list[Object]:
        return await self._kube.list(resource, self._namespace, self._own)

    async def _finish(self, job: Object) -> None:
        name = job["metadata"]["name"]
        pod_labels = {**job["metadata"]["labels"], "batch.kubernetes.io/job-name": name}
        state = ended(json.dumps(report(job)))
        owners = controller("Job", name, job["metadata"]["uid"])
        await self._pod(f"{name}-pod", pod_labels, owners, "main", state, "Succeeded")
        condition = {"status": "True", "lastProbeTime": AT, "lastTransitionTime": AT}
        status = {
            "startTime": AT,
            "completionTime": AT,
            "succeeded": 1,
            "ready": 0,
            "terminating": 0,
            "uncountedTerminatedPods": {},
            "conditions": [
                {"type": "SuccessCriteriaMet", **condition},
                {"type": "Complete", **condition},
            ],
        }
        await self._status(JOBS, job, status)

    async def _finish_group(self, group: Object) -> None:
        own = group["metadata"]["labels"]
        name, starved = group["metadata"]["name"], own[marks.VERSION] in self.starved
        for rank in range(group["spec"]["trainer"]["numNodes"]):
            state = ended(json.dumps(report(group)) if rank == 0 else "{}")
            if starved:
                lost = {"ok": False, "reason": "PeerLost", "message": "no answer"}
                one, other = ended(json.dumps(lost), 1, "Error"), ended("", 137, "OOMKilled")
                state = one if rank == 0 else other
            of_rank = {**own, JOB_SET: name, RANK: str(rank)}
            phase = "Failed" if starved else "Succeeded"
            owners = controller("TrainJob", name, group["metadata"]["uid"])
            for step in GROUP_CHAIN:
                (made,) = await create_chain(self._kube, [step], self._namespace, name, owners)
                owners = controller(step.kind, name, made["metadata"]["uid"])
            await self._pod(f"{name}-node-0-{rank}", of_rank, owners, NODE, state, phase)
        kind, reason = ("Failed", "ReachedMaxRestarts") if starved else ("Complete", "AllDone")
        condition = {"type": kind, "status": "True", "reason": reason, "message": "so it is"}
        status = {"conditions": [{**condition, "lastTransitionTime": AT}]}
        await self._status(TRAIN_JOBS, group, status)

    async def serve(self, version: str, service: Object) -> None:
        """Start the pods of a version, which lead to its InferenceService."""
        ready = version not in self.broken
        own = marks.of_version(self._own[marks.MODEL], version)
        state = {"running": {"startedAt": AT}}
        metadata, spec = service["metadata"], service["spec"]
        chain, pods = KNATIVE_CHAIN, {"predictor": own}
        if "transformer" in spec:
            chain, pods = STANDARD_CHAIN, {str(n): spec[n]["labels"] for n in marks.Component}
        for name, its in pods.items():
            owners = await self._chain(chain, f"{metadata['name']}-{name}", metadata)
            await self._pod(
                f"{version}-{name}", its, owners, "kserve-container", state, "Running", ready=ready
            )
        if marks.VERSION in metadata["labels"]:
            word = "True" if ready else "False"
            condition = {"type": "Ready", "status": word, "lastTransitionTime": AT}
            await self._status(INFERENCE_SERVICES, service, {"conditions": [condition]})

    async def _chain(self, chain: Sequence[Link], name: str, service: Object) -> list[Object]:
        """Create the controllers of a pod of a service, and return the reference to its own."""
        last = controller("InferenceService", service["name"], service["uid"])
        made = await create_chain(self._kube, chain, self._namespace, name, last)
        self._parts.setdefault(service["uid"], set()).update(
            (step.resource, name, str(one["metadata"]["uid"]))
            for step, one in zip(chain, made, strict=True)
        )
        return controller(chain[-1].kind, name, made[-1]["metadata"]["uid"])

    async def _end_pods(self, services: set[str]) -> None:
        """End the pods whose service is gone, as the garbage collection and the kubelet do."""
        for uid in set(self._parts) - services:
            parts = self._parts.pop(uid)
            gone = {its for _, _, its in parts}
            for pod in await self._list(PODS):
                metadata = pod["metadata"]
                if gone & {owner["uid"] for owner in metadata.get("ownerReferences", ())}:
                    parts.add((PODS, metadata["name"], metadata["uid"]))
            for resource, name, its in parts:
                await self._kube.delete(resource, self._namespace, name, uid=its)

    async def _pod(
        self,
        name: str,
        own: dict[str, str],
        owners: list[Object],
        container: str,
        state: Object,
        phase: str,
        *,
        ready: bool = False,
    ) -> None:
        manifest: Object = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": self._namespace,
                "labels": own,
                "ownerReferences": owners,
            },
            "spec": {"containers": [{"name": container, "image": "example/image:1"}]},
        }
        if not await self._kube.create(PODS, manifest):
            return
        status = {
            "phase": phase,
            "podIP": "10.0.0.1",
            "podIPs": [{"ip": "10.0.0.1"}],
            "conditions": [
                {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": AT}
            ],
            "containerStatuses": [
                {
                    "name": container,
                    "image": "example/image:1",
                    "imageID": "",
                    "ready": ready,
                    "restartCount": 0,
                    "state": state,
                }
            ],
        }
        await self._status(PODS, manifest, status)

    async def _accept(self, route: Object) -> None:
        seen = {
            "observedGeneration": route["metadata"]["generation"],
            "lastTransitionTime": AT,
        }
        conditions = [
            {"type": kind, "status": "True", "reason": kind, "message": "", **seen}
            for kind in ("Accepted", "ResolvedRefs")
        ]
        parent = {"parentRef": route["spec"]["parentRefs"][0], "conditions": conditions}
        reported = {**parent, "controllerName": "example.com/gateway"}
        await self._status(HTTP_ROUTES, route, {"parents": [reported]})

    async def _status(self, resource: Any, thing: Object, status: Object) -> None:
        metadata = {"name": thing["metadata"]["name"], "namespace": self._namespace}
        await self._kube.apply_status(
            resource,
            {
                "apiVersion": thing.get("apiVersion") or f"{resource.group}/{resource.version}",
                "kind": thing.get("kind") or "Job",
                "metadata": metadata,
                "status": status,
            },
        )


class GrowingSamples:
    """Counters that grow by some requests a look; those of bad versions count errors."""

    def __init__(self, step: int = 300) -> None:
        self._step = step
        self._served: dict[str, int] = {}
        self.bad: set[str] = set()

    async def sample(
        self, namespace: str, version: str, pods: Sequence[PodRef], *, only: tuple[str, ...] = ()
    ) -> Sample:
        served = self._served.get(version, 0) + self._step
        self._served[version] = served
        failed = served // 2 if version in self.bad else 0
        own = f'model="movies",version="{version}"'
        series: dict[str, float] = {
            f'recommender_requests_total{{{own},outcome="ok"}}': served - failed,
            f'recommender_requests_total{{{own},outcome="error"}}': failed,
            f'recommender_answers_total{{{own},source="model"}}': served - failed,
            f"recommender_sessions_total{{{own}}}": served,
        }
        bucket = "recommender_request_duration_seconds_bucket"
        for edge in ("0.005", "0.01", "0.05", "0.1", "0.5", "5", "+Inf"):
            count = 0 if edge == "0.005" else served
            series[f'{bucket}{{{own},le="{edge}"}}'] = count
        return {f"{version}-transformer": series}
