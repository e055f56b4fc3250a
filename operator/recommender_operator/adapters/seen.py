"""The objects of one look, as they were read or as this look wrote them.

A decision rests on them, so their uids and resourceVersions are what its writes are conditional
on. A write puts its answer here: the next write of the same object in the same look follows it.
"""

from __future__ import annotations

from collections.abc import Iterable

from recommender_operator.adapters.kube import Object, Resource


class Seen:
    """Objects by kind and name, of one namespace."""

    def __init__(self) -> None:
        self._objects: dict[Resource, dict[str, Object]] = {}

    def read(self, resource: Resource, found: Iterable[Object]) -> None:
        """Keep what a look found of a kind; what is not among it does not exist for this look."""
        self._objects[resource] = {thing["metadata"]["name"]: thing for thing in found}

    def knows(self, resource: Resource) -> bool:
        """Whether this look has read a kind."""
        return resource in self._objects

    def get(self, resource: Resource, name: str) -> Object | None:
        """Return an object as last read or written."""
        return self._objects.get(resource, {}).get(name)

    def wrote(self, resource: Resource, thing: Object) -> None:
        """Keep what a write made of an object."""
        if resource in self._objects:
            self._objects[resource][thing["metadata"]["name"]] = thing

    def deleted(self, resource: Resource, name: str) -> None:
        """Forget an object that this look deleted."""
        self._objects.get(resource, {}).pop(name, None)
