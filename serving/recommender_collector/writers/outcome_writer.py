"""From the records of the log to the outcomes of one model's predictions."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Sequence
from dataclasses import dataclass

from redis.exceptions import RedisError

from recommender_collector.domain.declaration import Model
from recommender_collector.domain.events import Erasure, Event
from recommender_collector.domain.store_updates import number
from recommender_collector.outcomes.outcome_accumulator import OutcomeAccumulator
from recommender_collector.outcomes.predictions import LabelRule
from recommender_collector.store.outcome_store import OutcomeStore, commands, forget
from recommender_collector.store.user_store import Command

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Gain:
    """Changes by one record: commands for the store, and counts of predictions."""

    commands: Sequence[Command] = ()
    counted: int = 0
    ignored: int = 0


class OutcomeCounter:
    """The outcomes of one model. It reads the store; the writer writes, with its offset."""

    def __init__(self, store: OutcomeStore, name: str, model: Model) -> None:
        self._store = store
        self._name = name
        self._rule = LabelRule.of_model(model)
        #: Place in the log at which no version has sums, whichever writer applied it; None: not
        #: known. From there on only predictions need the store.
        self._unused_at: str | None = None

    async def turn(
        self, before: str, after: str, at: int, entries: Sequence[Event | Erasure]
    ) -> Gain | None:
        """Return the changes by a part of a record; None if another writer has left `before`.

        A record that cannot be counted is left out, and never stops the writer. Users who are
        erased are forgotten in any case.

        Args:
            before: the place in the log before it.
            after: the place after it.
            at: time of the record, in milliseconds since 1970.

        Raises:
            RedisError, OSError: the store does not answer.
        """
        if self._rule is None:
            return self._forgotten(entries)
        try:
            return await self._turn(self._rule, before, after, at, entries)
        except (RedisError, OSError):
            raise
        except Exception as error:
            # Its text may have values of users.
            place = traceback.extract_tb(error.__traceback__)[-1]
            what = f"{type(error).__name__} at {place.name}:{place.lineno}"
            logger.error("%s: outcomes of a record cannot be counted: %s", self._name, what)
            return self._forgotten(entries)

    def _forgotten(self, entries: Sequence[Event | Erasure]) -> Gain:
        erased = {number(each.user) for each in entries if isinstance(each, Erasure)}
        return Gain(forget(self._name, sorted(erased)))

    async def _turn(
        self, rule: LabelRule, before: str, after: str, at: int, entries: Sequence[Event | Erasure]
    ) -> Gain | None:
        accumulator = OutcomeAccumulator(self._name, rule, at)
        users, predicts = accumulator.users(entries), accumulator.predicts(entries)
        is_unused = self._unused_at == before and not predicts
        if is_unused:
            self._unused_at = after
        if is_unused or not users:
            return self._forgotten(entries)
        known = await self._store.known(self._name, users)
        if known.place != before:
            return None
        if known.index is None and not predicts:
            self._unused_at = after
        accumulator.apply(entries, known.index, known.predicted_users, has_memory=known.has_memory)
        changes = accumulator.finish(await self._store.sums(self._name, accumulator.cells()))
        written = commands(self._name, changes, rule)
        return Gain(written, changes.counted, changes.ignored)
