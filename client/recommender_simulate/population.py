"""Arrivals of users: pure but for its seeded random numbers."""

from __future__ import annotations

import bisect
import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from recommender_client.values import Id, Value


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of a user."""

    user: Id
    session: str
    context: Mapping[str, Value]
    due: float  # seconds since the start
    number: int


def named(count: int, prefix: str) -> list[Id]:
    """Return the ids of so many users: texts, or numbers if the prefix is one."""
    if prefix.isdigit():
        return [int(prefix) + number for number in range(count)]
    return [f"{prefix}{number}" for number in range(count)]


class Population:
    """Users who come at random (a Poisson process), some of them much more often.

    The user of rank k comes in proportion to (k + 1) ** -activity (Zipf). A session has
    `session_requests` requests on average.
    """

    def __init__(
        self,
        users: Sequence[Id],
        seed: int,
        *,
        activity: float = 0.5,
        session_requests: float = 3.0,
        context: Mapping[str, Sequence[Value]] | None = None,
    ) -> None:
        if not users:
            raise ValueError("users: there is none; give at least one")
        self._users = users
        self._draws = random.Random(seed)
        self._rising = list(
            itertools.accumulate((rank + 1) ** -activity for rank in range(len(users)))
        )
        self._ends = 1 / session_requests
        self._context = context or {}
        self._sessions: dict[Id, int] = {}
        self._run = f"{self._draws.getrandbits(32):08x}"

    def visits(self, rate: float) -> Iterator[Visit]:
        """Yield visits without end, at so many a second on average, in the order of time."""
        due = 0.0
        for number in itertools.count():
            due += self._draws.expovariate(rate)
            at = bisect.bisect(self._rising, self._draws.random() * self._rising[-1])
            user = self._users[min(at, len(self._users) - 1)]
            yield Visit(user, self._session(user), self._chosen(), due, number)

    def _session(self, user: Id) -> str:
        number = self._sessions.get(user, 0)
        if self._draws.random() < self._ends:
            self._sessions[user] = number + 1
        return f"{self._run}-{user}-{number}"

    def _chosen(self) -> dict[str, Value]:
        return {name: self._draws.choice(values) for name, values in self._context.items()}
