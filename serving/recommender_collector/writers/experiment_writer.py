"""From the records of the log to the experiments of one model."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field

from redis.exceptions import RedisError

from recommender_collector.domain.declaration import Model
from recommender_collector.domain.events import Erasure, Event
from recommender_collector.domain.formats import Damaged
from recommender_collector.domain.store_updates import StoreUpdate, number
from recommender_collector.experiments.experiment import (
    Experiment,
    ExperimentChanges,
    Ignored,
    Spans,
    State,
)
from recommender_collector.experiments.experiment_accumulator import ExperimentAccumulator
from recommender_collector.store.experiment_store import ExperimentStore, commands
from recommender_collector.store.user_store import Command
from recommender_contract.online_store import LIMITS
from recommender_contract.online_store import Set as Sets

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Turn:
    """Changes by one record: commands for the store, and the experiments after them."""

    experiments: dict[str, Experiment]
    commands: Sequence[Command] = ()
    counted: int = 0  # exposures
    ignored: Mapping[Ignored, int] = field(default_factory=dict)
    damaged: int = 0  # experiments that do not count any more


class Experiments:
    """The experiments of one model. It reads the store; the writer writes, with its offset."""

    def __init__(self, store: ExperimentStore, name: str, model: Model) -> None:
        self._store = store
        self._name = name
        self._spans = Spans.of_model(model)

    async def start(self) -> tuple[str, dict[str, Experiment]]:
        """Return the writer's place in the log, and the experiments there.

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
        found: Sequence[StoreUpdate],
    ) -> Turn | None:
        """Return the changes by a part of a record; None if another writer is at another place.

        An experiment that cannot be counted does not count any more, and never stops the writer.

        Args:
            before: the place in the log before it.
            experiments: those at this place.
            at: time of the record, in milliseconds since 1970.
            entries: in the order of the log.
            found: what the record changes in the users' sets.

        Raises:
            RedisError, OSError: the store does not answer.
        """
        while True:
            try:
                return await self._turn(before, experiments, at, entries, found)
            except Damaged as error:
                logger.warning("%s: experiment %s: %s", self._name, error.experiment, error)
                experiments = _without(experiments, {error.experiment})
            except (RedisError, OSError):
                raise
            except Exception as error:
                # Its text may have values of users.
                place = traceback.extract_tb(error.__traceback__)[-1]
                what = f"{type(error).__name__} at {place.name}:{place.lineno}"
                logger.error("%s: experiments cannot be counted: %s", self._name, what)
                return self._stopped(experiments, at, entries)

    def _stopped(
        self, experiments: dict[str, Experiment], at: int, entries: Sequence[Event | Erasure]
    ) -> Turn:
        """Return the end of the experiments that a record concerns; its users are forgotten."""
        concerned = ExperimentAccumulator(experiments, at, self._spans).reads(entries)
        accumulator = ExperimentAccumulator(_without(experiments, set(concerned)), at, self._spans)
        changes = accumulator.changes
        changes.early |= {number(each.user): [] for each in entries if isinstance(each, Erasure)}
        return self._made(accumulator, changes)

    def _made(self, accumulator: ExperimentAccumulator, changes: ExperimentChanges) -> Turn:
        written = commands(self._name, changes, self._spans)
        damaged = len(changes.damaged)
        return Turn(accumulator.experiments, written, changes.counted, changes.ignored, damaged)

    async def _turn(
        self,
        before: str,
        experiments: dict[str, Experiment],
        at: int,
        entries: Sequence[Event | Erasure],
        found: Sequence[StoreUpdate],
    ) -> Turn | None:
        accumulator = ExperimentAccumulator(experiments, at, self._spans)
        if not entries or not accumulator.concerned(entries):
            return Turn(experiments)
        users = {number(each.user) for each in entries}
        known = await self._store.known(self._name, before, accumulator.reads(entries), users)
        if known is None:
            return None
        accumulator.apply(entries, known)
        own = _interactions(found)
        recount = accumulator.recount({user: min(times.values()) for user, times in own.items()})
        rest = await self._store.rest(
            self._name,
            accumulator.phases(),
            accumulator.experiments,
            recount,
            accumulator.waiting(),
        )
        erased = {number(each.user) for each in entries if isinstance(each, Erasure)}
        interactions: dict[int, Collection[int]] = {}
        for user in recount:
            former = {} if user in erased else rest.recent[user]
            times = dict(former)
            for member, time in own.get(user, {}).items():
                times[member] = max(time, times.get(member, time))
            interactions[user] = sorted(times.values())[-LIMITS[Sets.RECENT] :]
        changes = accumulator.finish(interactions, rest.moments, rest.since, rest.early)
        return self._made(accumulator, changes)


def _without(experiments: Mapping[str, Experiment], names: Set[str]) -> dict[str, Experiment]:
    """Return experiments, of which some are found damaged."""
    broken = {name: Experiment(0, state=State.BROKEN) for name in names}
    return {**experiments, **broken}


def _interactions(found: Sequence[StoreUpdate]) -> dict[int, dict[bytes, int]]:
    """Return the members of `recent` by user, with their times."""
    own: dict[int, dict[bytes, int]] = {}
    for each in found:
        if each.set is Sets.RECENT:
            own.setdefault(each.user, {})[each.member.encode()] = each.time
    return own
