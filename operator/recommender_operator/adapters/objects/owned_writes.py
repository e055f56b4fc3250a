"""Writes of a model's objects, with preconditions on the observed ones.

Three rules for all kinds (`docs/adr/0022-ownership-and-fencing.md`):

- Ownership: an object that the model's uid does not control, directly or through one of its
  versions, is neither changed nor deleted; a service that has outlived its version is.
- Fencing: a write carries the uid and the resourceVersion that the pass observed, or requires that
  the object does not exist. An operator that was suspended in between gets a conflict.
- Changes by other controllers are not a conflict: if only the status or foreign metadata changed,
  the write is retried at once with the newer resourceVersion. So traffic leaves a bad version at
  once, however often the Gateway writes the route's status.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Collection
from typing import Any, TypeVar

from recommender_contract.api_names import GROUP
from recommender_operator.adapters.kinds import INFERENCE_SERVICES, KINDS
from recommender_operator.adapters.objects.preconditions import ObservedObjects
from recommender_operator.controller.kube import ConflictError, Kube, Object, Resource
from recommender_operator.resources.ownership import (
    Foreign,
    controller_of,
    foreign,
    outlived_version,
    owned_by,
)

#: Maximum tries of a write after changes by other controllers; then the pass is repeated.
TRIES = 5
_PREFIX = f"{GROUP}/"
T = TypeVar("T")


class ForeignObjectError(Exception):
    """The object to write does not belong to the model; it was not changed."""

    def __init__(self, found: Foreign) -> None:
        super().__init__(found.message)
        self.foreign = found


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim:
    """The uids of the model and its versions, and the objects that the pass observed."""

    owners: Collection[str]
    seen: ObservedObjects = dataclasses.field(default_factory=ObservedObjects)


class OwnedObjects:
    """Reads and writes of the children of models. All methods raise KubeError, writes also
    ConflictError (read again) and ForeignObjectError (nothing was written)."""

    def __init__(self, kube: Kube) -> None:
        # Not named `_kube`: callers name the kind, which a test compares with the rights.
        self._port = kube

    async def read(
        self, resource: Resource, namespace: str, name: str, claim: Claim
    ) -> Object | None:
        """Return an object as observed by this pass; read it now if it was not observed."""
        if claim.seen.knows(resource):
            return claim.seen.get(resource, name)
        return await self._port.get(resource, namespace, name)

    async def apply(self, resource: Resource, manifest: Object, claim: Claim) -> Object:
        """Apply a manifest to the observed object, or create it if there was none."""
        metadata = manifest["metadata"]
        before = await self.read(resource, metadata["namespace"], metadata["name"], claim)
        if before is None:
            stored = await self._apply_new(resource, manifest, claim)
        else:
            stored = await self._apply_over(resource, manifest, before, claim)
        claim.seen.wrote(resource, stored)
        return stored

    async def create(self, resource: Resource, manifest: Object, claim: Claim) -> bool:
        """Create an object; False if it exists and belongs to the model."""
        stored = await self._port.create(resource, manifest)
        if stored is not None:
            claim.seen.wrote(resource, stored)
            return True
        metadata = manifest["metadata"]
        found = await self._port.get(resource, metadata["namespace"], metadata["name"])
        if found is None:
            raise ConflictError(f"{metadata['name']} was deleted meanwhile", status=409)
        _require(resource, found, claim)
        return False

    async def delete(self, resource: Resource, namespace: str, name: str, claim: Claim) -> None:
        """Delete the observed object with that name, but no other one."""
        found = await self.read(resource, namespace, name, claim)
        if found is None:
            return
        _require(resource, found, claim)
        await self._port.delete(resource, namespace, name, uid=found["metadata"]["uid"])
        claim.seen.deleted(resource, name)

    async def adopt(
        self, resource: Resource, orphan: Object, owners: list[Object], claim: Claim
    ) -> None:
        """Set the owner references of an object that was observed without its controller."""
        await self._patch(resource, orphan, {"metadata": {"ownerReferences": owners}}, claim)

    async def patch(
        self, resource: Resource, before: Object, patch: Object, claim: Claim
    ) -> Object | None:
        """Patch the observed object; None if it is deleted."""
        _require(resource, before, claim)
        return await self._patch(resource, before, patch, claim)

    async def _patch(
        self, resource: Resource, before: Object, patch: Object, claim: Claim
    ) -> Object | None:
        metadata = before["metadata"]
        fenced = {**patch, "metadata": {**patch.get("metadata", {}), **_precondition(before)}}
        stored = await self._port.patch(resource, metadata["namespace"], metadata["name"], fenced)
        if stored is not None:
            claim.seen.wrote(resource, stored)
        return stored

    async def write_status(
        self, resource: Resource, before: Object, status: Object
    ) -> Object | None:
        """Write the status of the observed object; None if it is deleted."""

        async def write(over: Object) -> Object | None:
            metadata = over["metadata"]
            manifest = {
                "apiVersion": f"{resource.group}/{resource.version}",
                "kind": KINDS[resource],
                "metadata": {
                    "name": metadata["name"],
                    "namespace": metadata["namespace"],
                    **_precondition(over),
                },
                "status": status,
            }
            return await self._port.apply_status(resource, manifest)

        return await self._insist(resource, before, write, with_status=True)

    async def _apply_over(
        self, resource: Resource, manifest: Object, before: Object, claim: Claim
    ) -> Object:
        async def write(over: Object) -> Object:
            _require(resource, over, claim)
            return await self._port.apply(resource, manifest, over=over)

        return await self._insist(resource, before, write, with_status=False)

    async def _apply_new(self, resource: Resource, manifest: Object, claim: Claim) -> Object:
        try:
            return await self._port.apply(resource, manifest, over=None)
        except ConflictError:
            metadata = manifest["metadata"]
            found = await self._port.get(resource, metadata["namespace"], metadata["name"])
            if found is None:
                raise
            _require(resource, found, claim)
            if _is_labelled(found, manifest):
                raise
        # It belongs to the model, but lacks the labels by which passes find it.
        return await self._apply_over(resource, manifest, found, claim)

    async def _insist(
        self,
        resource: Resource,
        before: Object,
        write: Callable[[Object], Awaitable[T]],
        *,
        with_status: bool,
    ) -> T:
        """Write to the observed object, also if only other controllers changed it since."""
        over = before
        for _ in range(TRIES - 1):
            try:
                return await write(over)
            except ConflictError:
                metadata = over["metadata"]
                now = await self._port.get(resource, metadata["namespace"], metadata["name"])
                if now is None or not is_bookkeeping(before, now, with_status=with_status):
                    raise
                over = now
        return await write(over)


def is_bookkeeping(before: Object, now: Object, *, with_status: bool) -> bool:
    """Return whether two readings of an object are equal in all that decisions depend on.

    The generation represents the spec. Finalizers, annotations and labels of others do not count;
    the status does if the operator writes it. A status that changed twice may have its old value
    (a weight that went up and back): the time of its last change shows that.
    """
    same = _decided_on(before, with_status) == _decided_on(now, with_status)
    return same and before["metadata"]["resourceVersion"] != now["metadata"]["resourceVersion"]


def _decided_on(thing: Object, with_status: bool) -> tuple[Any, ...]:
    metadata = thing["metadata"]

    def own(field: str) -> dict[str, str]:
        values: dict[str, str] = metadata.get(field) or {}
        return {key: value for key, value in values.items() if key.startswith(_PREFIX)}

    return (
        metadata["uid"],
        metadata.get("generation"),
        metadata.get("deletionTimestamp"),
        controller_of(thing),
        own("annotations"),
        own("labels"),
        (thing.get("status") or {}, _status_changes(metadata)) if with_status else None,
    )


def _status_changes(metadata: Object) -> list[tuple[str, str]]:
    """Return the manager and time of the last change of the status, from managedFields."""
    return sorted(
        (str(entry.get("manager")), str(entry.get("time")))
        for entry in metadata.get("managedFields") or []
        if entry.get("subresource") == "status"
    )


def _precondition(seen: Object) -> Object:
    return {key: seen["metadata"][key] for key in ("uid", "resourceVersion")}


def _is_labelled(found: Object, manifest: Object) -> bool:
    given = found["metadata"].get("labels") or {}
    wanted = manifest["metadata"].get("labels") or {}
    return all(given.get(key) == value for key, value in wanted.items())


def _require(resource: Resource, thing: Object, claim: Claim) -> None:
    left = resource == INFERENCE_SERVICES and outlived_version(thing, claim.owners)
    if not (left or owned_by(thing, claim.owners)):
        raise ForeignObjectError(foreign(KINDS[resource], thing))
