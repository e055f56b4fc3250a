"""What Kopf is for here: the life of the process that leads, and a second watch of the models.

Kopf writes nothing: it has no handler that needs a finalizer or annotations. These would cost two
writes of each model, and Kopf would mark every model that it sees, those included that another
release acts on. The informers ask for looks. Kopf's watch is compared with what looks read, so
that a cache that has missed a model is noticed (`health.py`).
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any, Protocol

import kopf

from recommender_operator import instances, login
from recommender_operator.adapters.kube import MODELS, Resource
from recommender_operator.api.base import GROUP
from recommender_operator.reconcile import Key
from recommender_operator.resources import labels

#: A finalizer that no object has: Kopf removes its own where no handler needs it, and must not
#: take that of the operator for one.
UNUSED_FINALIZER = f"kopf.{GROUP}/unused"

Object = dict[str, Any]


class Engine(Protocol):
    """What the handlers wake."""

    def wake(self, key: Key) -> None:
        """Ask for a reconcile."""
        ...

    def watched(self, key: Key, generation: int) -> None:
        """The watch brought a model."""
        ...

    async def start(self) -> None:
        """Start the workers."""
        ...

    async def stop(self) -> None:
        """End the workers."""
        ...


def settings(*, namespaced: bool, instance: str = "") -> kopf.OperatorSettings:
    """Return Kopf's settings for production.

    `namespaced`: the account may read some namespaces alone, so nothing cluster-wide is watched.
    `instance`: whose models are watched.
    """
    result = kopf.OperatorSettings()
    result.persistence.finalizer = UNUSED_FINALIZER
    # Own Events are posted by the reconcile; Kopf's would be one for each handler that ran.
    result.posting.level = 30
    result.posting.reporting_component = labels.MANAGER
    # The server ends a watch before the client gives up on it; a silent one ends sooner.
    result.watching.server_timeout = 300
    result.watching.client_timeout = 330
    result.watching.connect_timeout = 10
    result.watching.inactivity_timeout = 70
    result.networking.request_timeout = 30
    result.networking.connect_timeout = 10
    # Ten minutes in all. Kopf ends the process afterwards if the server answers with errors; one
    # that does not answer is tried for ever.
    result.networking.error_backoffs = (1, 1, 2, 3, 5, 8, 13, 21, *[30] * 19)
    result.queueing.worker_limit = 100
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


async def run(
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
        # Kopf leaves the generators of its watches half open, in reference cycles. Collected, each
        # is closed after what it holds; `asyncio.run` closes all at once and logs their errors.
        gc.collect()
