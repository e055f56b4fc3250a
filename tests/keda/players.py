"""Plays KServe and the kubelets for a model whose Deployments Kubernetes and KEDA really scale."""

from __future__ import annotations

import datetime

from recommender_operator.adapters.kinds import DEPLOYMENTS, INFERENCE_SERVICES
from recommender_operator.controller.kube import PODS, Object
from recommender_operator.resources import labels as marks
from recommender_operator.resources.labels import Component
from tests.fakes.objects import controller
from tests.scripted import ScriptedCluster

CONTAINER = "kserve-container"
#: Request of each container; its use is set by `tests.keda.usage`.
CPU_REQUEST = "100m"


class Players(ScriptedCluster):
    """One namespace with one model: its services get Deployments, and its pods start."""

    async def step(self) -> None:
        await super().step()
        for pod in await self._list(PODS):
            waits = (pod.get("status") or {}).get("phase") == "Pending"
            if waits and marks.COMPONENT in pod["metadata"]["labels"]:
                await self._apply_status("v1", "Pod", pod, _running())

    async def serve(self, version: str, service: Object) -> None:
        """Make the Deployments of a service, which is ready when each has its first pod."""
        for component in Component:
            made = deployment(component, service)
            await self._kube.create(DEPLOYMENTS, made)
        found = [
            await self._kube.get(DEPLOYMENTS, self._namespace, f"{version}-{component}")
            for component in Component
        ]
        if all(one and (one.get("status") or {}).get("readyReplicas") for one in found):
            condition = {"type": "Ready", "status": "True", "lastTransitionTime": _now()}
            status = {"conditions": [condition]}
            await self._status(INFERENCE_SERVICES, service, status)

    async def _apply_status(self, version: str, kind: str, thing: Object, status: Object) -> None:
        metadata = {key: thing["metadata"][key] for key in ("name", "namespace")}
        await self._kube.apply_status(
            PODS, {"apiVersion": version, "kind": kind, "metadata": metadata, "status": status}
        )


def deployment(component: Component, service: Object) -> Object:
    """Return what KServe makes of a component with the class `external`: no replicas."""
    metadata, spec = service["metadata"], service["spec"][component]
    name = f"{metadata['name']}-{component}"
    own = {"app": f"isvc.{name}"}
    container = {
        "name": CONTAINER,
        "image": "example/image:1",
        "resources": {"requests": {"cpu": CPU_REQUEST}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "namespace": metadata["namespace"],
            "ownerReferences": controller("InferenceService", metadata["name"], metadata["uid"]),
        },
        "spec": {
            "selector": {"matchLabels": own},
            "template": {
                "metadata": {"labels": {**spec["labels"], **own}},
                "spec": {"containers": [container]},
            },
        },
    }


def _running() -> Object:
    now = _now()
    return {
        "phase": "Running",
        "startTime": now,
        "podIP": "10.0.0.1",
        "podIPs": [{"ip": "10.0.0.1"}],
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": now}],
        "containerStatuses": [
            {
                "name": CONTAINER,
                "image": "example/image:1",
                "imageID": "",
                "ready": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": now}},
            }
        ],
    }


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
