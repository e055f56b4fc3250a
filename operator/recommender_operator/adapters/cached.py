"""The `Kube` port over caches: reads cost no request, writes go through and are seen at once.

What is decided on a cache that lags is harmless as long as it ends in a write that carries what
was read (uid and resourceVersion): the API server refuses it. ADR 0024 says which reads must be of
now, and go to the API server: those are made with the port below this one.

- What is not there is not believed: a `get` that finds nothing in the cache asks the API server,
  which also knows objects that carry no label of the operator. Its answer that there is nothing
  counts for half a minute, or until a write of that name fails: creating what exists is refused.
- A write's answer is put into the cache; what is deleted is hidden until the watch says more.
- After a conflict, or a write whose outcome is unknown, the objects of that model are read once
  from the API server, unless the watch has brought a newer one by then.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping

from recommender_operator.adapters.caches import Caches
from recommender_operator.adapters.kube import (
    BASELINES,
    MODELS,
    Kube,
    KubeError,
    Object,
    Resource,
)
from recommender_operator.adapters.store import Store, label_of
from recommender_operator.resources import labels as marks

CONFLICT, SERVER_FAILED = 409, 500
#: The version of what is not known.
NONE = -1
#: For how long the API server's answer counts that it has no such object, in seconds.
ABSENT = 30.0
#: Absent objects that are remembered, those asked for last.
REMEMBERED = 10_000
Objects = list[Object]
#: Kind, namespace, model or name.
Doubt = tuple[Resource, str, str]


class CachedKube:
    """Reads from caches, writes through."""

    def __init__(
        self, direct: Kube, caches: Caches, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._direct = direct
        self._caches = caches
        self._clock = clock
        #: When the API server said that it has no object of that kind, namespace and name.
        self._absent: dict[Doubt, float] = {}
        #: Names with the version that was known when a write failed; -1 if none was.
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
        asked = self._absent.pop((resource, namespace, name), None)
        if asked is None or self._clock() - asked >= ABSENT:
            asked = self._clock()
            found = await self._direct.get(resource, namespace, name)
            if found is not None:
                return found
        self._absent[resource, namespace, name] = asked
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
        if informer is not None:
            # Whichever the answer, there is no object of that uid that stays.
            informer.hide((namespace, name), uid)
        return done

    def _kept(
        self, resource: Resource, namespace: str, name: str, answer: Object | None
    ) -> Object | None:
        if answer is None:
            # It is gone, which the cache does not know yet.
            self._doubt(resource, namespace, name)
        else:
            self._keep(resource, answer)
        return answer

    def _keep(self, resource: Resource, answer: Object) -> None:
        informer = self._caches.of(resource, answer["metadata"].get("namespace"))
        # Without the label the watch would never say that it is gone.
        if informer is None or not (resource == MODELS or label_of(answer)):
            return
        if resource == BASELINES:
            # That a window starts is no cause to look: who starts it says when to look again.
            informer.store.put(answer)
        else:
            informer.take(answer)

    # --- doubts

    @contextlib.contextmanager
    def _doubted(
        self, resource: Resource, namespace: str, name: str, model: str = ""
    ) -> Iterator[None]:
        """Doubt what is known of an object when a write of it fails, or may have failed."""
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
        """Read what is in doubt, unless the watch has brought something newer."""
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
