"""The Kopf handlers: startup and cleanup of the leader, and a second watch of the models.

Kopf writes nothing: no handler needs a finalizer or annotations. They would cost two writes per
model, and Kopf would add them to models of other releases too. The informers trigger passes.
Kopf's watch also reports deletions, and the liveness probe fails if it misses changes that passes
have read (`controller/health.py`). What is our own instead of Kopf's, and why: ADR 0147.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any, Protocol

import kopf

from recommender_contract.api_names import GROUP
from recommender_operator.adapters.kinds import MODELS
from recommender_operator.controller import login
from recommender_operator.controller.kube import Resource
from recommender_operator.process import instances
from recommender_operator.reconcile.reconciler import Key
from recommender_operator.resources import labels

#: A finalizer that no object has: Kopf removes its own finalizer if no handler needs it, and must
#: not remove the operator's.
UNUSED_FINALIZER = f"kopf.{GROUP}/unused"

Object = dict[str, Any]


class NoDiffs(kopf.DiffBaseStorage):
    """Stores and compares nothing.

    By default Kopf copies each object that its watch reports several times, to compare it with
    the last one, and no handler needs the difference.
    """

    def build(self, *, body: Any, extra_fields: Any = None) -> Any:  # noqa: ARG002
        return {}

    def fetch(self, *, body: Any) -> Any:  # noqa: ARG002
        return None

    def store(self, *, body: Any, patch: Any, essence: Any) -> None:
        """Store nothing."""


class Engine(Protocol):
    """The engine that the handlers call."""

    def wake(self, key: Key) -> None:
        """Request a reconcile."""
        ...

    def watched(self, key: Key, generation: int) -> None:
        """Handle a model that the watch reported."""
        ...

    async def start(self) -> None:
        """Start the workers."""
        ...

    async def stop(self) -> None:
        """Stop the workers."""
        ...


def settings(*, namespaced: bool, instance: str = "") -> kopf.OperatorSettings:
    """Return Kopf's settings for production.

    `namespaced`: the account may read only some namespaces, so nothing cluster-wide is watched.
    `instance`: the instance whose models are watched.
    """
    result = kopf.OperatorSettings()
    result.persistence.finalizer = UNUSED_FINALIZER
    result.persistence.diffbase_storage = NoDiffs()
    result.persistence.progress_storage = kopf.MultiProgressStorage([])
    # The reconcile posts the Events; Kopf would post one per handler.
    result.posting.level = 30
    result.posting.reporting_component = labels.MANAGER
    # The server ends a watch before the client's timeout; a silent watch ends earlier.
    result.watching.server_timeout = 300
    result.watching.client_timeout = 330
    result.watching.connect_timeout = 10
    result.watching.inactivity_timeout = 70
    result.networking.request_timeout = 30
    result.networking.connect_timeout = 10
    # Ten minutes in total. Afterwards Kopf ends the process if the server returns errors; it
    # retries a server that does not respond forever.
    result.networking.error_backoffs = (1, 1, 2, 3, 5, 8, 13, 21, *[30] * 19)
    result.queueing.worker_limit = 100
    # A worker that waits for the next event of its model keeps the last one, and its place. With
    # the default of 5 s, 1,000 models that change wait for places, and all their events for them.
    result.queueing.idle_timeout = 0.05
    result.execution.default_backoff = 5
    result.background.cancellation_polling = 10
    result.background.instant_exit_timeout = 2
    result.process.ultimate_exiting_timeout = 20
    result.scanning.disabled = namespaced
    result.peering.standalone = True
    result.watching.label_selectors[MODELS.group, MODELS.plural] = instances.selector(instance)
    return result


def registry(engine: Engine, fence: Callable[[], None] = lambda: None) -> kopf.OperatorRegistry:
    """Return the handlers; `fence` raises if this process may not write."""
    result = kopf.OperatorRegistry()
    _life(result, engine, fence)
    _models(result, engine)
    return result


def _life(target: kopf.OperatorRegistry, engine: Engine, fence: Callable[[], None]) -> None:
    async def start(**_: Any) -> None:
        await engine.start()

    async def stop(**_: Any) -> None:
        await engine.stop()

    async def log_in(**kwargs: Any) -> kopf.AiohttpSession | None:
        return login.connect(fence, **kwargs)

    kopf.on.login(registry=target)(log_in)
    kopf.on.startup(registry=target)(start)
    kopf.on.cleanup(registry=target)(stop)


def _models(target: kopf.OperatorRegistry, engine: Engine) -> None:
    at = _address(MODELS)

    async def watched(event: Any, **_: Any) -> None:
        metadata = event["object"]["metadata"]
        key = Key(metadata["namespace"], metadata["name"])
        engine.watched(key, int(metadata.get("generation") or 0))
        if event["type"] == "DELETED":
            engine.wake(key)

    kopf.on.event(*at, id="watched", registry=target)(watched)


def _address(resource: Resource) -> tuple[str, str, str]:
    return resource.group, resource.version, resource.plural


async def run_operator(
    engine: Engine,
    *,
    fence: Callable[[], None],
    instance: str,
    namespaces: tuple[str, ...],
) -> None:
    """Run until a signal, or until cancelled."""
    try:
        await kopf.operator(
            registry=registry(engine, fence),
            settings=settings(namespaced=bool(namespaces), instance=instance),
            standalone=True,
            clusterwide=not namespaces,
            namespaces=namespaces,
        )
    finally:
        # Kopf leaves open generators of its watches in reference cycles. The collector closes them
        # in the right order; `asyncio.run` would close all at once and log their errors.
        gc.collect()
