"""The caches of all kinds that a look reads."""

from __future__ import annotations

import asyncio
import functools
import heapq
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from recommender_operator.adapters.caches.informer import Informer, Observer, Rhythm
from recommender_operator.adapters.caches.slim import slim, wanted_of_model
from recommender_operator.adapters.caches.store import Store, label_of, name_of
from recommender_operator.adapters.caches.unparsed import Place
from recommender_operator.adapters.caches.urgency import urgency_of
from recommender_operator.adapters.caches.watching import Scope, Source
from recommender_operator.adapters.kubernetes.port import (
    AUTOSCALERS,
    BASELINES,
    BUDGETS,
    HTTP_ROUTES,
    INFERENCE_SERVICES,
    JOBS,
    MODELS,
    NETWORK_POLICIES,
    PODS,
    REVISIONS,
    SCALED_OBJECTS,
    TRAIN_JOBS,
    VERSIONS,
    Resource,
)
from recommender_operator.resources import labels

#: The resourceVersions of a model's objects.
Trace = tuple[int, ...]

logger = logging.getLogger(__name__)

#: Kinds of children, which have the model's label.
CHILDREN = (
    VERSIONS,
    BASELINES,
    JOBS,
    PODS,
    INFERENCE_SERVICES,
    HTTP_ROUTES,
    BUDGETS,
    NETWORK_POLICIES,
    AUTOSCALERS,
    TRAIN_JOBS,
    REVISIONS,
)
KINDS = (MODELS, *CHILDREN)
#: Those that are children only with `keda.enabled` in the chart, which gives the rights.
KINDS_WITH_KEDA = (*KINDS, SCALED_OBJECTS)


class Figures(Protocol):
    """The metrics of the caches."""

    def watch_caches(self, caches: Callable[[], Iterable[Informer]]) -> None:
        """Collect numbers of objects and ages from the caches."""
        ...

    def cache_listed(self, resource: str, why: str) -> None:
        """Count a list."""
        ...


class Caches:
    """An informer per kind, and per namespace if not all namespaces are watched."""

    def __init__(
        self,
        source: Source,
        *,
        namespaces: Sequence[str],
        wake: Callable[[str, str], None],
        figures: Figures,
        known: Callable[[str, str], None] = lambda _namespace, _model: None,
        models: str = "",
        kinds: Sequence[Resource] = KINDS,
        rhythm: Rhythm | None = None,
    ) -> None:
        """`wake` is called with namespace and name of a model that must be reconciled.

        `known` is called for all models at each resync, because the queue may have dropped some.
        `models` is the label selector of the models; all if it is empty.
        """
        self._source = source
        self._namespaces: tuple[str | None, ...] = tuple(namespaces) or (None,)
        self._wake = wake
        self._figures = figures
        self._known = known
        self._models = models
        self._kinds = tuple(kinds)
        self._rhythm = rhythm
        self._informers: dict[Resource, dict[str | None, Informer]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        figures.watch_caches(lambda: tuple(self._all()))

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
            for resource in self._kinds
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

    def models(self) -> list[Place]:
        """Return namespace and name of the models in the caches, the most urgent first."""
        stores = [informer.store for informer in self._informers.get(MODELS, {}).values()]
        return [place for _, place in heapq.merge(*(store.by_urgency() for store in stores))]

    def ended(self) -> bool:
        """Return whether a watch has ended unexpectedly."""
        return any(task.done() for task in self._tasks)

    def of(self, resource: Resource, namespace: str | None) -> Informer | None:
        """Return the informer of a kind in a namespace; None if there is none."""
        kept = self._informers.get(resource, {})
        return kept.get(None) or kept.get(namespace)

    def trace(self, namespace: str, model: str) -> Trace | None:
        """Return what changes with any cached object of a model; None if a cache is stale."""
        found: list[int] = []
        for resource in self._kinds:
            informer = self.of(resource, namespace)
            if informer is None or not informer.current:
                return None
            # Between two kinds, because an object may go as another one appears.
            found += (*informer.store.trace(namespace, model), len(found))
        return tuple(found)

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
        is_model = resource == MODELS
        store = Store(
            slim=functools.partial(slim, resource),
            meaning=wanted_of_model if is_model else None,
            model_of=name_of if is_model else label_of,
            urgency=urgency_of if is_model else lambda _: 0,
        )
        observer = Observer(
            changed=self._wake,
            served=lambda _: self._wake_all(),
            listed=lambda why: self._listed(resource, store, why),
        )
        selector = self._models if is_model else labels.MODEL
        scope = Scope(resource, namespace, selector)
        return Informer(self._source, scope, store, observer=observer, rhythm=self._rhythm)

    def _listed(self, resource: Resource, store: Store, why: str) -> None:
        self._figures.cache_listed(resource.plural, why)
        if resource == MODELS and why == "resync":
            for namespace, model in store.models():
                self._known(namespace, model)

    def _wake_all(self) -> None:
        for namespace, model in self.models():
            self._wake(namespace, model)
