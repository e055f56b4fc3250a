"""The operator's own manifests, and hostile variants of them."""

from __future__ import annotations

import copy
import secrets
from collections.abc import Callable
from typing import Any

from recommender_operator.actions import Event
from recommender_operator.adapters.kinds import (
    AUTOSCALERS,
    BASELINES,
    BUDGETS,
    EVENTS,
    HTTP_ROUTES,
    INFERENCE_SERVICES,
    JOBS,
    NETWORK_POLICIES,
    TRAIN_JOBS,
    TRAINING_RUNTIMES,
    VERSIONS,
)
from recommender_operator.adapters.objects import event_recorder
from recommender_operator.adapters.traffic.knative import knative_manifests
from recommender_operator.controller.kube import Object, Resource
from recommender_operator.observed import Baseline, JobKind
from recommender_operator.resources import (
    autoscaling,
    counter_baselines,
    disruption_budgets,
    http_route,
    inference_service,
    jobs,
    labels,
    model_version,
    network_policies,
    train_jobs,
)
from tests.fakes.kube import NOW
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS, model, version
from tests.unit.recommender_operator.resources.test_train_jobs import group, runtime

Change = Callable[[Object], None]
POD = "spec.template.spec"
RUNTIME_POD = "spec.template.spec.replicatedJobs.0.template.spec.template.spec"
PREDICTOR = "spec.predictor"
TRANSFORMER = "spec.transformer"
#: A foreign controller.
STRANGER = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "name": "theirs",
    "uid": "uid-stranger",
    "controller": True,
}


def _version() -> Object:
    return model_version.model_version(model(), "movies-0", version().spec)


def _route() -> Object:
    return http_route.http_route(model(), {"movies-0123abcd": 100}, OPTIONS)


def _baseline() -> Object:
    baseline = Baseline(key="step/movies-0", taken_at=NOW, samples={"movies-0": {}})
    return counter_baselines.counter_baseline(model(), version(), baseline)


def _budget() -> Object:
    service = inference_service.standard(model(), version(), OPTIONS)
    service["metadata"]["uid"] = "uid-service"
    name = service["metadata"]["name"]
    return disruption_budgets.budget("movies", name, labels.Component.TRANSFORMER, service)


def _autoscaler() -> Object:
    service = inference_service.standard(model(), version(), OPTIONS)
    service["metadata"]["uid"] = "uid-service"
    name, serving = service["metadata"]["name"], model().spec.serving
    return autoscaling.autoscaler("movies", name, labels.Component.TRANSFORMER, serving, service)


def _network_policy() -> Object:
    service = inference_service.standard(model(), version(), OPTIONS)
    service["metadata"]["uid"] = "uid-service"
    return network_policies.policies(model(), service["metadata"]["name"], service, OPTIONS)[0]


def _knative_policy() -> Object:
    service = knative_manifests.service(model(), version(), 10, OPTIONS)
    service["metadata"]["uid"] = "uid-service"
    return knative_manifests.policy(model(), service, OPTIONS)


def _event() -> Object:
    event = Event(type="Normal", reason="Promoted", message="it is better")
    return event_recorder.manifest(model(), event, event_recorder.event_name(model(), event), NOW)


OWN: dict[str, tuple[Resource, Callable[[], Object]]] = {
    "job": (JOBS, lambda: jobs.job(model(), version(), JobKind.CHECK, 1, {}, OPTIONS)),
    "runtime": (TRAINING_RUNTIMES, runtime),
    "trainjob": (TRAIN_JOBS, lambda: train_jobs.train_job(model(), group(), 1)),
    "service": (
        INFERENCE_SERVICES,
        lambda: inference_service.standard(model(), version(), OPTIONS),
    ),
    "knative": (
        INFERENCE_SERVICES,
        lambda: knative_manifests.service(model(), version(), 10, OPTIONS),
    ),
    "budget": (BUDGETS, _budget),
    "network": (NETWORK_POLICIES, _network_policy),
    "network-of-revisions": (NETWORK_POLICIES, _knative_policy),
    "network-of-jobs": (NETWORK_POLICIES, lambda: network_policies.of_jobs(model(), OPTIONS)),
    "autoscaler": (AUTOSCALERS, _autoscaler),
    "route": (HTTP_ROUTES, _route),
    "version": (VERSIONS, _version),
    "baseline": (BASELINES, _baseline),
    "event": (EVENTS, _event),
}


def own(kind: str, namespace: str) -> Object:
    """Return a manifest as the operator writes it, with a unique name."""
    manifest = copy.deepcopy(OWN[kind][1]())
    metadata = manifest["metadata"]
    metadata["namespace"] = namespace
    metadata["name"] = f"{metadata['name']}-{secrets.token_hex(3)}"
    if kind == "trainjob":
        manifest["spec"]["runtimeRef"]["name"] = metadata["name"]
    if kind == "event":
        manifest["involvedObject"]["namespace"] = namespace
    return manifest


def _reach(manifest: Object, names: list[str]) -> Any:
    """Return the value at a path; missing mappings on the way are created."""
    at: Any = manifest
    for name in names:
        at = at[int(name)] if isinstance(at, list) else at.setdefault(name, {})
    return at


def put(path: str, value: Any) -> Change:
    """Return a change that sets a field; None removes it."""
    *parents, last = path.split(".")

    def change(manifest: Object) -> None:
        at = _reach(manifest, parents)
        if isinstance(at, list):
            at[int(last)] = value
        elif value is None:
            at.pop(last, None)
        else:
            at[last] = value

    return change


def add(path: str, value: Any) -> Change:
    """Return a change that appends to a list."""
    *parents, last = path.split(".")

    def change(manifest: Object) -> None:
        _reach(manifest, parents).setdefault(last, []).append(value)

    return change


def beside(path: str, **fields: Any) -> Change:
    """Return a change that adds a container like the first one."""

    def change(manifest: Object) -> None:
        containers = _reach(manifest, path.split("."))
        containers.append({**copy.deepcopy(containers[0]), **fields})

    return change


def both(*changes: Change) -> Change:
    """Return several changes as one."""

    def change(manifest: Object) -> None:
        for one in changes:
            one(manifest)

    return change


SECRET_KEY = {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
IMAGE = "example.com/evil:1"


def pod_cases(kind: str, pod: str) -> list[tuple[str, Change, str]]:
    """Return hostile pods, each with a part of the message of its refusal."""
    main = f"{pod}.containers.0"
    security = f"{main}.securityContext"
    account, volume = (
        "does not list for this namespace",
        "neither a persistentVolumeClaim nor an emptyDir",
    )
    environment, privileged = "from a Secret or a ConfigMap", "are privileged"
    return [
        (kind, put(f"{main}.image", IMAGE), "with the image registry.example/"),
        (kind, beside(f"{pod}.containers", name="other"), "with the image registry.example/"),
        (kind, put(f"{pod}.serviceAccountName", "admin"), account),
        (kind, put(f"{pod}.serviceAccount", "admin"), account),
        # An account of the other namespace in the list.
        (kind, put(f"{pod}.serviceAccountName", "trainer"), account),
        (kind, put(f"{pod}.automountServiceAccountToken", None), "mount the token"),
        (kind, put(f"{pod}.automountServiceAccountToken", True), "mount the token"),
        (kind, put(f"{pod}.priorityClassName", "system-node-critical"), "priority of the system"),
        (kind, put(f"{pod}.hostNetwork", True), "of the host"),
        (kind, put(f"{pod}.hostPID", True), "of the host"),
        (kind, put(f"{pod}.hostIPC", True), "of the host"),
        (kind, put(f"{main}.ports", [{"containerPort": 80, "hostPort": 80}]), "of the host"),
        *[
            (kind, put(f"{pod}.volumes.0", {"name": name, **source}), volume)
            for name in ("kserve-pvc-source" if kind in ("service", "knative") else "store",)
            for source in (
                {"secret": {"secretName": "s"}},
                {"configMap": {"name": "c"}},
                {"hostPath": {"path": "/"}},
                {"projected": {"sources": [{"secret": {"name": "s"}}]}},
            )
        ],
        (kind, add(f"{main}.env", SECRET_KEY), environment),
        (kind, put(f"{main}.envFrom", [{"configMapRef": {"name": "c"}}]), environment),
        (kind, put(f"{security}.allowPrivilegeEscalation", True), privileged),
        (kind, put(f"{security}.runAsNonRoot", False), privileged),
        (kind, put(f"{security}.capabilities.add", ["SYS_ADMIN"]), privileged),
        (
            kind,
            both(
                put(f"{security}.privileged", True),
                put(f"{security}.allowPrivilegeEscalation", True),
            ),
            privileged,
        ),
    ]
