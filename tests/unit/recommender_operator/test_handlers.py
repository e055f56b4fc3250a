"""How Kopf is set up: its traps are avoided here, so they are tested here."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from recommender_operator import handlers
from recommender_operator.adapters.finalizer import FINALIZER
from recommender_operator.reconcile import Key


class Engine:
    def __init__(self) -> None:
        self.woken: list[Key] = []
        self.seen: list[tuple[Key, int]] = []

    def wake(self, key: Key) -> None:
        self.woken.append(key)

    def watched(self, key: Key, generation: int) -> None:
        self.seen.append((key, generation))

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


def functions(engine: Engine) -> dict[str, Any]:
    """Return the registered handlers' functions by their id."""
    registry = handlers.registry(engine)
    found: dict[str, Any] = {}
    for part in (registry._changing, registry._watching, registry._spawning):
        for handler in part._handlers:
            found[f"{getattr(handler, 'reason', None) or ''}{handler.id}"] = handler
    return found


async def call(handler: Any, **values: Any) -> None:
    await handler.fn(
        **({"namespace": "team", "name": "movies", "uid": "u", "labels": {}} | values)
    )


def test_no_handler_makes_kopf_write_to_a_model() -> None:
    registry = handlers.registry(Engine())
    parts: tuple[Any, ...] = (registry._changing, registry._spawning, registry._indexing)
    assert [handler for part in parts for handler in part._handlers] == []
    # Kopf takes its finalizer away where no handler needs it.
    assert handlers.settings(namespaced=False).persistence.finalizer != FINALIZER


async def test_the_watch_of_models_is_told_to_the_liveness_check() -> None:
    engine = Engine()
    metadata = {"namespace": "team", "name": "movies", "generation": 7}
    event = {"type": "MODIFIED", "object": {"metadata": metadata}}
    handler = functions(engine)["watched"]
    await call(handler, event=event)
    assert (engine.seen, engine.woken) == ([(Key("team", "movies"), 7)], [])
    await call(handler, event=event | {"type": "DELETED"})
    assert engine.woken == [Key("team", "movies")]


def test_no_wait_of_kopf_is_without_a_limit() -> None:
    settings: Any = handlers.settings(namespaced=False)
    watching, networking = settings.watching, settings.networking
    limits = (
        watching.server_timeout, watching.client_timeout, watching.connect_timeout,
        networking.request_timeout, networking.connect_timeout,
        settings.queueing.worker_limit, settings.process.ultimate_exiting_timeout,
    )  # fmt: skip
    assert all(limit is not None and limit > 0 for limit in limits)
    assert watching.client_timeout > watching.server_timeout
    assert watching.inactivity_timeout < watching.server_timeout


def test_an_api_server_that_answers_with_errors_for_ten_minutes_ends_nothing() -> None:
    backoffs: Any = handlers.settings(namespaced=False).networking.error_backoffs
    assert sum(backoffs) > 600
    assert max(backoffs) <= 30


def test_kopf_posts_no_events_of_its_own_below_a_warning() -> None:
    assert handlers.settings(namespaced=False).posting.level == logging.WARNING


@pytest.mark.parametrize("namespaced", [True, False])
def test_nothing_cluster_wide_is_watched_with_rights_in_namespaces_alone(namespaced: bool) -> None:
    assert handlers.settings(namespaced=namespaced).scanning.disabled is namespaced


def test_kopf_watches_the_models_alone() -> None:
    registry = handlers.registry(Engine())
    parts: tuple[Any, ...] = (registry._changing, registry._watching, registry._spawning)
    selectors = [handler.selector for part in parts for handler in part._handlers]
    assert {selector.any_name for selector in selectors if selector} == {"recommendermodels"}


@pytest.mark.parametrize(
    ("instance", "selector"),
    [("", "!recommender.dev/instance"), ("blue", "recommender.dev/instance=blue")],
)
def test_the_server_sends_only_models_of_the_instance(instance: str, selector: str) -> None:
    watching = handlers.settings(namespaced=False, instance=instance).watching
    assert list(watching.label_selectors.values()) == [selector]
