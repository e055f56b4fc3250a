"""The `Kube` port with caches: reads need no request, writes update the cache at once.

A decision on a stale cache is harmless if its writes carry the uid and resourceVersion that were
read: the API server rejects them. Reads that must be current (ADR 0024) use the uncached port.

- If a `get` finds nothing in the cache, it asks the API server, which also has objects without the
  operator's labels. The result that an object is missing is cached for half a minute, or until a
  write of that name fails.
- The response of a write updates the cache; a deleted object is hidden until the watch reports it.
- After a conflict, or a write with an unknown result, the objects of that parent are read once
  from the API server, unless the watch has reported newer ones.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from recommender_operator.controller.caches import Caches
from recommender_operator.controller.kube import Fields, Kube, KubeError, Object, Resource
from recommender_operator.controller.store import Store, label_of

CONFLICT, SERVER_FAILED = 409, 500
#: resourceVersion of an unknown object.
NONE = -1
#: Lifetime of the cached result that an object is missing, in seconds.
ABSENT = 30.0
#: Maximum number of cached missing objects.
REMEMBERED = 10_000
Objects = list[Object]
#: Kind, namespace, parent or name.
Doubt = tuple[Resource, str, str]


class CachedKube:
    """Reads from caches, and writes to the API server."""

    def __init__(
        self, direct: Kube, caches: Caches, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._direct = direct
        self._caches = caches
        self._watched = caches.watched
        self._clock = clock
        #: Times at which the API server reported an object as missing.
        self._absent: dict[Doubt, float] = {}
        #: Names, with the resourceVersion that was known when a write failed; -1 if unknown.
        self._doubts: dict[Doubt, dict[str, int]] = {}

    # --- reads

    async def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        informer = self._caches.of(resource, namespace)
        if informer is None:
            return await self._direct.get(resource, namespace, name)
        store = await informer.ready()
        entry = store.find((namespace, name))
        if entry is not None:
            await self._settle(store, resource, namespace, entry.parent)
        found = store.get((namespace, name))
        if found is not None or not informer.served:
            return found
        return await self._unlabelled(resource, namespace, name)

    async def _unlabelled(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """Return an object that the cache does not know, if the API server does."""
        checked_at = self._absent.pop((resource, namespace, name), None)
        if checked_at is None or self._clock() - checked_at >= ABSENT:
            checked_at = self._clock()
            found = await self._direct.get(resource, namespace, name)
            if found is not None:
                return found
        self._absent[resource, namespace, name] = checked_at
        while len(self._absent) > REMEMBERED:
            self._absent.pop(next(iter(self._absent)))
        return None

    async def list(
        self, resource: Resource, namespace: str | None, labels: Mapping[str, str]
    ) -> list[Object]:
        informer = self._caches.of(resource, namespace)
        parent = labels.get(self._watched.label)
        if informer is None or namespace is None or parent is None:
            return await self._direct.list(resource, namespace, labels)
        store = await informer.ready()
        await self._settle(store, resource, namespace, parent)
        return store.select(namespace, labels)

    async def list_fields(
        self, resource: Resource, namespace: str | None, fields: type[Fields]
    ) -> Sequence[Fields]:
        return await self._direct.list_fields(resource, namespace, fields)

    async def log(self, namespace: str, pod: str, container: str, lines: int) -> str:
        return await self._direct.log(namespace, pod, container, lines)

    async def serves(self, resource: Resource) -> bool:
        known = self._caches.serves(resource)
        return await self._direct.serves(resource) if known is None else known

    # --- writes

    async def create(self, resource: Resource, manifest: Object) -> Object | None:
        metadata = manifest["metadata"]
        namespace, name, parent = (
            metadata["namespace"],
            metadata["name"],
            self._parent_of(manifest),
        )
        with self._doubted(resource, namespace, name, parent):
            answer = await self._direct.create(resource, manifest)
        if answer is None:
            self._doubt(resource, namespace, name, parent)
        else:
            self._keep(resource, answer)
        return answer

    async def apply(self, resource: Resource, manifest: Object, *, over: Object | None) -> Object:
        metadata = manifest["metadata"]
        namespace, name, parent = (
            metadata["namespace"],
            metadata["name"],
            self._parent_of(manifest),
        )
        with self._doubted(resource, namespace, name, parent):
            answer = await self._direct.apply(resource, manifest, over=over)
        self._keep(resource, answer)
        return answer

    async def apply_status(self, resource: Resource, manifest: Object) -> Object | None:
        metadata = manifest["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]
        with self._doubted(resource, namespace, name):
            answer = await self._direct.apply_status(resource, manifest)
        return self._kept(resource, namespace, name, answer)

    async def patch(
        self, resource: Resource, namespace: str, name: str, patch: Object
    ) -> Object | None:
        with self._doubted(resource, namespace, name):
            answer = await self._direct.patch(resource, namespace, name, patch)
        return self._kept(resource, namespace, name, answer)

    async def delete(self, resource: Resource, namespace: str, name: str, *, uid: str) -> bool:
        with self._doubted(resource, namespace, name):
            done = await self._direct.delete(resource, namespace, name, uid=uid)
        informer = self._caches.of(resource, namespace)
        if resource in self._watched.finalized:
            # It still acts while its finalizers run, so this is waited for.
            self._doubt(resource, namespace, name)
        elif informer is not None:
            # In either case, the object with that uid is deleted or being deleted.
            informer.hide((namespace, name), uid)
        return done

    def _kept(
        self, resource: Resource, namespace: str, name: str, answer: Object | None
    ) -> Object | None:
        if answer is None:
            # Deleted, which the cache has not observed yet.
            self._doubt(resource, namespace, name)
        else:
            self._keep(resource, answer)
        return answer

    def _keep(self, resource: Resource, answer: Object) -> None:
        informer = self._caches.of(resource, answer["metadata"].get("namespace"))
        # Without the label, the watch would never report its deletion.
        if informer is None or not (resource == self._watched.parent or self._parent_of(answer)):
            return
        if resource in self._watched.quiet:
            informer.store.put(answer)
        else:
            informer.take(answer)

    # --- stale entries

    @contextlib.contextmanager
    def _doubted(
        self, resource: Resource, namespace: str, name: str, parent: str = ""
    ) -> Iterator[None]:
        """Mark an object as stale if a write fails, or its result is unknown."""
        try:
            yield
        except KubeError as error:
            if error.status == CONFLICT or error.status == 0 or error.status >= SERVER_FAILED:
                self._doubt(resource, namespace, name, parent)
            raise

    def _doubt(self, resource: Resource, namespace: str, name: str, parent: str = "") -> None:
        self._absent.pop((resource, namespace, name), None)
        informer = self._caches.of(resource, namespace)
        if informer is None:
            return
        entry = informer.store.find((namespace, name))
        parent = parent or (entry.parent if entry is not None else "")
        if parent:
            version = entry.version if entry is not None else NONE
            self._doubts.setdefault((resource, namespace, parent), {})[name] = version

    def _parent_of(self, thing: Object) -> str:
        return label_of(thing, self._watched.label)

    async def _settle(self, store: Store, resource: Resource, namespace: str, parent: str) -> None:
        """Read stale objects, unless the watch has reported newer ones."""
        doubts = self._doubts.get((resource, namespace, parent), {})
        known = {name: store.find((namespace, name)) for name in doubts}
        doubted = [
            name
            for name, entry in known.items()
            if (entry.version if entry is not None else NONE) == doubts[name]
        ]
        if doubted:
            found = await self._read(resource, namespace, parent)
            for thing in found:
                store.put(thing)
            there = {thing["metadata"]["name"] for thing in found}
            for name in doubted:
                entry = known[name]
                if entry is not None and name not in there:
                    store.forget((namespace, name), entry)
        self._doubts.pop((resource, namespace, parent), None)

    async def _read(self, resource: Resource, namespace: str, parent: str) -> Objects:
        if resource == self._watched.parent:
            found = await self._direct.get(resource, namespace, parent)
            return [] if found is None else [found]
        return await self._direct.list(resource, namespace, {self._watched.label: parent})
