"""Statuses that the simulated controllers report."""

from __future__ import annotations

import datetime
import json

from recommender_operator.adapters.kinds import HTTP_ROUTES
from recommender_operator.controller.kube import Object, Resource
from tests.scripted import ended, report


def now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def ready(status: str) -> Object:
    return {"conditions": [{"type": "Ready", "status": status, "lastTransitionTime": now()}]}


def _of_container(name: str, state: Object, *, ready: bool) -> list[Object]:
    known = {"name": name, "image": "example/image:1", "imageID": "", "restartCount": 0}
    return [{**known, "ready": ready, "state": state}]


def started(container: str) -> Object:
    state = {"running": {"startedAt": now()}}
    statuses = _of_container(container, state, ready=False)
    phase = {"phase": "Running", "startTime": now(), "containerStatuses": statuses}
    return phase | ready("False")


def finished(job: Object) -> Object:
    statuses = _of_container("main", ended(json.dumps(report(job))), ready=False)
    return {"phase": "Succeeded", "podIP": "10.0.0.1", "containerStatuses": statuses}


def running(container: str, address: str) -> Object:
    statuses = _of_container(container, {"running": {"startedAt": now()}}, ready=True)
    where = {"podIP": address, "podIPs": [{"ip": address}]}
    return {**where, "containerStatuses": statuses} | ready("True")


def complete(at: str) -> Object:
    """Return the status of a Job that has succeeded."""
    condition = {"status": "True", "lastProbeTime": at, "lastTransitionTime": at}
    return {
        "completionTime": at,
        "succeeded": 1,
        "uncountedTerminatedPods": {},
        "conditions": [
            {"type": "SuccessCriteriaMet", **condition},
            {"type": "Complete", **condition},
        ],
    }


def accepted(route: Object) -> Object:
    """Return the status of a route whose Gateway has accepted this generation."""
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
    return {"parents": [parent]}


def changed(thing: Object, changes: Object) -> Object:
    """Return an object with some fields of its status changed, as a controller updates it."""
    # Controllers drop the managed fields from their caches.
    metadata = {k: v for k, v in thing["metadata"].items() if k != "managedFields"}
    return {**thing, "metadata": metadata, "status": {**(thing.get("status") or {}), **changes}}


def obsolete(resource: Resource, thing: Object, found: Object) -> bool:
    """Return whether an update for an object must not be written to what is found now.

    The status of a route names the generation that it is about; a later one has its own update.
    """
    compared = ("uid", "generation") if resource == HTTP_ROUTES else ("uid",)
    return any(thing["metadata"][key] != found["metadata"][key] for key in compared)
