"""Writes of what a model owns, each conditional on what it was decided on.

Three rules, for every kind and in one place (`docs/adr/0022-ownership-and-fencing.md`):

- Ownership: an object that the model's uid does not control, directly or through one of its
  versions, is neither changed nor deleted.
- Fencing: a write carries the uid and the resourceVersion that the look saw, or that the object
  must not exist. An operator that was frozen in between gets a conflict.
- Bookkeeping of others is no conflict: if only the status or the metadata that is not the
  operator's changed, the write is repeated at once over the newer resourceVersion. So a route
  leaves a bad version at once, however often its Gateway writes the status.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Collection
from typing import Any, TypeVar

from recommender_operator.adapters.kube import KINDS, ConflictError, Kube, Object, Resource
from recommender_operator.adapters.seen import Seen
from recommender_operator.api.base import GROUP
from recommender_operator.resources.ownership import Foreign, controller_of, foreign, owned_by

#: Tries of one write against bookkeeping of others; then the whole look is repeated.
TRIES = 5
_PREFIX = f"{GROUP}/"
T = TypeVar("T")


class ForeignObjectError(Exception):
    """An object that would have to be written is not the model's; nothing was written to it."""

    def __init__(self, found: Foreign) -> None:
        super().__init__(found.message)
        self.foreign = found


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim:
    """On whose behalf a write is made (uids of the model and its versions), and what was seen."""

    owners: Collection[str]
    seen: Seen = dataclasses.field(default_factory=Seen)


class OwnedObjects:
    """Reads and writes of the children of models. All methods raise KubeError, writes also
    ConflictError (look again) and ForeignObjectError (nothing was written)."""

    def __init__(self, kube: Kube) -> None:
        # Not named `_kube`: callers name the kind, which a test compares with the rights.
        self._port = kube

    async def read(
        self, resource: Resource, namespace: str, name: str, claim: Claim
    ) -> Object | None:
        """Return an object as this look saw it; it is read now if the look did not."""
        if claim.seen.knows(resource):
            return claim.seen.get(resource, name)
        return await self._port.get(resource, namespace, name)

    async def apply(self, resource: Resource, manifest: Object, claim: Claim) -> Object:
        """Apply a manifest over what was seen, or create it if nothing was."""
        metadata = manifest["metadata"]
        before = await self.read(resource, metadata["namespace"], metadata["name"], claim)
        if before is None:
            stored = await self._apply_new(resource, manifest, claim)
        else:
            stored = await self._apply_over(resource, manifest, before, claim)
        claim.seen.wrote(resource, stored)
        return stored

    async def create(self, resource: Resource, manifest: Object, claim: Claim) -> bool:
        """Create an object; False if the model has it already."""
        stored = await self._port.create(resource, manifest)
        if stored is not None:
            claim.seen.wrote(resource, stored)
            return True
        metadata = manifest["metadata"]
        found = await self._port.get(resource, metadata["namespace"], metadata["name"])
        if found is None:
            raise ConflictError(f"{metadata['name']} was there, and is gone", status=409)
        _require(resource, found, claim)
        return False

    async def delete(self, resource: Resource, namespace: str, name: str, claim: Claim) -> None:
        """Delete what was seen of that name; another object of the name is left alone."""
        found = await self.read(resource, namespace, name, claim)
        if found is None:
            return
        _require(resource, found, claim)
        await self._port.delete(resource, namespace, name, uid=found["metadata"]["uid"])
        claim.seen.deleted(resource, name)

    async def adopt(
        self, resource: Resource, orphan: Object, owners: list[Object], claim: Claim
    ) -> None:
        """Give an object that was seen without an owner its owners."""
        await self._patch(resource, orphan, {"metadata": {"ownerReferences": owners}}, claim)

    async def patch(
        self, resource: Resource, before: Object, patch: Object, claim: Claim
    ) -> Object | None:
        """Patch an object over what was seen; None if it is gone."""
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
        """Write the status of an object over what was seen; None if the object is gone."""

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
        # The model's own, but without the labels by which looks find it.
        return await self._apply_over(resource, manifest, found, claim)

    async def _insist(
        self,
        resource: Resource,
        before: Object,
        write: Callable[[Object], Awaitable[T]],
        *,
        with_status: bool,
    ) -> T:
        """Write over an object as seen, or over what only bookkeeping of others made of it."""
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
    """Whether nothing that a decision rests on differs between two readings of an object.

    The generation stands for the spec. Finalizers, annotations and labels of others do not count;
    the status does where it is the operator's own. A status may have changed and be as before
    again (a weight that went up and back): the time of its last change tells.
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
    """Return who changed the status last, and when, by the API server's record of fields."""
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
    if not owned_by(thing, claim.owners):
        raise ForeignObjectError(foreign(KINDS[resource], thing))
