"""From the records of the log to the experiments of one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from recommender_collector.domain.books import Books
from recommender_collector.domain.declaration import Model
from recommender_collector.domain.effects import Effect, number
from recommender_collector.domain.events import Erasure, Event
from recommender_collector.domain.experiments import Experiment, Ignored, Spans
from recommender_collector.store.experiments import ExperimentStore, commands
from recommender_collector.store.users import Command
from recommender_serving.store.layout import LIMITS, Set


@dataclass(frozen=True, slots=True)
class Turn:
    """What one record changes: commands for the store, and the experiments after them."""

    experiments: dict[str, Experiment]
    commands: Sequence[Command] = ()
    counted: int = 0  # exposures
    ignored: Mapping[Ignored, int] = field(default_factory=dict)


class Experiments:
    """The experiments of one model. It reads the store; the writer writes, with its offset."""

    def __init__(self, store: ExperimentStore, name: str, model: Model) -> None:
        self._store = store
        self._name = name
        self._spans = Spans.of(model)

    async def start(self) -> tuple[str, dict[str, Experiment]]:
        """Return the writer's offset, and the experiments at this offset.

        Raises:
            RedisError, OSError: the store does not answer.
        """
        return await self._store.start(self._name)

    async def turn(
        self,
        before: str,
        experiments: dict[str, Experiment],
        at: int,
        entries: Sequence[Event | Erasure],
        found: Sequence[Effect],
    ) -> Turn | None:
        """Return what a record changes; None if another writer has moved the offset.

        Args:
            before: the offset before it.
            experiments: those at this offset.
            at: its time, in milliseconds since 1970.
            entries: in the order of the log.
            found: what the record changes in the users' sets.

        Raises:
            RedisError, OSError: the store does not answer.
        """
        books = Books(experiments, at, self._spans)
        if not entries or not books.concerned(entries):
            return Turn(experiments)
        users = {number(each.user) for each in entries}
        known = await self._store.known(self._name, before, books.reads(entries), users)
        if known is None:
            return None
        books.take(entries, known)
        own = _interactions(found)
        recount = books.recount({user: min(times.values()) for user, times in own.items()})
        rest = await self._store.rest(
            self._name, books.phases(), books.experiments, recount, books.waiting()
        )
        erased = {number(each.user) for each in entries if isinstance(each, Erasure)}
        interactions = {
            user: _times({} if user in erased else rest.recent[user], own.get(user, {}))
            for user in recount
        }
        changes = books.finish(interactions, rest.moments, rest.since, rest.early)
        return Turn(
            books.experiments,
            commands(self._name, changes, self._spans),
            changes.counted,
            changes.ignored,
        )


def _times(former: Mapping[bytes, int], own: Mapping[bytes, int]) -> list[int]:
    """Return the times of the newest interactions, of the store and of the record together."""
    times = dict(former)
    for member, time in own.items():
        times[member] = max(time, times.get(member, time))
    return sorted(times.values())[-LIMITS[Set.RECENT] :]


def _interactions(found: Sequence[Effect]) -> dict[int, dict[bytes, int]]:
    """Return the members of `recent` by user, with their times."""
    own: dict[int, dict[bytes, int]] = {}
    for each in found:
        if each.set is Set.RECENT:
            own.setdefault(each.user, {})[each.member.encode()] = each.time
    return own
