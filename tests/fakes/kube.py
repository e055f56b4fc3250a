"""An API server in memory."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Callable, Mapping, Sequence

import msgspec

from recommender_operator.adapters.kinds import HTTP_ROUTES, INFERENCE_SERVICES, REVISIONS
from recommender_operator.controller.kube import ConflictError, Fields, KubeError, Object, Resource
from tests.fakes.documents import copied, merged, without

NOW = datetime.datetime(2026, 1, 1, 12, 0, tzinfo=datetime.UTC)
Place = tuple[Resource, str, str]
Fault = Callable[[str, Resource, str], KubeError | None]


class FakeKube:
    """An API server in memory, with the behaviour that the operator relies on."""

    def __init__(self) -> None:
        self.objects: dict[Place, Object] = {}
        self.logs: dict[str, str] = {}
        self.kinds: set[Resource] = {INFERENCE_SERVICES, HTTP_ROUTES, REVISIONS}
        #: Kinds whose objects wait for another controller when they are deleted.
        self.finalized: set[Resource] = set()
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
        """Give an object a new resourceVersion, as another client's write does; return it."""
        thing = self.find(resource, name, namespace)
        thing["metadata"]["resourceVersion"] = str(next(self._revisions))
        return thing

    def find(self, resource: Resource, name: str, namespace: str = "team") -> Object:
        return self.objects[resource, namespace, name]

    def names(self, resource: Resource) -> list[str]:
        return sorted(name for kind, _, name in self.objects if kind == resource)

    def revisions(self) -> dict[Place, str]:
        """Return the resourceVersion of each object: every change gives it another one."""
        return {place: o["metadata"]["resourceVersion"] for place, o in self.objects.items()}

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
        found = self._listed(resource, namespace, labels)
        self.reads.append(("list", resource.plural))
        return [copied(thing) for thing in found]

    async def list_fields(
        self, resource: Resource, namespace: str | None, fields: type[Fields]
    ) -> Sequence[Fields]:
        found = self._listed(resource, namespace, {})
        self.reads.append(("list fields", resource.plural))
        return [msgspec.convert(thing, fields) for thing in found]

    def _listed(
        self, resource: Resource, namespace: str | None, labels: Mapping[str, str]
    ) -> Sequence[Object]:
        self._check("list", resource, "")
        found = []
        for (kind, place, name), thing in self.objects.items():
            if kind != resource or (namespace is not None and place != namespace):
                continue
            own = thing["metadata"].get("labels") or {}
            if all(own.get(key) == value for key, value in labels.items()):
                found.append((name, thing))
        return [thing for _, thing in sorted(found, key=lambda item: item[0])]

    def _expect(self, before: Object, wanted: Object, name: str) -> None:
        """Compare the preconditions in the metadata of a write, as the API server does."""
        for key in ("uid", "resourceVersion"):
            value, live = wanted.get(key), before["metadata"][key]
            if value is not None and value != live:
                raise ConflictError(f"{name}: {key} {value}, it has {live}", status=409)

    def _store(self, place: Place, before: Object, after: Object) -> Object:
        """Store the result of a write; a write without a change keeps the resourceVersion."""
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
        # The API server's record of who changed which fields, for the status.
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
        if resource in self.finalized:
            found["metadata"]["deletionTimestamp"] = self.now.isoformat()
            found["metadata"]["resourceVersion"] = str(next(self._revisions))
        else:
            del self.objects[resource, namespace, name]
        return True

    async def log(self, namespace: str, pod: str, container: str, lines: int) -> str:
        self.reads.append(("log", pod))
        return self.logs.get(pod, "")

    async def serves(self, resource: Resource) -> bool:
        self.reads.append(("serves", resource.plural))
        return resource in self.kinds
