"""Several processes of the operator with a real API server: only one acts at a time."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import re
import signal
import time
from collections.abc import AsyncIterator

import pytest

from recommender_operator.__main__ import LOST_LEASE, OK
from recommender_operator.adapters.kubernetes.client import OfficialKube
from recommender_operator.adapters.kubernetes.port import (
    EVENTS,
    INFERENCE_SERVICES,
    JOBS,
    MODELS,
    VERSIONS,
)
from recommender_operator.adapters.objects.finalizer import FINALIZER
from recommender_operator.adapters.objects.owned_writes import OwnedObjects
from recommender_operator.election import LEASES
from tests.integration import operator_api_rig as rig
from tests.integration.api_server_proxy import Outage, Proxy
from tests.integration.operator_process import Process, delete_model, status_of, until
from tests.scripted import ScriptedCluster

pytestmark = pytest.mark.integration

#: The duration of Leases in seconds: long, because a process is slow on a busy machine.
LEASE = 3
#: How often a leader is stopped in one test.
STOPS = 4


async def deployed(
    script: ScriptedCluster, kube: OfficialKube, namespace: str, process: Process
) -> None:
    """Complete the Jobs until the version waits for its service, whose pods never start."""

    async def waits() -> bool:
        for version in await kube.list(VERSIONS, namespace, {}):
            script.broken.add(version["metadata"]["name"])
        await script.step()
        return (await status_of(kube, namespace)).get("stage") == "Deploying"

    await until("the pipeline to go on", waits, process)


class Replicas:
    """The processes of one release, their model, and a script for the rest of the cluster."""

    def __init__(self, kube: OfficialKube, namespace: str, folder: pathlib.Path) -> None:
        self.kube = kube
        self.namespace = namespace
        self.script = ScriptedCluster(kube, namespace=namespace)
        self.processes = {
            name: Process(
                rig.kubeconfig(), folder, namespace,
                name=name, namespace=namespace, lease_seconds=LEASE,
            )
            for name in ("one", "two")
        }  # fmt: skip

    async def holder(self) -> str:
        """Return the name of the process that holds the Lease; empty if none does."""
        lease = await self.kube.get(LEASES, self.namespace, "recommender-operator")
        return str(((lease or {}).get("spec") or {}).get("holderIdentity") or "").split("_")[0]

    async def leader(self, *, other_than: str = "") -> Process:
        async def led() -> bool:
            return await self.holder() not in ("", other_than)

        await until("a leader", led, self.any)
        return self.processes[await self.holder()]

    def other(self, process: Process) -> Process:
        return next(p for p in self.processes.values() if p is not process)

    @property
    def any(self) -> Process:
        return next(iter(self.processes.values()))

    async def standing_by(self, process: Process) -> None:
        async def ready() -> bool:
            return process.read(process.health, "/readyz")[0] == 200

        await until("a standby that is ready", ready, process)

    async def versions(self) -> dict[str, str]:
        """Return the resourceVersion of everything that the operator writes."""
        found = {}
        for resource in (MODELS, VERSIONS, JOBS, INFERENCE_SERVICES, EVENTS):
            for thing in await self.kube.list(resource, self.namespace, {}):
                metadata = thing["metadata"]
                found[f"{resource.plural}/{metadata['name']}"] = metadata["resourceVersion"]
        return found

    async def deployed(self, process: Process) -> None:
        await deployed(self.script, self.kube, self.namespace, process)

    async def written_by_operator(self) -> dict[str, str]:
        """Return the resourceVersions without those that the script changes."""
        kinds = (f"{JOBS.plural}/", f"{INFERENCE_SERVICES.plural}/")
        return {
            name: v for name, v in (await self.versions()).items() if not name.startswith(kinds)
        }

    async def settled(self, process: Process) -> dict[str, str]:
        """Wait until a leader has reconciled and stopped writing, and return the objects."""
        seen, since = await self.versions(), time.monotonic()

        async def quiet() -> bool:
            nonlocal seen, since
            now = await self.versions()
            if now != seen or not idle(process):
                seen, since = now, time.monotonic()
            return time.monotonic() - since > 2

        await until("an end of the writes", quiet, process)
        return seen


def idle(process: Process) -> bool:
    """Whether a process has reconciled and is idle."""
    _, page = process.read(process.metrics, "/metrics")
    figures = dict(re.findall(r"^recommender_operator_(\w+) (\S+)$", page, re.MULTILINE))
    busy = ("queue_depth", "queue_working")
    return float(figures.get("reconcile_duration_seconds_count", 0)) > 0 and not any(
        float(figures.get(name, 1)) for name in busy
    )


@contextlib.asynccontextmanager
async def replicas(
    kube: OfficialKube, namespace: str, folder: pathlib.Path
) -> AsyncIterator[Replicas]:
    """Start one process, and the second once the first leads."""
    made = Replicas(kube, namespace, folder)
    with contextlib.ExitStack() as stack:
        for process in made.processes.values():
            stack.enter_context(process.running())
            await made.leader()
            await made.standing_by(process)
        yield made


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
        # The Lease, one retry of the standby, and a margin for a busy machine.
        assert time.monotonic() - killed < LEASE * 1.5 + 5

        await both.deployed(second)
        first.start()
        await both.standing_by(first)
        ended = time.monotonic()
        second.send(signal.SIGTERM)
        assert await both.leader(other_than=second.name) is first
        assert time.monotonic() - ended < 10
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
            assert leader.wait(30) == LOST_LEASE
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


async def test_only_one_of_two_releases_manages_a_model_and_a_label_moves_it_to_the_other(
    kube: OfficialKube, namespace: str, tmp_path: pathlib.Path
) -> None:
    def process(name: str, instance: str = "") -> Process:
        return Process(
            rig.kubeconfig(), tmp_path, namespace,
            name=name, namespace=namespace, lease_name=name, lease_seconds=LEASE,
            instance=instance, look_seconds=10,
        )  # fmt: skip

    first, second, blue = process("first"), process("second"), process("blue", "blue")

    async def claimed_by(name: str) -> bool:
        claim = (await status_of(kube, namespace)).get("operator") or {}
        return claim.get("release") == f"{namespace}/{name}"

    await kube.create(MODELS, rig.manifest(namespace))
    with first.running():
        await until("a claim", lambda: claimed_by("first"), first)
        with second.running(), blue.running():

            async def refused() -> bool:
                page = second.read(second.metrics, "/metrics")[1]
                return "recommender_operator_foreign_models 1.0" in page

            async def posted() -> bool:
                found = await kube.list(EVENTS, namespace, {})
                return "OtherRelease" in {event["reason"] for event in found}

            await until("a refusal", refused, second)
            await until("its Event", posted, second)
            assert await claimed_by("first")
            assert second.text.count(f"the release {namespace}/first manages this model") == 1
            requested = {
                "labels": {"recommender.dev/instance": "blue"},
                "annotations": {"recommender.dev/abort": "token-1"},
            }
            await kube.patch(MODELS, namespace, "movies", {"metadata": requested})
            await until("the move", lambda: claimed_by("blue"), blue)

            async def handled() -> bool:
                done = (await status_of(kube, namespace)).get("handled") or []
                return any(entry["token"] == "token-1" for entry in done)

            await until("the request to be handled", handled, blue)
            assert "the claim is removed" in first.text
            page = second.read(second.metrics, "/metrics")[1]
            assert "recommender_operator_foreign_models 0.0" in page


async def test_a_release_writes_nothing_to_a_model_that_another_release_manages(
    kube: OfficialKube, namespace: str, tmp_path: pathlib.Path
) -> None:
    process = Process(
        rig.kubeconfig(), tmp_path, namespace, namespace=namespace, lease_seconds=LEASE,
    )  # fmt: skip
    theirs = {"release": "elsewhere/operator", "instance": ""}
    raw = await kube.create(MODELS, rig.manifest(namespace))
    assert raw is not None
    before = await OwnedObjects(kube).write_status(MODELS, raw, {"operator": theirs})
    assert before is not None
    with process.running():

        async def refused() -> bool:
            page = process.read(process.metrics, "/metrics")[1]
            return "recommender_operator_foreign_models 1.0" in page

        await until("a refusal", refused, process)
        # A second model shows that the operator and Kopf have reached this point.
        second = {**rig.manifest(namespace), "metadata": {"name": "own", "namespace": namespace}}
        await kube.create(MODELS, second)

        async def held() -> bool:
            own = await kube.get(MODELS, namespace, "own")
            return own is not None and own["metadata"].get("finalizers") == [FINALIZER]

        await until("the finalizer of its own model", held, process)
        after = await kube.get(MODELS, namespace, "movies")
        assert after == before
        uid = before["metadata"]["uid"]
        assert await kube.delete(MODELS, namespace, "movies", uid=uid)
        # It has no finalizer.
        assert await kube.get(MODELS, namespace, "movies") is None
        await delete_model(kube, namespace, "own")

        async def gone() -> bool:
            return await kube.get(MODELS, namespace, "own") is None

        await until("its own model to go", gone, process)
