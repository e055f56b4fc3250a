"""Kopf's settings and handlers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import kopf
import pytest
from kopf._core.reactor import queueing

from recommender_operator.adapters.objects.finalizer import FINALIZER
from recommender_operator.process import kopf_handlers
from recommender_operator.reconcile.reconciler import Key


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


@pytest.mark.parametrize(
    ("kind", "wakes"), [(None, False), ("ADDED", False), ("DELETED", True), ("MODIFIED", False)]
)
async def test_the_watch_triggers_a_look_at_a_deleted_model_and_feeds_the_liveness_check(
    kind: str | None, wakes: bool
) -> None:
    engine = Engine()
    registry: Any = kopf_handlers.registry(engine)
    (handler,) = registry._watching._handlers
    metadata = {"namespace": "team", "name": "movies", "generation": 7}
    await handler.fn(event={"type": kind, "object": {"metadata": metadata}})
    key = Key("team", "movies")
    assert (engine.seen, engine.woken) == ([(key, 7)], [key] if wakes else [])


def test_kopf_has_no_handler_that_adds_a_finalizer_or_annotations() -> None:
    registry: Any = kopf_handlers.registry(Engine())
    assert registry._changing._handlers == registry._spawning._handlers == []


def test_kopf_neither_copies_nor_compares_what_its_watch_reports() -> None:
    persistence: Any = kopf_handlers.settings(namespaced=False).persistence
    body = kopf.Body({"metadata": {"annotations": {"a": "b"}}, "spec": {"field": 1}})
    storage = persistence.diffbase_storage
    assert (storage.build(body=body), storage.fetch(body=body)) == ({}, None)
    assert not persistence.progress_storage.storages


def test_kopf_does_not_remove_the_operators_finalizer() -> None:
    """Kopf removes its finalizer from watched objects if no handler needs it."""
    settings: Any = kopf_handlers.settings(namespaced=False)
    assert settings.persistence.finalizer != FINALIZER


def test_every_wait_of_kopf_has_a_limit() -> None:
    settings: Any = kopf_handlers.settings(namespaced=False)
    watching, networking = settings.watching, settings.networking
    limits = (
        watching.server_timeout, watching.client_timeout, watching.connect_timeout,
        networking.request_timeout, networking.connect_timeout,
        settings.queueing.worker_limit, settings.process.ultimate_exiting_timeout,
    )  # fmt: skip
    assert all(limit is not None and limit > 0 for limit in limits)
    assert watching.client_timeout > watching.server_timeout
    assert watching.inactivity_timeout < watching.server_timeout


async def test_no_model_waits_for_the_place_of_one_that_has_no_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Kopf gives each model a worker, and only 100 at a time have one."""
    seen: set[str] = set()
    done = asyncio.Event()
    models = [f"model-{number}" for number in range(300)]

    async def events(**_: Any) -> AsyncIterator[Any]:
        for name in models:
            yield {"type": "MODIFIED", "object": {"metadata": {"uid": name}}}
        await done.wait()

    async def process(*, raw_event: Any, **_: Any) -> None:
        seen.add(raw_event["object"]["metadata"]["uid"])
        if len(seen) == len(models):
            done.set()

    monkeypatch.setattr("kopf._core.reactor.queueing.watching.infinite_watch", events)
    settings = kopf_handlers.settings(namespaced=False)
    assert settings.queueing.idle_timeout < 1, "a place is free soon after the last event"
    resource: Any = "models"
    async with asyncio.timeout(60):
        await queueing.watcher(
            namespace=None, settings=settings, resource=resource, processor=process
        )
    assert seen == set(models)


def test_an_api_server_that_answers_with_errors_for_ten_minutes_ends_nothing() -> None:
    backoffs: Any = kopf_handlers.settings(namespaced=False).networking.error_backoffs
    assert sum(backoffs) > 600
    assert max(backoffs) <= 30


def test_kopf_posts_no_events_of_its_own_below_a_warning() -> None:
    assert kopf_handlers.settings(namespaced=False).posting.level == logging.WARNING


@pytest.mark.parametrize("namespaced", [True, False])
def test_with_rights_only_in_namespaces_nothing_cluster_wide_is_watched(namespaced: bool) -> None:
    assert kopf_handlers.settings(namespaced=namespaced).scanning.disabled is namespaced


def test_kopf_watches_only_the_models() -> None:
    registry = kopf_handlers.registry(Engine())
    parts: tuple[Any, ...] = (registry._changing, registry._watching, registry._spawning)
    selectors = [handler.selector for part in parts for handler in part._handlers]
    assert {selector.any_name for selector in selectors if selector} == {"recommendermodels"}


@pytest.mark.parametrize(
    ("instance", "selector"),
    [("", "!recommender.dev/instance"), ("blue", "recommender.dev/instance=blue")],
)
def test_the_server_sends_only_models_of_the_instance(instance: str, selector: str) -> None:
    watching = kopf_handlers.settings(namespaced=False, instance=instance).watching
    assert list(watching.label_selectors.values()) == [selector]
