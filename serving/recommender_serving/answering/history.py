"""What users did lately becomes the session of their next request."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Protocol

from recommender_serving.answering.circuit_breaker import CircuitBreaker
from recommender_serving.domain.types import FallReason, Lookup, RecommendRequest, SessionEvent
from recommender_serving.store.layout import session
from recommender_serving.store.reader import StoreError

BUDGET_SECONDS = 0.002


class Users(Protocol):
    """Where the interactions of users come from."""

    async def recent(self, user: int) -> tuple[SessionEvent, ...]:
        """Return the newest interactions of a user, oldest first.

        Raises:
            StoreError: it cannot be read.
        """
        ...


class History:
    """Completes requests that give no session, within a budget of time.

    A session in the request counts alone: the caller knows it better. Whatever happens to the
    store, the request is answered; after failures in a row the breaker lets one look through at
    a time, so that nobody waits for a dead store.
    """

    def __init__(
        self,
        users: Users,
        counted: Callable[[Lookup], None],
        budget: float = BUDGET_SECONDS,
        breaker: CircuitBreaker | None = None,
    ) -> None:
        self._users = users
        self._counted = counted
        self._budget = budget
        self._breaker = breaker or CircuitBreaker(limit=64, open_after=20)

    async def complete(self, request: RecommendRequest) -> RecommendRequest:
        """Return the request with the session that its time belongs to."""
        if request.session or self._breaker.admit() is not None:
            return request
        failure: FallReason | None = None
        try:
            async with asyncio.timeout(self._budget):
                recent = await self._users.recent(request.user_id)
        except TimeoutError:
            failure = FallReason.TIMEOUT
        except StoreError:
            failure = FallReason.ERROR
        except BaseException:  # the client cancelled
            self._breaker.abandon()
            raise
        self._breaker.release(failure)
        if failure is not None:
            self._counted(Lookup.TIMEOUT if failure is FallReason.TIMEOUT else Lookup.ERROR)
            return request
        events = session(recent, request.timestamp)
        self._counted(Lookup.FOUND if events else Lookup.NOTHING)
        return dataclasses.replace(request, session=events) if events else request
