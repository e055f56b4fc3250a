"""What the events of one record change in the outcomes of a model's predictions: pure.

The writer reads the users of `users` and the sums of `cells`, and writes the `Changes` together
with the offset. So an event counts once, whatever is killed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from recommender_collector.domain.checks import is_arm
from recommender_collector.domain.effects import number
from recommender_collector.domain.events import Erasure, Event
from recommender_collector.domain.outcomes import Outcomes, Share, millionths
from recommender_collector.domain.predictions import (
    DAY_MILLISECONDS,
    Act,
    Cell,
    Person,
    Prediction,
    Rule,
)
from recommender_collector.domain.segments import code_of
from recommender_collector.domain.versions import Index
from recommender_contract.events import Source


@dataclass(slots=True)
class Changes:
    """What to write."""

    restarts: bool = False  # all sums are dropped first: they are damaged, or by another rule
    index: Index | None = None  # None: as it was
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
        self._index = Index(rule.name)
        self._known: dict[int, Person | None] = {}
        self._former: dict[int, dict[Cell, Share]] = {}
        self._started: set[Cell] = set()  # by this record
        self._has_memory = True
        self.changes = Changes()

    def users(self, entries: Sequence[Event | Erasure]) -> set[int]:
        """Return the users that `take` needs; without any, nothing changes."""
        return {
            number(each.user)
            for each in entries
            if isinstance(each, Erasure) or self._predicts(each) or self._is_positive(each)
        }

    def predicts(self, entries: Sequence[Event | Erasure]) -> bool:
        """Return whether any entry has predictions."""
        return any(isinstance(each, Event) and self._predicts(each) for each in entries)

    def take(
        self,
        entries: Sequence[Event | Erasure],
        index: Index | None,
        persons: Mapping[int, Person],
        *,
        has_memory: bool = True,
    ) -> None:
        """Take the entries, in the order of the log.

        Args:
            index: that of the store, which is changed; None if it has none, or a damaged one.
            persons: those that the store has.
            has_memory: whether it has memory for others.
        """
        if index is not None and index.rule == self._rule.name:
            self._index = index
        else:
            self.changes.restarts = True
        self._has_memory = has_memory
        # A model that reports no predictions keeps nothing of its users.
        is_used = bool(self._index.versions) or self.predicts(entries)
        for user, person in persons.items():
            if person.rule == self._rule.name:
                person.settle(self._at, self._rule, self._index.has)
                self._known[user] = person
                self._former[user] = person.shares()
        for entry in entries:
            user = number(entry.user)
            if isinstance(entry, Erasure):
                # Also of a user whom the store has and cannot read.
                self._known[user] = self.changes.persons[user] = None
            elif self._is_positive(entry):
                if is_used:
                    self._act(user, entry)
            elif self._predicts(entry):
                self._predict(user, entry)
        for user, changed in self.changes.persons.items():
            if changed is not None:
                changed.label(self._rule)
                self.changes.persons[user] = changed if changed.cells or changed.acts else None

    def _is_positive(self, event: Event) -> bool:
        return event.kind in self._rule.kinds

    def _predicts(self, event: Event) -> bool:
        version = event.version or ""
        is_ours = event.path == Source.MODEL and version.startswith(self._prefix)
        return bool(event.probabilities) and is_ours and is_arm(version)

    def _person(self, user: int) -> Person | None:
        """Return a user whose state changes; None if there is no memory for another one."""
        person = self._known.get(user)
        if person is None:
            if not self._has_memory:
                return None
            person = self._known[user] = Person(self._rule.name)
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
        person = self._person(user) if self._rule.closes(day) > self._at else None
        cell = self._cell(version, day) if person is not None else None
        counted = 0
        if person is not None and cell is not None:
            code = self._code(version, event)
            found = [
                Prediction(event.time, number(item), millionths(probability), code=code)
                for item, probability in zip(event.items, probabilities, strict=False)
            ]
            counted = person.predict(cell, found)
        self.changes.counted += counted
        self._ignore(version, len(probabilities) - counted)

    def _code(self, version: str, event: Event) -> int:
        """Return the code of the segments of an impression."""
        known = self._index.versions[version].segments
        names, values = self._rule.segments, event.context
        if event.label_segments is not None:
            names, values = self._rule.told, {**(values or {}), **dict(event.label_segments)}
        code, is_new = code_of(known, names, values)
        if is_new:
            self.changes.index = self._index
        return code

    def _ignore(self, version: str, predictions: int) -> None:
        self.changes.ignored += predictions
        known = self._index.versions.get(version)
        if predictions and known is not None:
            known.ignored += predictions
            self.changes.index = self._index

    def _cell(self, version: str, day: int) -> Cell | None:
        """Return where predictions of a version and a day count; None if they do not."""
        known = self._index.versions.get(version)
        if known is None or day not in known.days:
            cell, dropped = self._index.add(version, day, self._at, self._rule)
            self.changes.dropped += dropped
            self.changes.index = self._index
            self._started.add(cell)
        else:
            cell = Cell(version, day, known.since)
        return cell if self._index.has(cell) else None

    def cells(self) -> set[Cell]:
        """Return the versions and days whose sums may change."""
        found = set(self._started)
        for user, person in self.changes.persons.items():
            found |= self._former.get(user, {}).keys()
            found |= person.cells.keys() if person is not None else set()
        return set(filter(self._index.has, found))

    def finish(self, sums: Mapping[Cell, Outcomes]) -> Changes:
        """Return what to write; `sums` are those of `cells` that the store has and can read."""
        moves: dict[Cell, list[tuple[Share | None, Share | None]]] = {}
        for user, person in self.changes.persons.items():
            former = self._former.get(user, {})
            shares = person.shares() if person is not None else {}
            for cell in former.keys() | shares.keys():
                if former.get(cell) != shares.get(cell):
                    moves.setdefault(cell, []).append((former.get(cell), shares.get(cell)))
        for cell in self.cells():
            if cell in self._started:
                self._move(cell, Outcomes(), moves.get(cell, ()))
            elif cell in moves:
                self._move(cell, sums.get(cell), moves[cell])
        return self.changes

    def _move(
        self,
        cell: Cell,
        sums: Outcomes | None,
        moves: Sequence[tuple[Share | None, Share | None]],
    ) -> None:
        """Change sums. Lost sums stay lost: what users added to them is unknown."""
        version = self._index.versions[cell.version]
        if sums is None:
            version.void.add(cell.day)
            self.changes.dropped.append(cell)
            self.changes.index = self._index
            return
        self.changes.cells[cell] = sums
        for before, after in moves:
            for each, sign in ((before, -1), (after, 1)):
                if each is not None:
                    sums.add(each, sign)
                    version.users += sign
                    self.changes.index = self._index
