"""Several processes of the operator with a real API server: only one acts at a time."""

from __future__ import annotations

import asyncio
import pathlib
import signal
import time

import pytest

from recommender_operator.__main__ import LOST_LEASE, OK
from recommender_operator.adapters.kinds import EVENTS, JOBS, MODELS, VERSIONS
from recommender_operator.controller.client import OfficialKube
from tests.integration import operator_api_rig as rig
from tests.integration.api_server_proxy import Outage, Proxy
from tests.integration.operator_process import Process, status_of, until
from tests.integration.operator_replicas import LEASE, deployed, replicas
from tests.scripted import ScriptedCluster

pytestmark = pytest.mark.integration

#: How often a leader is stopped in one test.
STOPS = 4
#: Seconds that the chart promises for its Lease of 10 s, which is longer than the one here.
FAILOVER = 15


async def test_another_replica_takes_over_after_a_kill_and_after_a_graceful_shutdown(
    kube: OfficialKube, namespace: str, tmp_path: pathlib.Path
) -> None:
    await kube.create(MODELS, rig.manifest(namespace))
    async with replicas(kube, namespace, tmp_path) as both:
        first = await both.leader()
        second = both.other(first)
        assert "recommender_operator_leader 1.0" in first.read(first.metrics, "/metrics")[1]
        assert "recommender_operator_leader 0.0" in second.read(second.metrics, "/metrics")[1]
        assert not second.text.count("VersionCreated")

        killed = time.monotonic()
        first.end(signal.SIGKILL)
        assert await both.leader(other_than=first.name) is second
        assert time.monotonic() - killed < FAILOVER

        await both.deployed(second)
        first.start()
        await both.standing_by(first)
        ended = time.monotonic()
        second.send(signal.SIGTERM)
        assert await both.leader(other_than=second.name) is first
        assert time.monotonic() - ended < FAILOVER
        assert second.wait() == OK
        assert "the lease is released" in second.text
    for version in await kube.list(VERSIONS, namespace, {}):
        assert version["status"]["stage"] == "Deploying"
    assert len(await kube.list(VERSIONS, namespace, {})) == 1


async def test_a_leader_that_is_stopped_after_a_write_and_resumed_later_changes_nothing(
    kube: OfficialKube, namespace: str, tmp_path: pathlib.Path
) -> None:
    """Once for each stage that starts a Job: after the first write of the stage that is seen."""
    async with replicas(kube, namespace, tmp_path) as both:
        await kube.create(MODELS, rig.manifest(namespace))
        before = await both.written_by_operator()
        for _ in range(STOPS):
            leader = await both.leader()

            async def written(seen: dict[str, str] = before) -> bool:
                return await both.written_by_operator() != seen

            await until("a write", written, leader)
            leader.send(signal.SIGSTOP)
            successor = await both.leader(other_than=leader.name)
            assert successor is both.other(leader)
            settled = await both.settled(successor)
            leader.send(signal.SIGCONT)
            assert leader.wait() == LOST_LEASE
            assert f"the lease is held by {successor.name}_" in leader.text
            changed = dict(set((await both.versions()).items()) - set(settled.items()))
            # An Event that was on its way when the leader was stopped may still arrive.
            assert [name for name in changed if not name.startswith(EVENTS.plural)] == []
            assert len(changed) <= 1
            leader.start()
            await both.standing_by(leader)
            before = await both.written_by_operator()
            await both.script.step()
    assert len(await kube.list(VERSIONS, namespace, {})) == 1
    names = [job["metadata"]["name"] for job in await kube.list(JOBS, namespace, {})]
    assert len(names) == len(set(names))


async def ready_again(process: Process) -> None:
    async def ready() -> bool:
        return (await asyncio.to_thread(process.read, process.health, "/readyz"))[0] == 200

    await until("a connection to the API server", ready, process)


async def lasts(outage: Outage, proxy: Proxy, process: Process, seconds: float) -> int:
    """Let an outage last, in which the process stays alive; return how often it was unready."""
    await proxy.cut(outage)
    cut, unready = time.monotonic(), 0
    while time.monotonic() - cut < seconds:
        alive, ready = [
            await asyncio.to_thread(process.read, process.health, path)
            for path in ("/healthz", "/readyz")
        ]
        assert alive[0] == 200, alive[1]
        unready += ready[0] == 503
        await asyncio.sleep(0.5)
    await proxy.mend()
    return unready


async def test_an_outage_of_the_api_server_restarts_nothing_and_work_continues_afterwards(
    kube: OfficialKube, namespace: str, tmp_path: pathlib.Path
) -> None:
    """First a silent one, of several times what liveness measures; then refusals and errors."""
    look, stall = 2, 6
    await kube.create(MODELS, rig.manifest(namespace))
    async with Proxy(rig.kubeconfig(), tmp_path) as proxy:
        process = Process(
            proxy.config(), tmp_path, namespace,
            namespace=namespace, lease_seconds=LEASE, look_seconds=look, stall_seconds=stall,
        )  # fmt: skip
        with process.running():

            async def working() -> bool:
                return (await status_of(kube, namespace)).get("stage") == "CheckingData"

            await until("a first stage", working, process)
            assert await lasts(Outage.SILENT, proxy, process, 2 * stall + 2 * look)
            for outage in (Outage.REFUSED, Outage.ERRORS):
                await ready_again(process)
                await lasts(outage, proxy, process, LEASE)
            await deployed(ScriptedCluster(kube, namespace=namespace), kube, namespace, process)
            await ready_again(process)
            assert process.read(process.health, "/healthz")[0] == 200
            assert process.text.count("standby: waiting") == 1
            assert "no other process led in between" in process.text
