"""History of users: the session of their next request, and the items that it leaves out."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Protocol

from recommender_serving.domain.types import NOBODY, FallReason, Lookup, RecommendRequest
from recommender_serving.ranking.circuit_breaker import CircuitBreaker
from recommender_serving.store.sessions import history
from recommender_serving.store.user_reader import StoreError, User

BUDGET_SECONDS = 0.002


class Users(Protocol):
    """Where the knowledge of users comes from."""

    @property
    def hides(self) -> bool:
        """True if it knows items to leave out."""
        ...

    async def read(self, user: int) -> User:
        """Return the user.

        Raises:
            StoreError: it cannot be read.
        """
        ...


class History:
    """Completes requests by what their users did, within a budget of time.

    A session in the request takes precedence, because the caller knows it better. The request is
    answered even if the store fails; after failures in a row the breaker admits one read at a
    time, so that requests do not wait for a dead store.
    """

    def __init__(
        self,
        users: Users,
        counted: Callable[[Lookup], None],
        length: int,
        budget: float = BUDGET_SECONDS,
        breaker: CircuitBreaker | None = None,
        *,
        trusting: bool = False,
    ) -> None:
        """Create it; `length` is the number of interactions that a session gets.

        Unless it is `trusting`, only plain requests get what their users did (`domain.callers`).
        """
        self._trusting = trusting
        self._users = users
        self._counted = counted
        self._length = length
        self._budget = budget
        self._breaker = breaker or CircuitBreaker(limit=64, open_after=20)

    async def complete(self, request: RecommendRequest) -> RecommendRequest:
        """Return the request with what its user did before it, and its user's past."""
        if request.user_id == NOBODY or (request.session and not self._users.hides):
            return request
        if not self._trusting and _chooses(request):
            return request
        if self._breaker.admit() is not None:
            return request
        failure: FallReason | None = None
        try:
            async with asyncio.timeout(self._budget):
                user = await self._users.read(request.user_id)
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
        events = request.session or history(user.recent, request.timestamp, self._length)
        self._counted(Lookup.FOUND if events or user.past.items else Lookup.NOTHING)
        if events is request.session and not user.past.items:
            return request
        return dataclasses.replace(request, session=events, past=user.past)


def _chooses(request: RecommendRequest) -> bool:
    """Return whether the caller chooses which items an answer is made of; seeds are events."""
    return bool(request.session) or request.selection.restricts
