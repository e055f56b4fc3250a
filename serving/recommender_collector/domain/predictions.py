"""What one user was predicted to do and did, of the days that events may still change: pure.

Times are in milliseconds since 1970, probabilities in millionths.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from recommender_collector.domain.declaration import DAY, Model
from recommender_collector.domain.events import Kind
from recommender_collector.domain.experiments import SLACK_SECONDS
from recommender_collector.domain.formats import FORMAT, Damaged, check
from recommender_collector.domain.outcomes import UNIT, Share, share

DAY_MILLISECONDS = DAY * 1000
#: Most of one user that counts: predictions of a version in a day, versions and days together, and
#: positive events that wait for an impression before them.
MOST_PREDICTIONS, MOST_CELLS, MOST_ACTS = 100, 40, 100


class Rule(NamedTuple):
    """When a prediction came true: an event of a kind with its item, within the window after it.

    `late` is how long after its time an event is read at most; both in milliseconds.
    """

    kinds: frozenset[Kind]
    window: int
    late: int

    @classmethod
    def of(cls, model: Model) -> Rule | None:
        """Return the rule of a declared model; None if its label is no outcome of impressions."""
        label = model.outcome
        if label is None:
            return None
        late = model.max_age_seconds + SLACK_SECONDS
        return cls(label.kinds, label.window_seconds * 1000, late * 1000)

    def closes(self, day: int) -> int:
        """Return the time from which on no event changes a day, a number of days from 1970."""
        return (day + 1) * DAY_MILLISECONDS + self.window + self.late

    @property
    def keep(self) -> int:
        """Return for how long a user is kept after the last event."""
        return self.closes(0)


class Cell(NamedTuple):
    """A version and a day, of which there are sums."""

    version: str
    day: int


class Prediction(NamedTuple):
    """One item of an impression; the order is that in which predictions are kept."""

    time: int
    item: int
    probability: int
    is_positive: bool = False


class Act(NamedTuple):
    """A positive event."""

    time: int
    item: int


@dataclass(slots=True)
class Person:
    """The predictions of one user, by cell, and the positive events."""

    cells: dict[Cell, list[Prediction]] = field(default_factory=dict)
    acts: set[Act] = field(default_factory=set)

    def predict(self, version: str, found: Iterable[Prediction], rule: Rule) -> None:
        """Add the predictions of an impression. Of a day the earliest count, in any order."""
        for each in found:
            cell = Cell(version, each.time // DAY_MILLISECONDS)
            if cell not in self.cells and len(self.cells) >= MOST_CELLS:
                continue
            positive = any(_matches(act, each, rule) for act in self.acts)
            own = self.cells.setdefault(cell, [])
            own.append(each._replace(is_positive=positive))
            own.sort()
            del own[MOST_PREDICTIONS:]

    def act(self, act: Act, rule: Rule) -> None:
        """Add a positive event, which also counts for predictions that are read later."""
        self.acts.add(act)
        for own in self.cells.values():
            for place, each in enumerate(own):
                if _matches(act, each, rule):
                    own[place] = each._replace(is_positive=True)

    def settle(self, at: int, rule: Rule) -> None:
        """Forget what no event after a time can change."""
        self.cells = {cell: own for cell, own in self.cells.items() if rule.closes(cell.day) > at}
        self.acts = {act for act in self.acts if act.time > at - rule.late}
        if len(self.acts) > MOST_ACTS:
            self.acts = set(sorted(self.acts)[-MOST_ACTS:])

    def shares(self) -> dict[Cell, Share]:
        """Return what the user adds to the sums of each cell."""
        return {
            cell: share((each.probability, each.is_positive) for each in own)
            for cell, own in self.cells.items()
        }

    def encode(self) -> bytes:
        """Return the state as JSON."""
        cells = [
            (*cell, [int(number) for each in own for number in each])
            for cell, own in self.cells.items()
        ]
        return orjson.dumps((FORMAT, cells, [tuple(act) for act in sorted(self.acts)]))

    @classmethod
    def decode(cls, text: bytes) -> Person:
        """Return the state of such a text.

        Raises:
            Damaged: the text has another format.
        """
        try:
            version, cells, acts = orjson.loads(text)
            check(version == FORMAT, "a user has another format")
            return cls(
                {Cell(str(name), int(day)): _predictions(flat) for name, day, flat in cells},
                {Act(int(time), int(item)) for time, item in acts},
            )
        except (ValueError, TypeError) as error:
            raise Damaged(f"a user: {type(error).__name__}") from None


def _predictions(flat: Collection[int]) -> list[Prediction]:
    found = [
        Prediction(int(time), int(item), int(probability), bool(positive))
        for time, item, probability, positive in zip(*[iter(flat)] * 4, strict=True)
    ]
    if not all(0 < each.probability < UNIT for each in found):
        raise ValueError("a probability is out of range")
    return found


def _matches(act: Act, of: Prediction, rule: Rule) -> bool:
    return act.item == of.item and 0 <= act.time - of.time <= rule.window
