"""Every write of a whole lifecycle, with real processes: frozen after it, and resumed later.

Each leader stops itself (SIGSTOP) right after the first write that changes something, at any
place of a look. Another process takes over and goes on until it is stopped after its own first
write. Then the earlier one is resumed: it must end because it has lost the Lease, and nothing
that the operator writes may have changed. So a lifecycle is made by as many leaders as it has
writes: a first version until it serves, a second one until it is promoted, and the deletion.

The API server is real, and plays with the simulated cluster of `make bench-operator`. A freeze
lasts as long as the next leader needs for its write, a multiple of the Lease, and not ten
minutes: the operator compares its clock only with the Lease's deadline, so longer freezes do not
differ. That of ten minutes is simulated (`tests/unit/recommender_operator/test_frozen.py`).

The last line is one JSON object; the exit code is 1 if a resumed operator changed anything, or
the lifecycle has not ended.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
import os
import pathlib
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable

from recommender_operator.__main__ import LOST_LEASE
from recommender_operator.adapters.kubernetes.client import OfficialKube
from recommender_operator.adapters.kubernetes.port import (
    BASELINES,
    BUDGETS,
    CLAIMS,
    EVENTS,
    HTTP_ROUTES,
    INFERENCE_SERVICES,
    JOBS,
    MODELS,
    NETWORK_POLICIES,
    VERSIONS,
)
from tests.benchmarks.operator_cluster import Simulator
from tests.benchmarks.operator_fleet import MERGE, SPEC
from tests.freeze.stopping import NOTE
from tests.integration import operator_api_rig as rig
from tests.integration.operator_process import Process, delete_model, status_of
from tests.integration.operator_replicas import idle

WRITTEN = (
    MODELS, VERSIONS, JOBS, INFERENCE_SERVICES, HTTP_ROUTES, BASELINES, BUDGETS,
    NETWORK_POLICIES, EVENTS,
)  # fmt: skip
#: The duration of the Lease, and how long nothing may change before something is compared.
LEASE, QUIET = 3, 1.5
#: Maximum time until a process has done what is waited for, in seconds.
PATIENCE = 300.0
#: A lifecycle has about 70 writes; many more mean that the leaders repeat one of them.
MOST = 250


class Stopping(Process):
    """An operator that stops itself after its first write."""

    def start(self) -> None:
        self.note = self.log.with_suffix(".note")
        self._environment |= {NOTE: str(self.note), "PYTHONPATH": os.pathsep.join(sys.path)}
        super().start()

    command = (sys.executable, "-m", "tests.freeze.stopping", "run")

    @property
    def stopped(self) -> bool:
        """Whether the process is stopped by a signal."""
        return self.state == "T"

    @property
    def state(self) -> str:
        """The state of the process, as in /proc; empty if it has ended."""
        if self._process is None or self._process.poll() is not None:
            return ""
        stat = pathlib.Path(f"/proc/{self._process.pid}/stat").read_text(encoding="utf-8")
        return stat.rpartition(")")[2].split()[0]

    @property
    def has_written(self) -> bool:
        """Whether it is stopped after a write, and not for a while by this script."""
        return self.note.exists() and self.stopped


class Chain:
    """The leaders of one lifecycle, one after the other."""

    def __init__(self, kube: OfficialKube, namespace: str, folder: pathlib.Path) -> None:
        self.kube = kube
        self._namespace = namespace
        self._folder = folder
        self._all: list[Stopping] = []
        self.writes: collections.Counter[str] = collections.Counter()
        self.faults: list[str] = []
        self.leader = self._born()
        #: The one that takes over next; until then it is stopped, as a standby.
        self.next: Stopping | None = None

    def _born(self) -> Stopping:
        made = Stopping(
            rig.kubeconfig(), self._folder, self._namespace,
            name=f"operator-{len(self._all)}", namespace=self._namespace, lease_seconds=LEASE,
        )  # fmt: skip
        self._all.append(made)
        made.start()
        return made

    async def start(self) -> None:
        await until("a leader", self._leads, self.leader)
        self.next = await self._standby()

    async def _leads(self) -> bool:
        return self.leader.stopped or "leading:" in self.leader.text

    async def _standby(self) -> Stopping:
        """Return a process that has started, and is stopped until it is wanted."""
        made = self._born()

        async def standby() -> bool:
            return "standby: waiting" in made.text

        await until("a standby", standby, made)
        made.send(signal.SIGSTOP)
        return made

    def end(self) -> None:
        for process in self._all:
            if process.state:
                process.end(signal.SIGKILL)

    async def versions(self) -> dict[str, str]:
        """Return the resourceVersion of everything that the operator writes."""
        lists = await asyncio.gather(
            *(self.kube.list(resource, self._namespace, {}) for resource in WRITTEN)
        )
        return {
            f"{resource.plural}/{thing['metadata']['name']}": thing["metadata"]["resourceVersion"]
            for resource, found in zip(WRITTEN, lists, strict=True)
            for thing in found
        }

    async def quiet(self) -> dict[str, str]:
        """Wait until the simulated cluster has reacted, and return what there is."""
        seen, since = await self.versions(), time.monotonic()
        while time.monotonic() - since < QUIET:
            await asyncio.sleep(0.2)
            now = await self.versions()
            if now != seen:
                seen, since = now, time.monotonic()
        return seen

    async def go_on(self, ended: Callable[[], Awaitable[bool]]) -> bool:
        """Let the leader go on until it stops after a write, and then the one before end.

        Return False if the leader has nothing to write, and the phase has ended.
        """
        assert self.next is not None, "start precedes all phases"
        frozen, self.leader = self.leader, self.next
        self.leader.send(signal.SIGCONT)
        _, self.next = await asyncio.gather(self._wait(ended), self._standby())
        goes_on = self.leader.has_written
        # Only the one that is resumed can write now.
        self.leader.send(signal.SIGSTOP)
        before = await self.quiet()
        frozen.send(signal.SIGCONT)
        code = await asyncio.to_thread(frozen.wait, 120)
        after = await self.quiet()
        if not goes_on:
            self.leader.send(signal.SIGCONT)
        await self._note(frozen, code, sorted(set(after.items()) ^ set(before.items())))
        return goes_on

    async def _note(self, frozen: Stopping, code: int, changed: list[tuple[str, str]]) -> None:
        verb, place = frozen.note.read_text(encoding="utf-8").split()
        self.writes[f"{verb} {place.split('/')[0]}"] += 1
        faults = [f"changed {changed}"] if changed else []
        faults += [f"exit code {code}"] if code != LOST_LEASE else []
        if faults:
            self.faults.append(f"{verb} {place}: {', '.join(faults)}")
        stage = (await status_of(self.kube, self._namespace)).get("stage", "")
        result = ", ".join(faults) or "nothing changed"
        print(f"{sum(self.writes.values()):3} {verb} {place}: {result} ({stage})", flush=True)

    async def _wait(self, ended: Callable[[], Awaitable[bool]]) -> None:
        since = time.monotonic()

        async def done() -> bool:
            nonlocal since
            if self.leader.has_written:
                return True
            if not (await ended() and "leading:" in self.leader.text and idle(self.leader)):
                since = time.monotonic()
            return time.monotonic() - since > 2 * QUIET

        await until("a write, or the end of the phase", done, self.leader)

    async def phase(self, name: str, ended: Callable[[], Awaitable[bool]]) -> None:
        """Let leaders go on until a condition holds and the last one has nothing to write."""
        print(f"{name}:", flush=True)
        await self._wait(ended)
        while self.leader.has_written and await self.go_on(ended):
            if sum(self.writes.values()) >= MOST:
                raise SystemExit(f"{name} has not ended after {MOST} writes")


async def until(what: str, done: Callable[[], Awaitable[bool]], process: Stopping) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            while not await done():
                if not process.state:
                    raise SystemExit(f"{what}: the process has ended\n{process.text[-3000:]}")
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise SystemExit(f"{what}: not in {PATIENCE} s\n{process.text[-3000:]}") from None


async def lifecycle(chain: Chain, kube: OfficialKube, namespace: str) -> None:
    async def serving() -> bool:
        status = await status_of(kube, namespace)
        return status.get("stage") == "Serving" and not status.get("candidate")

    async def promoted() -> bool:
        status = await status_of(kube, namespace)
        return await serving() and status.get("champion") != first

    async def gone() -> bool:
        return await kube.get(MODELS, namespace, "movies") is None

    await kube.create(MODELS, rig.manifest(namespace, **SPEC))
    await chain.phase("a first version", serving)
    first = (await status_of(kube, namespace))["champion"]
    await kube.patch(MODELS, namespace, "movies", {"spec": {"training": {"seed": 18}}})
    await chain.phase("a second version", promoted)
    await delete_model(kube, namespace)
    await chain.phase("the deletion", gone)


async def run(folder: pathlib.Path) -> int:
    started, namespace = time.monotonic(), rig.new_namespace()
    transport = rig.transport_to(rig.kubeconfig())
    kube = OfficialKube(transport)
    for claim in ("raw", "store"):
        path = CLAIMS.path(namespace, claim, "status")
        await transport.request("PATCH", path, [], {"status": {"phase": "Bound"}}, MERGE)
    simulator = asyncio.create_task(Simulator(transport, namespace).run())
    chain = Chain(kube, namespace, folder)
    try:
        await chain.start()
        await lifecycle(chain, kube, namespace)
    finally:
        chain.end()
        simulator.cancel()
        await asyncio.gather(simulator, return_exceptions=True)
        await kube.close()
    for fault in chain.faults:
        print(f"FAULT after {fault}")
    line = {
        "freeze": "every write of a lifecycle",
        "writes": sum(chain.writes.values()),
        "by_kind": dict(chain.writes.most_common()),
        "faults": len(chain.faults),
        "seconds": round(time.monotonic() - started),
    }
    print(json.dumps(line))
    return 1 if chain.faults else 0


def main() -> int:
    argparse.ArgumentParser(prog="tests.freeze", description=__doc__.splitlines()[0]).parse_args()
    # Whatever ends this script, no stopped process stays.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(run(pathlib.Path(folder)))


if __name__ == "__main__":
    sys.exit(main())
