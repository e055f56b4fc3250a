"""Changes of the outcomes of a model's predictions by the events of one record: pure.

The writer reads the users of `users` and the sums of `cells`, and writes the `OutcomeChanges`
together with the offset. So an event counts once, whatever is killed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from recommender_collector.domain.checks import is_arm
from recommender_collector.domain.events import Erasure, Event
from recommender_collector.domain.store_updates import number
from recommender_collector.outcomes.outcome_sums import OutcomeSums, UserOutcomes, millionths
from recommender_collector.outcomes.prediction_segments import code_of
from recommender_collector.outcomes.predictions import (
    DAY_MILLISECONDS,
    Cell,
    LabelRule,
    PositiveEvent,
    PredictedUser,
    Prediction,
)
from recommender_collector.outcomes.version_index import VersionIndex
from recommender_contract.events import Source


@dataclass(slots=True)
class OutcomeChanges:
    """Changes to write."""

    restarts: bool = False  # all sums are dropped first: they are damaged, or by another rule
    index: VersionIndex | None = None  # None: as it was
    predicted_users: dict[int, PredictedUser | None] = field(default_factory=dict)
    cells: dict[Cell, OutcomeSums] = field(default_factory=dict)
    dropped: list[Cell] = field(default_factory=list)
    counted: int = 0  # predictions
    ignored: int = 0  # predictions of a closed day, or beyond a bound


class OutcomeAccumulator:
    """The outcomes of a model, and their changes by one record.

    Args:
        model: its name, with which the names of its versions start.
        at: time of the record, in milliseconds, which grows from record to record.
    """

    def __init__(self, model: str, rule: LabelRule, at: int) -> None:
        self._prefix = f"{model}-"
        self._rule = rule
        self._at = at
        self._index = VersionIndex(rule.name)
        self._known: dict[int, PredictedUser | None] = {}
        self._former: dict[int, dict[Cell, UserOutcomes]] = {}
        self._started: set[Cell] = set()  # by this record
        self._has_memory = True
        self.changes = OutcomeChanges()

    def users(self, entries: Sequence[Event | Erasure]) -> set[int]:
        """Return the users that `apply` needs; without any, nothing changes."""
        return {
            number(each.user)
            for each in entries
            if isinstance(each, Erasure) or self._predicts(each) or self._is_positive(each)
        }

    def predicts(self, entries: Sequence[Event | Erasure]) -> bool:
        """Return whether any entry has predictions."""
        return any(isinstance(each, Event) and self._predicts(each) for each in entries)

    def apply(
        self,
        entries: Sequence[Event | Erasure],
        index: VersionIndex | None,
        predicted_users: Mapping[int, PredictedUser],
        *,
        has_memory: bool = True,
    ) -> None:
        """Take the entries, in the order of the log.

        Args:
            index: that of the store, which is changed; None if it has none, or a damaged one.
            predicted_users: those that the store has.
            has_memory: whether it has memory for others.
        """
        if index is not None and index.rule == self._rule.name:
            self._index = index
        else:
            self.changes.restarts = True
        self._has_memory = has_memory
        # A model that reports no predictions keeps nothing of its users.
        is_used = bool(self._index.versions) or self.predicts(entries)
        for user, predicted_user in predicted_users.items():
            if predicted_user.rule == self._rule.name:
                predicted_user.settle(self._at, self._rule, self._index.has)
                self._known[user] = predicted_user
                self._former[user] = predicted_user.shares()
        for entry in entries:
            user = number(entry.user)
            if isinstance(entry, Erasure):
                # Also of a user whom the store has and cannot read.
                self._known[user] = self.changes.predicted_users[user] = None
            elif self._is_positive(entry):
                if is_used:
                    self._act(user, entry)
            elif self._predicts(entry):
                self._predict(user, entry)
        for user, changed in self.changes.predicted_users.items():
            if changed is not None:
                changed.label(self._rule)
                self.changes.predicted_users[user] = (
                    changed if changed.cells or changed.acts else None
                )

    def _is_positive(self, event: Event) -> bool:
        return event.kind in self._rule.kinds

    def _predicts(self, event: Event) -> bool:
        version = event.version or ""
        is_ours = event.path == Source.MODEL and version.startswith(self._prefix)
        return bool(event.probabilities) and is_ours and is_arm(version)

    def _person(self, user: int) -> PredictedUser | None:
        """Return a user whose state changes; None if there is no memory for another one."""
        predicted_user = self._known.get(user)
        if predicted_user is None:
            if not self._has_memory:
                return None
            predicted_user = self._known[user] = PredictedUser(self._rule.name)
        self.changes.predicted_users[user] = predicted_user
        return predicted_user

    def _act(self, user: int, event: Event) -> None:
        predicted_user = self._person(user)
        if predicted_user is not None:
            for item in map(number, event.items):
                predicted_user.act(PositiveEvent(event.time, item))

    def _predict(self, user: int, event: Event) -> None:
        version, probabilities = event.version or "", event.probabilities or ()
        day = event.time // DAY_MILLISECONDS
        predicted_user = self._person(user) if self._rule.closes(day) > self._at else None
        cell = self._cell(version, day) if predicted_user is not None else None
        counted = 0
        if predicted_user is not None and cell is not None:
            code = self._code(version, event)
            found = [
                Prediction(event.time, number(item), millionths(probability), code=code)
                for item, probability in zip(event.items, probabilities, strict=False)
            ]
            counted = predicted_user.predict(cell, found)
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
        for user, predicted_user in self.changes.predicted_users.items():
            found |= self._former.get(user, {}).keys()
            found |= predicted_user.cells.keys() if predicted_user is not None else set()
        return set(filter(self._index.has, found))

    def finish(self, sums: Mapping[Cell, OutcomeSums]) -> OutcomeChanges:
        """Return the changes; `sums` are those of `cells` that the store has and can read."""
        moves: dict[Cell, list[tuple[UserOutcomes | None, UserOutcomes | None]]] = {}
        for user, predicted_user in self.changes.predicted_users.items():
            former = self._former.get(user, {})
            shares = predicted_user.shares() if predicted_user is not None else {}
            for cell in former.keys() | shares.keys():
                if former.get(cell) != shares.get(cell):
                    moves.setdefault(cell, []).append((former.get(cell), shares.get(cell)))
        for cell in self.cells():
            if cell in self._started:
                self._move(cell, OutcomeSums(), moves.get(cell, ()))
            elif cell in moves:
                self._move(cell, sums.get(cell), moves[cell])
        return self.changes

    def _move(
        self,
        cell: Cell,
        sums: OutcomeSums | None,
        moves: Sequence[tuple[UserOutcomes | None, UserOutcomes | None]],
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
