"""The caches of an object that is reconciled, the parent, and of its children of all kinds."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from recommender_operator.controller.informer import Informer, Observer, Rhythm
from recommender_operator.controller.kube import Object, Resource
from recommender_operator.controller.store import Store, name_of
from recommender_operator.controller.unparsed import Place
from recommender_operator.controller.watching import Scope, Source


class CacheMetrics(Protocol):
    """The metrics of the caches."""

    def watch_caches(self, caches: Callable[[], Iterable[Informer]]) -> None:
        """Collect numbers of objects and ages from the caches."""
        ...

    def cache_listed(self, resource: str, why: str) -> None:
        """Count a list."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Watched:
    """The kinds that the caches keep, and the fields of their objects."""

    #: The kind that is reconciled.
    parent: Resource
    #: Label selector of the parents; all if it is empty.
    selector: str = ""
    children: tuple[Resource, ...]
    #: Label of a child: the name of its parent.
    label: str
    #: Removes the fields of an object that nobody reads.
    slim: Callable[[Resource, Object], Object]
    #: A change of this part of a parent is a cause to reconcile it.
    wanted: Callable[[Object], Object]
    #: A new leader first reconciles the parents with the lowest number.
    urgency: Callable[[Object], int]
    #: Kinds whose own writes are no cause to reconcile.
    quiet: frozenset[Resource] = frozenset()
    #: Kinds whose objects still act after their deletion, until their finalizers are removed.
    finalized: frozenset[Resource] = frozenset()

    @property
    def kinds(self) -> tuple[Resource, ...]:
        """All kinds."""
        return (self.parent, *self.children)


class Caches:
    """An informer per kind, and per namespace if not all namespaces are watched."""

    def __init__(
        self,
        source: Source,
        watched: Watched,
        *,
        namespaces: Sequence[str],
        wake: Callable[[str, str], None],
        metrics: CacheMetrics,
        known: Callable[[str, str], None] = lambda _namespace, _parent: None,
        rhythm: Rhythm | None = None,
    ) -> None:
        """`wake` is called with namespace and name of a parent that must be reconciled.

        `known` is called for all parents at each resync, because the queue may have dropped some.
        """
        self.watched = watched
        self._source = source
        self._namespaces: tuple[str | None, ...] = tuple(namespaces) or (None,)
        self._wake = wake
        self._metrics = metrics
        self._known = known
        self._rhythm = rhythm
        self._informers: dict[Resource, dict[str | None, Informer]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        metrics.watch_caches(lambda: tuple(self._all()))

    async def start(self) -> None:
        """Start the watches with empty caches, unless all of them run."""
        if self.ended():
            await self.stop()
        if self._tasks:
            return
        self._informers = {
            resource: {
                namespace: self._informer(resource, namespace) for namespace in self._namespaces
            }
            for resource in self.watched.kinds
        }
        self._tasks = [
            asyncio.create_task(informer.run(), name=f"watch {informer.scope.resource.name}")
            for informer in self._all()
        ]

    async def stop(self) -> None:
        """Stop the watches; later reads go to the API server."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        self._informers = {}

    def parents(self) -> list[Place]:
        """Return namespace and name of the parents in the caches, the most urgent first."""
        parents = self._informers.get(self.watched.parent, {}).values()
        stores = [informer.store for informer in parents]
        return [place for _, place in heapq.merge(*(store.by_urgency() for store in stores))]

    def ended(self) -> bool:
        """Return whether a watch has ended unexpectedly."""
        return any(task.done() for task in self._tasks)

    def of(self, resource: Resource, namespace: str | None) -> Informer | None:
        """Return the informer of a kind in a namespace; None if there is none."""
        kept = self._informers.get(resource, {})
        return kept.get(None) or kept.get(namespace)

    def serves(self, resource: Resource) -> bool | None:
        """Return whether the API server serves a kind; None if no cache knows."""
        kept = list(self._informers.get(resource, {}).values())
        if not kept or not all(informer.synced for informer in kept):
            return None
        return all(informer.served for informer in kept)

    def _all(self) -> Iterator[Informer]:
        for kept in self._informers.values():
            yield from kept.values()

    def _informer(self, resource: Resource, namespace: str | None) -> Informer:
        watched = self.watched
        is_parent = resource == watched.parent
        store = Store(
            watched.label,
            slim=functools.partial(watched.slim, resource),
            meaning=watched.wanted if is_parent else None,
            parent_of=name_of if is_parent else None,
            urgency=watched.urgency if is_parent else lambda _: 0,
        )
        observer = Observer(
            changed=self._wake,
            served=lambda _: self._wake_all(),
            listed=lambda why: self._listed(resource, store, why),
        )
        selector = watched.selector if is_parent else watched.label
        scope = Scope(resource, namespace, selector)
        return Informer(self._source, scope, store, observer=observer, rhythm=self._rhythm)

    def _listed(self, resource: Resource, store: Store, why: str) -> None:
        self._metrics.cache_listed(resource.plural, why)
        if resource == self.watched.parent and why == "resync":
            for namespace, parent in store.parents():
                self._known(namespace, parent)

    def _wake_all(self) -> None:
        for namespace, parent in self.parents():
            self._wake(namespace, parent)
