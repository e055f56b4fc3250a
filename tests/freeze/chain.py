"""Leaders that stop themselves after their first write, one after the other."""

from __future__ import annotations

import asyncio
import collections
import os
import pathlib
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from recommender_operator.__main__ import LOST_LEASE
from recommender_operator.adapters.kinds import (
    BASELINES,
    BUDGETS,
    EVENTS,
    HTTP_ROUTES,
    INFERENCE_SERVICES,
    JOBS,
    MODELS,
    NETWORK_POLICIES,
    VERSIONS,
)
from recommender_operator.controller.client import OfficialKube
from tests.freeze.stopping import NOTE
from tests.integration import operator_api_rig as rig
from tests.integration.operator_process import Process, status_of
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

#: Whether a phase has ended.
Ended = Callable[[], Awaitable[bool]]


class Plain(Process):
    """An operator of this checkout, which runs on."""

    command = (sys.executable, "-m", "recommender_operator", "run")

    def start(self) -> None:
        self._environment["PYTHONPATH"] = os.pathsep.join(sys.path)
        super().start()

    @property
    def state(self) -> str:
        """The state of the process, as in /proc; empty if it has ended."""
        if self._process is None or self._process.poll() is not None:
            return ""
        stat = pathlib.Path(f"/proc/{self._process.pid}/stat").read_text(encoding="utf-8")
        return stat.rpartition(")")[2].split()[0]


class Stopping(Plain):
    """An operator that stops itself after its first write."""

    command = (sys.executable, "-m", "tests.freeze.stopping", "run")

    def start(self) -> None:
        self.note = self.log.with_suffix(".note")
        self._environment[NOTE] = str(self.note)
        super().start()

    @property
    def stopped(self) -> bool:
        """Whether the process is stopped by a signal."""
        return self.state == "T"

    @property
    def has_written(self) -> bool:
        """Whether it is stopped after a write, and not for a while by this script."""
        return self.note.exists() and self.stopped


class Chain:
    """The leaders of one lifecycle, one after the other."""

    def __init__(
        self, kube: OfficialKube, namespace: str, folder: pathlib.Path, **settings: Any
    ) -> None:
        """`settings` of the operator are keyed by field name."""
        self.kube = kube
        self._namespace = namespace
        self._folder = folder
        self._settings: dict[str, Any] = dict(namespace=namespace, lease_seconds=LEASE, **settings)
        self._all: list[Stopping] = []
        self.writes: collections.Counter[str] = collections.Counter()
        self.faults: list[str] = []
        self._leader: Stopping | None = None
        #: The one that takes over next; until then it is stopped, as a standby.
        self._next: Stopping | None = None

    @property
    def leader(self) -> Stopping:
        assert self._leader is not None, "start precedes all phases"
        return self._leader

    def _born(self) -> Stopping:
        name = f"operator-{len(self._all)}"
        made = Stopping(
            rig.kubeconfig(), self._folder, self._namespace, name=name, **self._settings
        )
        self._all.append(made)
        made.start()
        return made

    async def before(self, what: str, ended: Ended) -> None:
        """Let one operator that is never stopped do what comes before the first phase."""
        print(f"{what}, without stops", flush=True)
        plain = Plain(
            rig.kubeconfig(), self._folder, self._namespace, name="plain", **self._settings
        )
        with plain.running():
            await until(what, ended, plain)
            plain.end(signal.SIGTERM)

    async def _start(self) -> None:
        self._leader = self._born()

        async def leads() -> bool:
            return self.leader.stopped or "leading:" in self.leader.text

        await until("a leader", leads, self.leader)
        self._next = await self._standby()

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

    async def go_on(self, ended: Ended) -> bool:
        """Let the leader go on until it stops after a write, and then the one before end.

        Return False if the leader has nothing to write, and the phase has ended.
        """
        frozen, self._leader = self.leader, self._next
        self.leader.send(signal.SIGCONT)
        _, self._next = await asyncio.gather(self._wait(ended), self._standby())
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

    async def _wait(self, ended: Ended) -> None:
        since = time.monotonic()

        async def done() -> bool:
            nonlocal since
            if self.leader.has_written:
                return True
            if not (await ended() and "leading:" in self.leader.text and await self._rests()):
                since = time.monotonic()
            return time.monotonic() - since > 2 * QUIET

        await until("a write, or the end of the phase", done, self.leader)

    async def _rests(self) -> bool:
        """Return whether the leader has nothing to do; without a model it never reconciles."""
        return idle(self.leader) or not await self.kube.list(MODELS, self._namespace, {})

    async def phase(self, name: str, ended: Ended) -> None:
        """Let leaders go on until a condition holds and the last one has nothing to write."""
        print(f"{name}:", flush=True)
        if self._leader is None:
            await self._start()
        await self._wait(ended)
        while self.leader.has_written and await self.go_on(ended):
            if sum(self.writes.values()) >= MOST:
                raise SystemExit(f"{name} has not ended after {MOST} writes")


async def until(what: str, done: Ended, process: Plain) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            while not await done():
                if not process.state:
                    raise SystemExit(f"{what}: the process has ended\n{process.text[-3000:]}")
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise SystemExit(f"{what}: not in {PATIENCE} s\n{process.text[-3000:]}") from None
