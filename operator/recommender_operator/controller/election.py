"""Leader election with a Lease: only one process acts at a time.

`fence` raises as soon as the last renewal is older than the deadline, which is before another
process may take the Lease. A disconnected leader continues if it can renew the record that it
wrote last, because then no other process has led in between. Otherwise it has lost the Lease.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from recommender_operator.controller.kube import (
    ConflictError,
    KubeError,
    NotLeaderError,
    Object,
    Resource,
)
from recommender_operator.controller.lease import API_VERSION, LeaseView, Record, Terms, released
from recommender_operator.controller.warm_standby import Preparation, Standby

logger = logging.getLogger(__name__)

LEASES = Resource("coordination.k8s.io", "v1", "leases")
#: Maximum random increase of pauses, as a share, to spread the standbys (as in client-go).
JITTER = 0.2
#: Maximum time to release the Lease, in seconds.
RELEASE_SECONDS = 2.0


def clock() -> float:
    """Return seconds of a clock that also counts while the process or the machine is suspended."""
    # Only on Linux; elsewhere the monotonic clock may stop while the machine sleeps.
    boot_time = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(boot_time)


class LostLeaseError(Exception):
    """Another process holds the Lease, or may have held it."""


class LeaseStore(Protocol):
    """The operations of the API server that an election uses."""

    async def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """Return the Lease; None if it does not exist."""
        ...

    async def create(self, resource: Resource, manifest: Object) -> Object | None:
        """Create the Lease; None if it exists."""
        ...

    async def patch(
        self, resource: Resource, namespace: str, name: str, patch: Object
    ) -> Object | None:
        """Patch the Lease at the patch's resourceVersion; None if it is deleted."""
        ...


class Elector:
    """The participation of one process in the election."""

    def __init__(
        self,
        leases: LeaseStore,
        *,
        namespace: str,
        name: str,
        identity: str,
        terms: Terms,
        clock: Callable[[], float] = clock,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._leases = leases
        self._place = (namespace, name)
        self._identity = identity
        self._terms = terms
        self._clock = clock
        self._jitter = jitter
        self._view = LeaseView(identity, terms)
        self._lease: Object | None = None
        self._renewed: float | None = None
        self._tried = self._answered = clock()
        #: Class of the last error that was logged; empty after a response.
        self._fault = ""

    def fence(self) -> None:
        """Check that this process may write.

        Raises:
            NotLeaderError: it does not lead, or its last renewal is older than the deadline.
        """
        if self._renewed is None:
            raise NotLeaderError("this process does not lead: writes are disabled")
        age = self._clock() - self._renewed
        if age > self._terms.deadline:
            raise NotLeaderError(
                f"the lease was last renewed {age:.1f} s ago, the deadline is "
                f"{self._terms.deadline:.1f} s: writes are disabled until it is renewed"
            )

    @property
    def leads(self) -> bool:
        """True if this process may write."""
        try:
            self.fence()
        except NotLeaderError:
            return False
        return True

    @property
    def transitions(self) -> int:
        """Number of changes of the holder, in the last observed record."""
        return self._view.record.transitions if self._view.record else 0

    @property
    def untried(self) -> float:
        """Seconds since the last try to take or renew the Lease ended, with any result."""
        return self._clock() - self._tried

    @property
    def unanswered(self) -> float:
        """Seconds since the API server last responded to a try."""
        return self._clock() - self._answered

    async def acquire(self, standby: Standby | None = None) -> None:
        """Wait as a standby until this process leads.

        `standby` prepares as soon as the holder has not renewed for half of the Lease's duration:
        it has probably ended, and this process leads soon. It stands down if the holder renews.
        """
        namespace, name = self._place
        logger.info("standby: waiting for the lease %s/%s as %s", namespace, name, self._identity)
        preparation = Preparation(standby, self._clock)
        while not await self._attempt(self._take):
            left, duration = self._view.wait(self._clock()), self._view.duration
            if not self._fault:
                await preparation.follow(left, duration)
            # Try again when the current record expires, to take over at once after a kill.
            until = preparation.pause(left, duration) or self._terms.retry
            await asyncio.sleep(min(self._pause(), until + 0.01))
        await preparation.lead(self._terms.duration)
        logger.info("leading: %s holds the lease %s/%s", self._identity, namespace, name)

    async def keep(self) -> None:
        """Renew until cancelled.

        Raises:
            LostLeaseError: another process holds the Lease, or may have held it.
        """
        while True:
            await asyncio.sleep(self._pause())
            cut_off = not self.leads
            try:
                renewed = await self._attempt(self._renew)
            except LostLeaseError:
                self._renewed = None
                raise
            if renewed and cut_off:
                logger.warning(
                    "the lease is renewed after its deadline; no other process led in between"
                )

    async def release(self) -> None:
        """Release the Lease, so that a standby need not wait until it expires."""
        lease, record = self._lease, self._view.record
        led, self._renewed = self._renewed is not None, None
        if not led or lease is None or record is None:
            return
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                await self._patch(lease, released(record, _now()))
        except (KubeError, TimeoutError) as error:
            logger.warning("the lease is not released and will expire: %s", _short(error))
        else:
            logger.info("the lease is released")

    async def _attempt(self, step: Callable[[], Awaitable[bool]]) -> bool:
        """Try once to take or renew the Lease; return whether it succeeded."""
        try:
            # A slower renewal would be too late.
            async with asyncio.timeout(self._terms.deadline):
                done = await step()
            self._answered = self._clock()
            self._fault = ""
            return done
        except ConflictError:
            # Do not retry at once: another process has just written.
            self._answered = self._clock()
            self._fault = ""
            return False
        except (KubeError, TimeoutError) as error:
            # Log once per outage, not at every try.
            if self._fault != (fault := type(error).__name__):
                self._fault = fault
                logger.warning("the lease cannot be read or written: %s", _short(error))
            return False
        finally:
            self._tried = self._clock()

    async def _take(self) -> bool:
        # Time before the request, because others may read the record right after it.
        started = self._clock()
        lease = await self._leases.get(LEASES, *self._place)
        if lease is not None:
            self._view.see(Record.of(lease), self._clock())
        if self._view.wait(self._clock()) > 0:
            return False
        record = self._view.claim(_now())
        stored = await (self._create(record) if lease is None else self._patch(lease, record))
        return self._hold(stored, started)

    async def _renew(self) -> bool:
        started = self._clock()
        assert self._lease is not None, "a renewal requires the lease"
        try:
            stored = await self._patch(self._lease, self._view.claim(_now()))
        except ConflictError:
            await self._read_own()
            stored = await self._patch(self._lease, self._view.claim(_now()))
        if not self._hold(stored, started):
            raise LostLeaseError("the lease has been deleted")
        return True

    async def _read_own(self) -> None:
        """Read the Lease after a conflict, which may be an own renewal with a lost response."""
        lease = await self._leases.get(LEASES, *self._place)
        record = Record.of(lease) if lease is not None else Record()
        self._view.see(record, self._clock())
        # With an empty holder, another process may have led and released in between.
        if lease is None or record.holder != self._identity:
            raise LostLeaseError(f"the lease is held by {record.holder or 'nobody'}")
        self._lease = lease

    def _hold(self, stored: Object | None, started: float) -> bool:
        if stored is None:
            return False
        self._lease = stored
        self._view.see(Record.of(stored), self._clock())
        self._renewed = started
        return True

    async def _create(self, record: Record) -> Object | None:
        namespace, name = self._place
        manifest = {
            "apiVersion": API_VERSION,
            "kind": "Lease",
            "metadata": {"name": name, "namespace": namespace},
            "spec": record.spec(),
        }
        return await self._leases.create(LEASES, manifest)

    async def _patch(self, lease: Object, record: Record) -> Object | None:
        seen = {key: lease["metadata"][key] for key in ("uid", "resourceVersion")}
        patch = {"metadata": seen, "spec": record.spec()}
        return await self._leases.patch(LEASES, *self._place, patch)

    def _pause(self) -> float:
        return self._terms.retry * (1 + JITTER * self._jitter())


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]
