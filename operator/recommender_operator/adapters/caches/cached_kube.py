"""The `Kube` port with caches: reads need no request, writes update the cache at once.

A decision on a stale cache is harmless if its writes carry the uid and resourceVersion that were
read: the API server rejects them. Reads that must be current (ADR 0024) use the uncached port.

- If a `get` finds nothing in the cache, it asks the API server, which also has objects without the
  operator's labels. The result that an object is missing is cached for half a minute, or until a
  write of that name fails.
- The response of a write updates the cache; a deleted object is hidden until the watch reports it.
- After a conflict, or a write with an unknown result, the objects of that model are read once from
  the API server, unless the watch has reported newer ones.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from recommender_operator.adapters.caches.kinds import Caches
from recommender_operator.adapters.caches.store import Store, label_of
from recommender_operator.adapters.kubernetes.port import (
    BASELINES,
    MODELS,
    SCALED_OBJECTS,
    Fields,
    Kube,
    KubeError,
    Object,
    Resource,
)
from recommender_operator.resources import labels as marks

CONFLICT, SERVER_FAILED = 409, 500
#: resourceVersion of an unknown object.
NONE = -1
#: Lifetime of the cached result that an object is missing, in seconds.
ABSENT = 30.0
#: Maximum number of cached missing objects.
REMEMBERED = 10_000
Objects = list[Object]
#: Kind, namespace, model or name.
Doubt = tuple[Resource, str, str]


class CachedKube:
    """Reads from caches, and writes to the API server."""

    def __init__(
        self, direct: Kube, caches: Caches, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._direct = direct
        self._caches = caches
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
            await self._settle(store, resource, namespace, entry.model)
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
        model = labels.get(marks.MODEL)
        if informer is None or namespace is None or model is None:
            return await self._direct.list(resource, namespace, labels)
        store = await informer.ready()
        await self._settle(store, resource, namespace, model)
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
        namespace, name, model = metadata["namespace"], metadata["name"], label_of(manifest)
        with self._doubted(resource, namespace, name, model):
            answer = await self._direct.create(resource, manifest)
        if answer is None:
            self._doubt(resource, namespace, name, model)
        else:
            self._keep(resource, answer)
        return answer

    async def apply(self, resource: Resource, manifest: Object, *, over: Object | None) -> Object:
        metadata = manifest["metadata"]
        namespace, name, model = metadata["namespace"], metadata["name"], label_of(manifest)
        with self._doubted(resource, namespace, name, model):
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
        if resource == SCALED_OBJECTS:
            # While KEDA finalizes it, it may still make an autoscaler, so this is waited for.
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
        if informer is None or not (resource == MODELS or label_of(answer)):
            return
        if resource == BASELINES:
            # That a window starts is no cause to look: who starts it says when to look again.
            informer.store.put(answer)
        else:
            informer.take(answer)

    # --- stale entries

    @contextlib.contextmanager
    def _doubted(
        self, resource: Resource, namespace: str, name: str, model: str = ""
    ) -> Iterator[None]:
        """Mark an object as stale if a write fails, or its result is unknown."""
        try:
            yield
        except KubeError as error:
            if error.status == CONFLICT or error.status == 0 or error.status >= SERVER_FAILED:
                self._doubt(resource, namespace, name, model)
            raise

    def _doubt(self, resource: Resource, namespace: str, name: str, model: str = "") -> None:
        self._absent.pop((resource, namespace, name), None)
        informer = self._caches.of(resource, namespace)
        if informer is None:
            return
        entry = informer.store.find((namespace, name))
        model = model or (entry.model if entry is not None else "")
        if model:
            version = entry.version if entry is not None else NONE
            self._doubts.setdefault((resource, namespace, model), {})[name] = version

    async def _settle(self, store: Store, resource: Resource, namespace: str, model: str) -> None:
        """Read stale objects, unless the watch has reported newer ones."""
        doubts = self._doubts.get((resource, namespace, model), {})
        known = {name: store.find((namespace, name)) for name in doubts}
        doubted = [
            name
            for name, entry in known.items()
            if (entry.version if entry is not None else NONE) == doubts[name]
        ]
        if doubted:
            found = await self._read(resource, namespace, model)
            for thing in found:
                store.put(thing)
            there = {thing["metadata"]["name"] for thing in found}
            for name in doubted:
                entry = known[name]
                if entry is not None and name not in there:
                    store.forget((namespace, name), entry)
        self._doubts.pop((resource, namespace, model), None)

    async def _read(self, resource: Resource, namespace: str, model: str) -> Objects:
        if resource == MODELS:
            found = await self._direct.get(resource, namespace, model)
            return [] if found is None else [found]
        return await self._direct.list(resource, namespace, {marks.MODEL: model})
