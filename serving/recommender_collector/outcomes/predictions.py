"""Predictions for one user and their outcomes, of days that events may still change: pure.

Times are in milliseconds since 1970, probabilities in millionths.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from recommender_collector.domain.declaration import DAY, Model
from recommender_collector.domain.formats import FORMAT, Damaged, check
from recommender_collector.experiments.experiment import SLACK_SECONDS
from recommender_collector.outcomes.outcome_sums import UNIT, UserOutcomes, user_outcomes
from recommender_collector.outcomes.prediction_segments import CODES
from recommender_contract.events import Kind

DAY_MILLISECONDS = DAY * 1000
#: Most of one user that counts: predictions of a version in a day, and of all days that events may
#: still change; versions and days together; positive events that wait for an impression before
#: them.
MOST_PREDICTIONS, MOST_OF_USER, MOST_CELLS, MOST_ACTS = 100, 500, 40, 100


class LabelRule(NamedTuple):
    """When a prediction came true: an event of a kind with its item, within the window after it.

    `late` is how long after its time an event is read at most; both in milliseconds. `segments`
    are the features by whose values predictions count too, and `told` those of an impression that
    says more than its context does.
    """

    kinds: frozenset[Kind]
    window: int
    late: int
    segments: tuple[str, ...] = ()
    told: tuple[str, ...] = ()

    @classmethod
    def of_model(cls, model: Model) -> LabelRule | None:
        """Return the rule of a declared model; None if its label is no outcome of impressions."""
        label = model.outcome
        if label is None:
            return None
        late = model.max_age_seconds + SLACK_SECONDS
        window = label.window_seconds * 1000
        return cls(label.kinds, window, late * 1000, model.segments, model.told_segments)

    @property
    def name(self) -> str:
        """Return a name that no rule of another label has: their sums cannot be added."""
        text = f"{','.join(sorted(self.kinds))} {self.window}"
        return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()

    def closes(self, day: int) -> int:
        """Return the time from which on no event changes a day, a number of days from 1970."""
        return (day + 1) * DAY_MILLISECONDS + self.window + self.late

    @property
    def closes_after(self) -> int:
        """Return how long after its end a day is closed, in whole seconds."""
        return (self.window + self.late) // 1000

    @property
    def keep(self) -> int:
        """Return for how long a user is kept after the last event."""
        return self.closes(0)


class Cell(NamedTuple):
    """A version and a day that have sums; another `since` means that the sums started again."""

    version: str
    day: int
    since: int


class Prediction(NamedTuple):
    """One item of an impression; the order is that in which predictions are kept."""

    time: int
    item: int
    probability: int
    is_positive: bool = False
    code: int = 0  # of its segments


_PLAIN = len(Prediction._fields) - 1  # its numbers without the code


class PositiveEvent(NamedTuple):
    """A positive event."""

    time: int
    item: int


@dataclass(slots=True)
class PredictedUser:
    """The predictions of one user, by cell, and the positive events, by the rule of a name."""

    rule: str
    cells: dict[Cell, list[Prediction]] = field(default_factory=dict)
    acts: set[PositiveEvent] = field(default_factory=set)

    def predict(self, cell: Cell, found: Iterable[Prediction]) -> int:
        """Add the predictions of an impression; return how many more the user has then.

        Of a version and a day the earliest count, in any order.
        """
        before = total = sum(map(len, self.cells.values()))
        for each in found:
            own = self.cells.get(cell, [])
            is_full = total >= MOST_OF_USER or len(own) >= MOST_PREDICTIONS
            if is_full and not (own and each < own[-1]):
                continue
            if cell not in self.cells:
                if len(self.cells) >= MOST_CELLS:
                    break
                self.cells[cell] = own
            if is_full:
                own.pop()
            insort(own, each)
            total += not is_full
        return total - before

    def act(self, act: PositiveEvent) -> None:
        """Add a positive event, which also counts for predictions that are read later."""
        self.acts.add(act)

    def label(self, rule: LabelRule) -> None:
        """Find the predictions that came true: once, after all events of a record."""
        times: dict[int, list[int]] = {}
        for act in sorted(self.acts):
            times.setdefault(act.item, []).append(act.time)
        for own in self.cells.values() if times else ():
            for place, each in enumerate(own):
                acts = times.get(each.item)
                if acts and not each.is_positive and _follows(acts, each.time, rule):
                    own[place] = each._replace(is_positive=True)
        if len(self.acts) > MOST_ACTS:
            self.acts = set(sorted(self.acts)[-MOST_ACTS:])

    def settle(self, at: int, rule: LabelRule, has: Callable[[Cell], bool]) -> None:
        """Forget what no event after a time can change, and what has no sums any more."""
        self.cells = {
            cell: own
            for cell, own in self.cells.items()
            if rule.closes(cell.day) > at and has(cell)
        }
        self.acts = {act for act in self.acts if act.time > at - rule.late}

    def shares(self) -> dict[Cell, UserOutcomes]:
        """Return the contribution of the user to the sums of each cell."""
        return {
            cell: user_outcomes((each.probability, each.is_positive, each.code) for each in own)
            for cell, own in self.cells.items()
        }

    def encode(self) -> bytes:
        """Return the state as JSON; codes only where there are some, as in earlier releases."""
        cells = [
            (*cell, [int(number) for each in own for number in each[:_PLAIN]], *_codes(own))
            for cell, own in self.cells.items()
        ]
        return orjson.dumps((FORMAT, self.rule, cells, [tuple(act) for act in sorted(self.acts)]))

    @classmethod
    def decode(cls, text: bytes) -> PredictedUser:
        """Return the state of such a text.

        Raises:
            Damaged: the text has another format.
        """
        try:
            version, rule, cells, acts = orjson.loads(text)
            check(version == FORMAT, "a user has another format")
            return cls(
                str(rule),
                {
                    Cell(str(name), int(day), int(since)): _predictions(flat, *codes)
                    for name, day, since, flat, *codes in cells
                },
                {PositiveEvent(int(time), int(item)) for time, item in acts},
            )
        except (ValueError, TypeError) as error:
            raise Damaged(f"a user: {type(error).__name__}") from None


def _codes(own: Sequence[Prediction]) -> tuple[list[int], ...]:
    codes = [each.code for each in own]
    return (codes,) if any(codes) else ()


def _predictions(flat: Collection[int], codes: Sequence[int] = ()) -> list[Prediction]:
    found = [
        Prediction(int(time), int(item), int(probability), bool(positive), int(code))
        for (time, item, probability, positive), code in zip(
            zip(*[iter(flat)] * _PLAIN, strict=True),
            codes or [0] * (len(flat) // _PLAIN),
            strict=True,
        )
    ]
    if not all(0 < each.probability < UNIT and 0 <= each.code < CODES for each in found):
        raise ValueError("a probability or a segment is out of range")
    return found


def _follows(acts: Sequence[int], time: int, rule: LabelRule) -> bool:
    """Return whether one of the times, which are sorted, is within the window after a time."""
    place = bisect_left(acts, time)
    return place < len(acts) and acts[place] - time <= rule.window
