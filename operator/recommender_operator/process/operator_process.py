"""A process of the operator: a standby until it leads, then the operator."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import uuid
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from recommender_operator.controller import probes
from recommender_operator.controller.client import OfficialKube
from recommender_operator.controller.election import Elector
from recommender_operator.controller.health import StaleError
from recommender_operator.controller.lease import Terms
from recommender_operator.controller.transport import Transport
from recommender_operator.process import kopf_handlers
from recommender_operator.process.runtime import Runtime
from recommender_operator.process.settings import Settings
from recommender_operator.resources.labels import MANAGER

logger = logging.getLogger(__name__)

#: Timeout of a request for the Lease, as a share of its deadline.
REQUEST = 0.5


class Process:
    """The command `run`."""

    def __init__(
        self,
        settings: Settings,
        *,
        end: Callable[[BaseException], NoReturn],
    ) -> None:
        """`end` ends the process at once; it is called if another process leads or has led."""
        self._settings = settings
        self._end = end
        terms = Terms(settings.lease_seconds)
        # Separate connections and time limits, so that a renewal does not wait for other requests.
        # The election retries failed ones.
        transport = Transport(concurrency=2, timeout=REQUEST * terms.deadline)
        self._leases = OfficialKube(transport, manager=MANAGER, pauses=())
        self._terms = terms
        self.elector = Elector(
            self._leases,
            namespace=settings.namespace,
            name=settings.lease_name,
            # A restarted container is another process in the same pod.
            identity=f"{settings.pod_name}_{uuid.uuid4()}",
            terms=terms,
        )
        self.runtime = Runtime(settings, fence=self.elector.fence)
        self._leading = False

    async def run(self) -> None:
        """Run until a signal."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        self.runtime.open(
            leads=lambda: float(self.elector.leads),
            transitions=lambda: float(self.elector.transitions),
        )
        try:
            port = self._settings.health_port
            async with probes.served(port, alive=self.alive, ready=self.ready):
                if await _unless(stop, self.elector.acquire(self.runtime)):
                    await self._lead(stop)
        finally:
            await self.runtime.close()
            await self._leases.close()

    async def _lead(self, stop: asyncio.Event) -> None:
        self._leading = True
        # Started before Kopf, which cancels every task that started after it.
        keeping = asyncio.create_task(self.elector.keep(), name="lease")
        # For a signal before Kopf's own signal handlers are set.
        stopping = asyncio.create_task(stop.wait(), name="signal")
        operating = asyncio.create_task(
            kopf_handlers.run_operator(
                self.runtime,
                fence=self.elector.fence,
                instance=self._settings.instance,
                namespaces=self._settings.watch_namespaces,
            ),
            name="operator",
        )
        parts: set[asyncio.Task[Any]] = {keeping, operating, stopping}
        await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        if keeping.done() and (lost := keeping.exception()) is not None:
            # Without cleanup, which might write.
            self._end(lost)
        if stopping.done():
            operating.cancel()
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await operating
        finally:
            keeping.cancel()
            stopping.cancel()
            await asyncio.gather(keeping, stopping, return_exceptions=True)
            # Last, so that this process has no requests in flight when another one takes over.
            await self.elector.release()

    def alive(self) -> dict[str, float]:
        """Return the figures of the liveness probe.

        Raises:
            StaleError: a restart is needed.
        """
        untried = self.elector.untried
        if untried > self._settings.stall_seconds:
            raise StaleError(f"no try to take or renew the lease for {untried:.0f} s")
        figures = {"leader": float(self.elector.leads), "lease": round(untried, 3)}
        return figures | (self.runtime.check() if self._leading else {})

    def ready(self) -> dict[str, float]:
        """Return the figures of the readiness probe.

        Raises:
            StaleError: this process neither leads nor could take over.
        """
        if self._leading and not self.elector.leads:
            raise StaleError("the lease could not be renewed in time; writes are disabled")
        unanswered = self.elector.unanswered
        if unanswered > self._terms.duration:
            raise StaleError(f"the lease could not be read for {unanswered:.0f} s")
        return self.alive()


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Run some work until it is done or a signal arrives; return whether it was done."""
    working = asyncio.create_task(work, name="standby")
    stopping = asyncio.create_task(stop.wait(), name="signal")
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not working.done():
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        return False
    await working
    return True
