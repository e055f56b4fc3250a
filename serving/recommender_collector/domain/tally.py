"""What the events of one record change in the outcomes of a model's predictions: pure.

The writer reads the users of `users` and the sums of `cells`, and writes the `Changes` together
with the offset. So an event counts once, whatever is killed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from recommender_collector.domain.effects import number
from recommender_collector.domain.events import Erasure, Event, Path
from recommender_collector.domain.formats import FORMAT, Damaged, check
from recommender_collector.domain.outcomes import Outcomes, Share, millionths
from recommender_collector.domain.predictions import (
    DAY_MILLISECONDS,
    Act,
    Cell,
    Person,
    Prediction,
    Rule,
)

MOST_VERSIONS = 8  # of a model
#: Days of a version that are kept: the first ones, which later ones are compared with, and the
#: latest.
FIRST_DAYS, LATEST_DAYS = 14, 46
Index = Mapping[str, Sequence[int]]  # days of each version that have sums, sorted


@dataclass(slots=True)
class Changes:
    """What to write."""

    index: dict[str, list[int]] | None = None  # None: as it was
    persons: dict[int, Person | None] = field(default_factory=dict)
    cells: dict[Cell, Outcomes] = field(default_factory=dict)
    dropped: list[Cell] = field(default_factory=list)
    counted: int = 0  # predictions
    ignored: int = 0  # predictions of a closed day, or beyond a bound


class Tally:
    """The outcomes of a model, and what one record changes in them.

    Args:
        model: its name, with which the names of its versions start.
        at: time of the record, in milliseconds, which grows from record to record.
    """

    def __init__(self, model: str, rule: Rule, at: int) -> None:
        self._prefix = f"{model}-"
        self._rule = rule
        self._at = at
        self._index: dict[str, list[int]] = {}
        self._known: dict[int, Person | None] = {}
        self._former: dict[int, dict[Cell, Share]] = {}
        self._has_memory = True
        self.changes = Changes()

    def users(self, entries: Sequence[Event | Erasure]) -> set[int]:
        """Return the users that `take` needs; without any, nothing changes."""
        return {
            number(each.user)
            for each in entries
            if isinstance(each, Erasure) or self._predicts(each) or self._is_positive(each)
        }

    def take(
        self,
        entries: Sequence[Event | Erasure],
        index: Index,
        persons: Mapping[int, Person],
        *,
        has_memory: bool = True,
    ) -> None:
        """Take the entries, in the order of the log; `persons` are those the store has."""
        self._index = {name: list(days) for name, days in index.items()}
        self._has_memory = has_memory
        for user, person in persons.items():
            person.settle(self._at, self._rule)
            self._known[user] = person
            self._former[user] = person.shares()
        for entry in entries:
            user = number(entry.user)
            if isinstance(entry, Erasure):
                # Also of a user whom the store has and cannot read.
                self._known[user] = self.changes.persons[user] = None
            elif self._is_positive(entry):
                self._act(user, entry)
            elif self._predicts(entry):
                self._predict(user, entry)
        for changed in self.changes.persons.values():
            if changed is not None:
                changed.label(self._rule)

    def _is_positive(self, event: Event) -> bool:
        return event.kind in self._rule.kinds

    def _predicts(self, event: Event) -> bool:
        version = event.version or ""
        is_ours = event.path == Path.MODEL and version.startswith(self._prefix)
        return bool(event.probabilities) and is_ours and " " not in version

    def _person(self, user: int) -> Person | None:
        """Return a user whose state changes; None if there is no memory for another one."""
        person = self._known.get(user)
        if person is None:
            if not self._has_memory:
                return None
            person = self._known[user] = Person()
        self.changes.persons[user] = person
        return person

    def _act(self, user: int, event: Event) -> None:
        person = self._person(user)
        if person is not None:
            for item in map(number, event.items):
                person.act(Act(event.time, item))

    def _predict(self, user: int, event: Event) -> None:
        version, probabilities = event.version or "", event.probabilities or ()
        day = event.time // DAY_MILLISECONDS
        is_open = self._rule.closes(day) > self._at
        person = self._person(user) if is_open and self._admit(version, day) else None
        if person is None:
            self.changes.ignored += len(probabilities)
            return
        found = [
            Prediction(event.time, number(item), millionths(probability))
            for item, probability in zip(event.items, probabilities, strict=False)
        ]
        counted = person.predict(Cell(version, day), found)
        self.changes.counted += counted
        self.changes.ignored += len(found) - counted

    def _admit(self, version: str, day: int) -> bool:
        """Let a version have sums of a day, in place of an idle version if there are many."""
        if version not in self._index and len(self._index) >= MOST_VERSIONS:
            idle = min(self._index, key=lambda name: (max(self._index[name], default=0), name))
            if self._rule.closes(max(self._index[idle], default=0)) > self._at:
                return False
            self.changes.dropped += [Cell(idle, each) for each in self._index.pop(idle)]
            self.changes.index = self._index
        days = self._index.setdefault(version, [])
        if day not in days:
            days.append(day)
            days.sort()
            while len(days) > FIRST_DAYS + LATEST_DAYS:
                self.changes.dropped.append(Cell(version, days.pop(FIRST_DAYS)))
            self.changes.index = self._index
        return True

    def cells(self) -> set[Cell]:
        """Return the versions and days whose sums may change."""
        found: set[Cell] = set()
        for user, person in self.changes.persons.items():
            found |= self._former.get(user, {}).keys()
            found |= person.cells.keys() if person is not None else set()
        return {cell for cell in found if self._has(cell)}

    def _has(self, cell: Cell) -> bool:
        return cell.day in self._index.get(cell.version, ())

    def finish(self, sums: Mapping[Cell, Outcomes]) -> Changes:
        """Return what to write; `sums` are those that the store has of `cells`."""
        cells = self.cells()
        for user, person in self.changes.persons.items():
            former = self._former.get(user, {})
            shares = person.shares() if person is not None else {}
            for cell in cells & (former.keys() | shares.keys()):
                before, after = former.get(cell), shares.get(cell)
                if before == after:
                    continue
                own = self.changes.cells.setdefault(cell, sums.get(cell) or Outcomes())
                for each, sign in ((before, -1), (after, 1)):
                    if each is not None:
                        own.add(each, sign)
        return self.changes


def encode(index: Index) -> bytes:
    """Return the index as JSON."""
    return orjson.dumps((FORMAT, index))


def decode(text: bytes) -> dict[str, list[int]]:
    """Return the index of such a text.

    Raises:
        Damaged: the text has another format.
    """
    try:
        version, found = orjson.loads(text)
        check(version == FORMAT, "the index has another format")
        return {str(name): [int(day) for day in days] for name, days in found.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise Damaged(f"the index: {type(error).__name__}") from None
