"""Fakes for the operator's ports: an in-memory API server, KServe's canary, pods."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

from recommender_operator.adapters.counters.port import SampleError
from recommender_operator.adapters.kubernetes.port import (
    CLAIMS,
    HTTP_ROUTES,
    INFERENCE_SERVICES,
    MODELS,
    REVISIONS,
    ConflictError,
    KubeError,
    Object,
    Resource,
)
from recommender_operator.adapters.objects.finalizer import FINALIZER
from recommender_operator.adapters.pods.port import PodRef
from recommender_operator.api.spec_mapping import IdKinds
from recommender_operator.api.version import Smoke
from recommender_operator.observed import Sample
from recommender_operator.resources import labels as marks

NOW = datetime.datetime(2026, 1, 1, 12, 0, tzinfo=datetime.UTC)
Place = tuple[Resource, str, str]
T = TypeVar("T")
Fault = Callable[[str, Resource, str], KubeError | None]


def copied(value: T) -> T:
    """Copy what is read from JSON: several times faster than `copy.deepcopy`, which takes all."""
    copy: Any = value
    if isinstance(value, dict):
        copy = {key: copied(inner) for key, inner in value.items()}
    elif isinstance(value, list):
        copy = [copied(inner) for inner in value]
    return cast("T", copy)


def merged(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copied(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def without(target: Any, owned: Any, kept: Any) -> Any:
    """Return target less what was owned before and is not kept, as a server-side apply does."""
    if not (isinstance(target, dict) and isinstance(owned, dict)):
        return target
    keep = kept if isinstance(kept, dict) else {}
    result = {}
    for key, value in target.items():
        if key in owned and key not in keep:
            continue
        result[key] = without(value, owned[key], keep.get(key)) if key in owned else value
    return result


class FakeKube:
    """An API server in memory, with the parts of its behaviour that the operator leans on."""

    def __init__(self) -> None:
        self.objects: dict[Place, Object] = {}
        self.logs: dict[str, str] = {}
        self.kinds: set[Resource] = {INFERENCE_SERVICES, HTTP_ROUTES, REVISIONS}
        self.fault: Fault = lambda _verb, _resource, _name: None
        #: Writes in order, as (verb, plural, name).
        self.writes: list[tuple[str, str, str]] = []
        self.reads: list[tuple[str, str]] = []
        self.now = NOW
        self._uids = itertools.count(1)
        self._revisions = itertools.count(2)
        self._owned: dict[tuple[Place, str], Object] = {}

    # --- for tests

    def put(self, resource: Resource, manifest: Object) -> Object:
        """Store an object as another writer would."""
        metadata = manifest["metadata"]
        place = (resource, metadata["namespace"], metadata["name"])
        stored = copied(manifest)
        stored["metadata"].setdefault("uid", f"uid-{next(self._uids)}")
        stored["metadata"].setdefault("creationTimestamp", self.now.isoformat())
        stored["metadata"].setdefault("generation", 1)
        stored["metadata"]["resourceVersion"] = str(next(self._revisions))
        self.objects[place] = stored
        return stored

    def touch(self, resource: Resource, name: str, namespace: str = "team") -> Object:
        """Give an object a new resourceVersion, as a write by another does; return it."""
        thing = self.find(resource, name, namespace)
        thing["metadata"]["resourceVersion"] = str(next(self._revisions))
        return thing

    def find(self, resource: Resource, name: str, namespace: str = "team") -> Object:
        return self.objects[resource, namespace, name]

    def names(self, resource: Resource) -> list[str]:
        return sorted(name for kind, _, name in self.objects if kind == resource)

    def _check(self, verb: str, resource: Resource, name: str) -> None:
        error = self.fault(verb, resource, name)
        if error is not None:
            raise error

    def _wrote(self, verb: str, resource: Resource, name: str) -> None:
        self._check(verb, resource, name)
        self.writes.append((verb, resource.plural, name))

    # --- the port

    async def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        self._check("get", resource, name)
        self.reads.append(("get", resource.plural))
        return copied(self.objects.get((resource, namespace, name)))

    async def list(
        self, resource: Resource, namespace: str | None, labels: Mapping[str, str]
    ) -> list[Object]:
        self._check("list", resource, "")
        self.reads.append(("list", resource.plural))
        found = []
        for (kind, place, _), thing in sorted(self.objects.items(), key=lambda item: item[0][2]):
            own = thing["metadata"].get("labels") or {}
            if kind != resource or (namespace is not None and place != namespace):
                continue
            if all(own.get(key) == value for key, value in labels.items()):
                found.append(copied(thing))
        return found

    def _expect(self, before: Object, wanted: Object, name: str) -> None:
        """Compare the preconditions in the metadata of a write, as the API server does."""
        for key in ("uid", "resourceVersion"):
            value, live = wanted.get(key), before["metadata"][key]
            if value is not None and value != live:
                raise ConflictError(f"{name}: {key} {value}, it has {live}", status=409)

    def _store(self, place: Place, before: Object, after: Object) -> Object:
        """Keep what a write made; one that changes nothing leaves the resourceVersion."""
        metadata = after["metadata"] = dict(after["metadata"])
        metadata["uid"] = before["metadata"]["uid"]
        metadata["resourceVersion"] = before["metadata"]["resourceVersion"]
        if after.get("spec") != before.get("spec"):
            metadata["generation"] = before["metadata"]["generation"] + 1
        if after != before:
            metadata["resourceVersion"] = str(next(self._revisions))
        self.objects[place] = after
        return copied(after)

    async def create(self, resource: Resource, manifest: Object) -> Object | None:
        metadata = manifest["metadata"]
        self._wrote("create", resource, metadata["name"])
        if (resource, metadata["namespace"], metadata["name"]) in self.objects:
            return None
        return copied(self.put(resource, manifest))

    async def apply(self, resource: Resource, manifest: Object, *, over: Object | None) -> Object:
        metadata = manifest["metadata"]
        name = metadata["name"]
        self._wrote("apply", resource, name)
        place = (resource, metadata["namespace"], name)
        before = self.objects.get(place)
        if (before is None) != (over is None):
            raise ConflictError(f"{name}: {'gone' if over else 'it exists'}", status=409)
        if before is None or over is None:
            self.put(resource, manifest)
        else:
            self._expect(before, over["metadata"], name)
            base = without(before, self._owned.get((place, "main"), {}), manifest)
            self._store(place, before, merged(base, manifest))
        self._owned[place, "main"] = copied(manifest)
        return copied(self.objects[place])

    async def apply_status(self, resource: Resource, manifest: Object) -> Object | None:
        metadata = manifest["metadata"]
        self._wrote("status", resource, metadata["name"])
        place = (resource, metadata["namespace"], metadata["name"])
        before = self.objects.get(place)
        if before is None:
            return None
        self._expect(before, metadata, metadata["name"])
        if before.get("status") == manifest["status"]:
            return copied(before)
        after = {**before, "status": copied(manifest["status"])}
        # The API server's record of who changed what, as far as it speaks of the status.
        seconds = int(before["metadata"]["resourceVersion"])
        moment = (self.now + datetime.timedelta(seconds=seconds)).isoformat()
        record = {"manager": "status", "subresource": "status", "time": moment}
        after["metadata"] = {**before["metadata"], "managedFields": [record]}
        return self._store(place, before, after)

    async def patch(
        self, resource: Resource, namespace: str, name: str, patch: Object
    ) -> Object | None:
        self._wrote("patch", resource, name)
        place = (resource, namespace, name)
        before = self.objects.get(place)
        if before is None:
            return None
        self._expect(before, patch.get("metadata", {}), name)
        stored = self._store(place, before, merged(before, patch))
        if stored["metadata"].get("deletionTimestamp") and not stored["metadata"]["finalizers"]:
            del self.objects[place]
        return stored

    async def delete(self, resource: Resource, namespace: str, name: str, *, uid: str) -> bool:
        self._wrote("delete", resource, name)
        found = self.objects.get((resource, namespace, name))
        if found is None or found["metadata"]["uid"] != uid:
            return False
        del self.objects[resource, namespace, name]
        return True

    async def log(self, namespace: str, pod: str, container: str, lines: int) -> str:
        self.reads.append(("log", pod))
        return self.logs.get(pod, "")

    async def serves(self, resource: Resource) -> bool:
        self.reads.append(("serves", resource.plural))
        return resource in self.kinds


class FakeSamples:
    """Counters by version; a version without an entry gives an error."""

    def __init__(self) -> None:
        self.counters: dict[str, Sample] = {}
        self.requested: list[str] = []

    async def sample(
        self, namespace: str, version: str, pods: Sequence[PodRef], *, only: tuple[str, ...] = ()
    ) -> Sample:
        self.requested.append(version)
        if version not in self.counters:
            raise SampleError(f"no pod of {version} answered")
        return self.counters[version]


class FakeSmoke:
    """Answers for every pod alike."""

    def __init__(self, *, passed: bool = True) -> None:
        self.passed = passed
        self.requested: list[str] = []
        self.ids: list[IdKinds] = []

    async def smoke(self, pod: PodRef, now: datetime.datetime, ids: IdKinds) -> Smoke:
        self.requested.append(pod.name)
        self.ids.append(ids)
        return Smoke(passed=self.passed, message=f"{pod.name} was asked", at=now)


def model(name: str = "movies", *, spec: Object | None = None, **metadata: Any) -> Object:
    """Return a RecommenderModel as the API server would, once a look has held it."""
    base: Object = {"data": {"source": {"claimName": "raw"}}, "storage": {"claimName": "store"}}
    return {
        "apiVersion": "recommender.dev/v1alpha1",
        "kind": "RecommenderModel",
        "metadata": {
            "name": name,
            "namespace": "team",
            "uid": f"uid-of-{name}",
            "generation": 1,
            "creationTimestamp": NOW.isoformat(),
            "finalizers": [FINALIZER],
            **metadata,
        },
        "spec": base | (spec or {}),
    }


def add_claim(kube: FakeKube, name: str, **labels: str) -> Object:
    """Put a claim that can be used."""
    metadata = {"name": name, "namespace": "team", "labels": labels}
    spec = {"accessModes": ["ReadWriteOnce"]}
    return kube.put(CLAIMS, {"metadata": metadata, "spec": spec, "status": {"phase": "Bound"}})


def add_model(kube: FakeKube, **changes: Any) -> Object:
    for name in ("raw", "store"):
        add_claim(kube, name)
    return kube.put(MODELS, model(**changes))


def controller(kind: str, name: str, uid: str) -> list[Object]:
    """Return the owner references of an object that a controller made."""
    groups = {
        "ReplicaSet": "apps/v1",
        "Deployment": "apps/v1",
        "Job": "batch/v1",
        "JobSet": "jobset.x-k8s.io/v1alpha2",
        "TrainJob": "trainer.kubeflow.org/v1alpha1",
        "InferenceService": "serving.kserve.io/v1beta1",
        "Revision": "serving.knative.dev/v1",
        "Configuration": "serving.knative.dev/v1",
        "Service": "serving.knative.dev/v1",
    }
    version = groups.get(kind, "recommender.dev/v1alpha1")
    owner = {"apiVersion": version, "kind": kind, "name": name, "uid": uid, "controller": True}
    return [owner]


def pod(
    name: str,
    version: str,
    *,
    ready: bool = True,
    model_name: str = "movies",
    revision: str = "",
    owners: list[Object] | None = None,
    **status: Any,
) -> Object:
    """Return a serving pod; `owners` stand for the chain up to the model, its owner by default."""
    own = marks.of_version(model_name, version)
    if revision:
        own["serving.knative.dev/revision"] = revision
    return {
        "metadata": {
            "name": name,
            "namespace": "team",
            "uid": f"uid-{name}",
            "creationTimestamp": NOW.isoformat(),
            "labels": own,
            "ownerReferences": controller("RecommenderModel", model_name, f"uid-of-{model_name}")
            if owners is None
            else owners,
        },
        "status": {
            "phase": "Running",
            "podIP": "10.0.0.1",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            **status,
        },
    }


class FakeKServe:
    """What KServe 0.20 and Knative make of the one InferenceService in Knative mode.

    Follows createKnativeService and PropagateStatus of KServe. `broken` versions never become
    ready.
    """

    def __init__(self, kube: FakeKube, name: str = "movies") -> None:
        self.kube = kube
        self.name = name
        self.broken: set[str] = set()
        self.url = f"http://{name}-predictor.team.knative.example:8080"
        self._template: Object | None = None
        self._count = 0
        self._ready: str = ""

    def settle(self, rounds: int = 4) -> None:
        """Reconcile until nothing changes."""
        for _ in range(rounds):
            self.step()

    def step(self) -> None:
        place = (INFERENCE_SERVICES, "team", self.name)
        service = self.kube.objects.get(place)
        if service is None:
            self._template = None
            self._ready = ""
            for key in [k for k in self.kube.objects if k[0] == REVISIONS]:
                del self.kube.objects[key]
            return
        before = copied(service)
        self._reconcile(service)
        if service != before:
            self.kube.touch(INFERENCE_SERVICES, self.name)

    def _reconcile(self, service: Object) -> None:
        predictor = service["spec"]["predictor"]
        status = (
            service.setdefault("status", {})
            .setdefault("components", {})
            .setdefault("predictor", {})
        )
        status["url"] = self.url
        self._revise(predictor)
        latest = f"{self.name}-predictor-{self._count:05d}"
        version = predictor["labels"][marks.VERSION]
        if version not in self.broken:
            self._ready = latest
        status["latestCreatedRevision"] = latest
        if self._ready:
            status["latestReadyRevision"] = self._ready
            status["traffic"] = self._targets(predictor, status)
            self._roll(status)

    def _revise(self, predictor: Object) -> None:
        template = {k: v for k, v in predictor.items() if k != "canaryTrafficPercent"}
        if template == self._template:
            return
        self._template = copied(template)
        self._count += 1
        name = f"{self.name}-predictor-{self._count:05d}"
        version = predictor["labels"][marks.VERSION]
        ok = version not in self.broken
        self.kube.put(
            REVISIONS,
            {
                "metadata": {
                    "name": name,
                    "namespace": "team",
                    "labels": dict(predictor["labels"]),
                },
                "status": {"conditions": [{"type": "Ready", "status": "True" if ok else "False"}]},
            },
        )

    def _targets(self, predictor: Object, status: Object) -> list[Object]:
        percent = predictor.get("canaryTrafficPercent")
        rolled = status.get("latestRolledoutRevision", "")
        if percent is None or not rolled:
            return [{"latestRevision": True, "percent": 100, "revisionName": self._ready}]
        targets = [{"latestRevision": True, "percent": percent, "revisionName": self._ready}]
        if percent < 100:
            targets.append(
                {"latestRevision": False, "percent": 100 - percent, "revisionName": rolled}
            )
        return targets

    def _roll(self, status: Object) -> None:
        totals: dict[str, int] = {}
        for target in status["traffic"]:
            name = target["revisionName"]
            totals[name] = totals.get(name, 0) + target["percent"]
        for target in status["traffic"]:
            if target["revisionName"] != self._ready or not target["latestRevision"]:
                continue
            rolled = status.get("latestRolledoutRevision", "")
            if rolled != self._ready:
                if target["percent"] == 100:
                    status["previousRolledoutRevision"] = rolled
                    status["latestRolledoutRevision"] = self._ready
            elif (
                self._ready == status["latestCreatedRevision"]
                and target["percent"] < 100
                and totals[self._ready] == 100
                and status.get("previousRolledoutRevision")
            ):
                status["latestRolledoutRevision"] = status["previousRolledoutRevision"]
