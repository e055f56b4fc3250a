"""Two processes of the operator that share a Lease."""

from __future__ import annotations

import contextlib
import pathlib
import re
import time
from collections.abc import AsyncIterator

from recommender_operator.adapters.kinds import EVENTS, INFERENCE_SERVICES, JOBS, MODELS, VERSIONS
from recommender_operator.controller.client import OfficialKube
from recommender_operator.controller.election import LEASES
from tests.integration import operator_api_rig as rig
from tests.integration.operator_process import Process, status_of, until
from tests.scripted import ScriptedCluster

#: The duration of Leases in seconds: long, because a process is slow on a busy machine.
LEASE = 3


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
