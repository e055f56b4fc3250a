"""The observed objects of one pass, as read or as written by this pass.

Decisions depend on them, so their uids and resourceVersions are the preconditions of writes. The
response of a write is stored here, for the next write of the same object in this pass.
"""

from __future__ import annotations

from collections.abc import Iterable

from recommender_operator.controller.kube import Object, Resource


class ObservedObjects:
    """Objects of one namespace, by kind and name."""

    def __init__(self) -> None:
        self._objects: dict[Resource, dict[str, Object]] = {}

    def read(self, resource: Resource, found: Iterable[Object]) -> None:
        """Store all objects of a kind that the pass read; others do not exist for this pass."""
        self._objects[resource] = {thing["metadata"]["name"]: thing for thing in found}

    def knows(self, resource: Resource) -> bool:
        """Return whether this pass has read a kind."""
        return resource in self._objects

    def get(self, resource: Resource, name: str) -> Object | None:
        """Return an object as last read or written."""
        return self._objects.get(resource, {}).get(name)

    def wrote(self, resource: Resource, thing: Object) -> None:
        """Store the response of a write."""
        if resource in self._objects:
            self._objects[resource][thing["metadata"]["name"]] = thing

    def deleted(self, resource: Resource, name: str) -> None:
        """Remove an object that this pass deleted."""
        self._objects.get(resource, {}).pop(name, None)
