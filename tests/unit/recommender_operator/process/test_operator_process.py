"""Probes of a standby and of a leader, and the time limits of their work."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import pathlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, NoReturn

import aiohttp
import kopf
import pytest
import yaml
from aiohttp import web

from recommender_operator.adapters import model_caches
from recommender_operator.controller import login, probes
from recommender_operator.controller.election import LostLeaseError
from recommender_operator.controller.health import StaleError
from recommender_operator.controller.kube import NotLeaderError
from recommender_operator.process import kopf_handlers
from recommender_operator.process.operator_process import Process
from recommender_operator.process.runtime import FENCED_WAIT, LookTimeoutError, Runtime
from recommender_operator.process.settings import Settings
from recommender_operator.reconcile.reconciler import Key
from tests.ports import free_port

SETTINGS = Settings(training_image="training:1", serving_image="serving:1", namespace="system")
KEY = Key("team", "movies")


@dataclasses.dataclass
class Election:
    leads: bool = False
    untried: float = 0.0
    unanswered: float = 0.0


def never(lost: BaseException) -> NoReturn:
    raise AssertionError(lost)


class Rig:
    def __init__(self, *, leading: bool) -> None:
        self.process = Process(SETTINGS, end=never)
        self.election = Election(leads=leading)
        self.process.elector = self.election  # type: ignore[assignment]
        self.process._leading = leading


def test_a_standby_is_alive_and_ready_without_any_work() -> None:
    rig = Rig(leading=False)
    assert rig.process.alive() == rig.process.ready() == {"leader": 0, "lease": 0}


def test_a_standby_that_cannot_read_the_lease_is_alive_and_not_ready() -> None:
    rig = Rig(leading=False)
    rig.election.unanswered = 11
    rig.process.alive()
    with pytest.raises(StaleError, match="could not be read for 11 s"):
        rig.process.ready()


def test_a_process_whose_election_stalls_is_restarted() -> None:
    rig = Rig(leading=False)
    rig.election.untried = 181
    with pytest.raises(StaleError, match="no try to take or renew the lease for 181 s"):
        rig.process.alive()


def test_a_leader_answers_with_the_figures_of_its_work() -> None:
    rig = Rig(leading=True)
    figures = rig.process.alive()
    assert figures["leader"] == 1
    assert {"stalled", "working", "watch", "waiting"} <= set(figures)
    assert rig.process.ready() == figures


def test_a_leader_that_could_not_renew_is_alive_and_not_ready() -> None:
    rig = Rig(leading=True)
    rig.election.leads = False
    rig.process.alive()
    with pytest.raises(StaleError, match="writes are disabled"):
        rig.process.ready()


def test_every_process_is_another_candidate_though_its_pod_is_the_same() -> None:
    names = {Process(SETTINGS, end=never).elector._identity for _ in range(2)}
    assert len(names) == 2
    assert all(name.startswith("recommender-operator_") for name in names)


@contextlib.asynccontextmanager
async def port_of(check: probes.Check) -> AsyncIterator[int]:
    port = free_port()
    async with probes.served(port, alive=check, ready=lambda: {"fine": 1.0}):
        yield port


async def test_a_failing_probe_reports_the_reason() -> None:
    def stale() -> dict[str, float]:
        raise StaleError("the watch has missed a change")

    async with port_of(stale) as port, aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{port}/healthz") as answer:
            assert answer.status == 503
            assert await answer.json() == {"error": "the watch has missed a change"}
        async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
            assert answer.status == 200
            assert await answer.json() == {"fine": 1.0}


class Looks:
    def __init__(self) -> None:
        self.count = 0
        self.ended = False

    async def reconcile(self, _key: Key) -> float:
        self.count += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.ended = True
        return 1.0


def runtime(looks: Any, fence: Any = lambda: None) -> Runtime:
    # Less than the minimum of the setting.
    settings = SETTINGS.model_copy(update={"look_seconds": 0.01})
    made = Runtime(settings, fence=fence)
    made._reconciler = looks
    return made


class FilledCaches:
    """Caches that hold a model; the watch reports a change of it whenever they start."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self.watched = model_caches.watched()

    async def start(self) -> None:
        self._changed()

    async def stop(self) -> None: ...

    def parents(self) -> list[tuple[str, str]]:
        return [("team", "movies")]


async def test_a_standby_with_filled_caches_requests_no_look_before_it_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = Runtime(SETTINGS, fence=lambda: None)
    made._caches = FilledCaches(lambda: made.wake(KEY))  # type: ignore[assignment]
    schedule = made.queue.schedule
    await made.prepare()
    made._known("team", "movies")
    # A resync adds models for later.
    assert schedule.depth(time.monotonic() + SETTINGS.requeue_seconds) == 0

    async def idle() -> None: ...

    monkeypatch.setattr(made.queue, "run", idle)
    await made.start()
    assert schedule.depth(time.monotonic()) == 1
    await made.stop()
    await made.close()


async def test_a_look_that_gets_no_answer_ends_at_its_limit_and_fails() -> None:
    looks = Looks()
    made = runtime(looks)
    with pytest.raises(LookTimeoutError, match="longer than"):
        await made._work(KEY)
    assert looks.ended
    sample = made.metrics.registry.get_sample_value(
        "recommender_operator_reconcile_errors_total", {"error": "LookTimeoutError"}
    )
    assert sample == 1


async def test_a_process_that_may_not_write_starts_no_look_and_reports_no_error() -> None:
    def closed() -> None:
        raise NotLeaderError("another one leads")

    looks = Looks()
    assert await runtime(looks, closed)._work(KEY) == FENCED_WAIT
    assert looks.count == 0


async def test_a_look_that_loses_the_lease_midway_is_not_an_error() -> None:
    class Losing:
        async def reconcile(self, _key: Key) -> float:
            raise NotLeaderError("another one leads")

    assert await runtime(Losing())._work(KEY) == FENCED_WAIT


async def test_kopf_can_always_read_but_writes_only_through_the_fence(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, str | None]] = []

    async def serve(request: web.Request) -> web.Response:
        seen.append((request.method, request.headers.get("Authorization")))
        return web.json_response({})

    def closed() -> None:
        raise NotLeaderError("another one leads")

    server = web.Server(serve)  # type: ignore[arg-type]
    runner = web.ServerRunner(server)
    await runner.setup()
    await (site := web.TCPSite(runner, "127.0.0.1", 0)).start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    address = f"http://127.0.0.1:{port}"
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": address}}],
        "users": [{"name": "u", "user": {"token": "secret"}}],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    monkeypatch.setenv("KUBECONFIG", str(path))
    found = login.connect(
        closed, logger=logging.getLogger("test"), settings=kopf.OperatorSettings()
    )
    assert isinstance(found, kopf.AiohttpSession)
    assert found.server == address
    async with found.aiohttp_session as session:
        async with session.get(f"{address}/api"):
            pass
        for method in ("PATCH", "POST", "PUT", "DELETE"):
            # Kopf retries this kind of failure.
            with pytest.raises(aiohttp.ClientConnectionError, match="another one leads"):
                await session.request(method, f"{address}/api")
    await runner.cleanup()
    assert seen == [("GET", "Bearer secret")]


class Ended(BaseException):
    """The process exits without cleanup."""


def end(lost: BaseException) -> NoReturn:
    raise Ended from lost


class LosingElection(Election):
    released = False

    def fence(self) -> None: ...

    async def keep(self) -> None:
        await asyncio.sleep(0)
        raise LostLeaseError("the lease is held by another")

    async def release(self) -> None:
        self.released = True


async def test_a_leader_that_lost_its_lease_exits_without_cleanup(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: dict[str, Any] = {}

    async def run(_engine: object, **options: Any) -> None:
        started.update(options)
        try:
            await asyncio.Event().wait()
        finally:
            started["tidied"] = True

    monkeypatch.setattr(kopf_handlers, "run_operator", run)
    process, election = Process(SETTINGS, end=end), LosingElection()
    process.elector = election  # type: ignore[assignment]
    with pytest.raises(Ended):
        await process._lead(asyncio.Event())
    assert "tidied" not in started
    assert not election.released
    assert started["fence"] == election.fence
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


class KeepingElection(LosingElection):
    async def keep(self) -> None:
        await asyncio.Event().wait()


async def test_a_terminated_leader_releases_the_lease_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    election, tidied = KeepingElection(), []

    async def run(_engine: object, **_: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            tidied.append(election.released)

    monkeypatch.setattr(kopf_handlers, "run_operator", run)
    process, stop = Process(SETTINGS, end=never), asyncio.Event()
    process.elector = election  # type: ignore[assignment]
    leading = asyncio.create_task(process._lead(stop))
    await asyncio.sleep(0)
    stop.set()
    await leading
    assert (tidied, election.released) == ([False], True)


def test_writes_of_a_process_pass_its_own_fence_and_its_renewals_come_in_time() -> None:
    process = Process(SETTINGS, end=never)
    runtime, fence = process.runtime, process.elector.fence
    assert runtime._fence == runtime._kube._fence == fence
    limit = process._leases._transport._timeout.total
    assert limit is not None
    # Two attempts fit before the fence closes.
    assert 2 * limit <= process._terms.deadline
    assert process._leases._pauses == ()
