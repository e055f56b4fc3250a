"""Experiments of a model as the store has them, and the changes of a writer: pure."""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import orjson

from recommender_collector.domain.checks import is_arm, is_feature
from recommender_collector.domain.declaration import Model
from recommender_collector.domain.events import GROUPS, INTERLEAVED
from recommender_collector.domain.formats import FORMAT, Damaged, check
from recommender_collector.experiments.moments import DAYS, Moments
from recommender_collector.experiments.phase_exposure import Act
from recommender_collector.experiments.subject import Segments, Subject
from recommender_contract.events import HELD, MAX_SEGMENTS

MOST_EXPERIMENTS = 4  # of a model, with its interleavings
MOST_MEASURES = 2  # of a model's holdouts: that of the setting, and of the one before
MOST_ARMS = 6  # of an experiment
OTHER = 10  # place of all values of a feature but the first ten
MOST_USERS = 1_000_000  # of an experiment
KEEP_SECONDS = 60 * 86_400
#: Without an exposure for so long an experiment is closed: its users are forgotten, its moments
#: stay.
CLOSE_SECONDS = 14 * 86_400
#: An event may wait so long between its check and the log.
SLACK_SECONDS = 600

Of = TypeVar("Of", bound=tuple[Any, ...])


class Ignored(enum.StrEnum):
    """Reason why an exposure does not count."""

    EXPERIMENTS = "experiments"
    ARMS = "arms"
    USERS = "users"
    MEMORY = "memory"
    CLOSED = "closed"
    DAMAGED = "damaged"
    CLICKS = "clicks"  # of mixed lists: more than are kept of a user


class State(enum.StrEnum):
    """State of an experiment, which decides whether exposures count."""

    COUNTS = "counts"
    CLOSED = "closed"  # no exposure for long, so the users are forgotten; the moments are kept
    DAMAGED = "damaged"  # what the store had was damaged, and is dropped
    BROKEN = "broken"  # it has just been found damaged; the store does not keep this state


class Spans(NamedTuple):
    """Lengths of time, in milliseconds."""

    window: int  # from an exposure to what counts for it
    late: int  # an event is read at most so long after its time

    @property
    def open(self) -> int:
        """Time after an exposure in which an event may still count."""
        return self.window + self.late

    @classmethod
    def of_model(cls, model: Model) -> Spans:
        """Return those of a declared model."""
        late = model.max_age_seconds + SLACK_SECONDS
        return cls(model.attribution_seconds * 1000, late * 1000)


@dataclass(slots=True)
class Experiment:
    """Entry of the list of experiments; `last` is its last exposure, in the time of the log."""

    last: int
    arms: list[str] = field(default_factory=list)
    users: int = 0
    state: State = State.COUNTS
    #: Of each feature that divides the users, the values in the order of their arrival. A value
    #: keeps its place; those for which there is none are one, `OTHER`.
    segments: dict[str, list[str]] = field(default_factory=dict)

    @property
    def counts(self) -> bool:
        """True if exposures count."""
        return self.state is State.COUNTS

    @property
    def is_measure(self) -> bool:
        """True for the measure of a holdout, which has a part of the users.

        The first arm decides, so that nothing that arrives later changes it.
        """
        return bool(self.arms) and self.arms[0] in GROUPS

    @property
    def gets_users(self) -> bool:
        """True if it is there to get more users; an experiment goes on with those that it has."""
        return self.is_measure or self.is_interleaving

    @property
    def is_interleaving(self) -> bool:
        """True if its users see lists of two versions; a part of the users, too."""
        return bool(self.arms) and self.arms[0] == INTERLEAVED

    def enter(self, arm: str) -> bool:
        """Add an arm if it is new; False: no room, or it is one of another kind of measure.

        Else a made-up impression could make a measure unreadable, or one of an experiment.
        """
        if arm in self.arms:
            return True
        is_foreign = bool(self.arms) and _kind(self.arms[0]) != _kind(arm)
        if is_foreign or len(self.arms) >= MOST_ARMS:
            return False
        self.arms.append(arm)
        return True

    def holds(self, subject: Subject) -> bool:
        """Return whether it is a measure, and the user one of its holdout."""
        return self.is_measure and HELD in self.arms and subject.is_in(self.arms.index(HELD))

    def cells(self) -> list[str]:
        """Return the names of the moments that a phase may have."""
        parts = ["", DAYS, *self._parts()]
        return [f"{arm} {part}".rstrip() for arm in self.arms for part in parts]

    def _parts(self) -> list[str]:
        return [
            part_of(feature, place)
            for feature, values in self.segments.items()
            for place in (*range(len(values)), OTHER)
        ]

    def register(self, segments: Segments) -> None:
        """Give places to values that are new, within the bounds."""
        for feature, value in segments:
            if feature not in self.segments and len(self.segments) >= MAX_SEGMENTS:
                continue
            values = self.segments.setdefault(feature, [])
            if value not in values and len(values) < OTHER:
                values.append(value)

    def places(self, segments: Segments) -> list[str]:
        """Return the parts of an arm's users in which one with these segments counts."""
        known = self.segments
        return [
            part_of(name, known[name].index(value) if value in known[name] else OTHER)
            for name, value in segments
            if name in known
        ]

    def encode(self) -> bytes:
        """Return the entry of the list as JSON."""
        return orjson.dumps((FORMAT, self.last, self.arms, self.users, self.state, self.segments))

    @classmethod
    def decode(cls, text: bytes) -> Experiment:
        """Return the experiment of such a text.

        Raises:
            Damaged: the text has another format.
        """
        try:
            version, last, arms, users, state, *rest = orjson.loads(text)
            (segments,) = rest or ({},)  # an earlier release kept none
            found = cls(last, arms, users, State(state), segments)
        except (ValueError, TypeError) as error:
            raise Damaged(f"its entry: {type(error).__name__}") from None
        check(version == FORMAT, f"its entry has format {str(version)[:20]}")
        is_valid = isinstance(arms, list) and len(arms) <= MOST_ARMS and all(map(is_arm, arms))
        is_valid = is_valid and isinstance(last, int) and isinstance(users, int)
        is_valid = is_valid and isinstance(segments, dict) and len(segments) <= MAX_SEGMENTS
        check(is_valid, "its entry has other values")
        check(all(map(_is_list, segments.items())), "its segments have other values")
        return found


def _kind(arm: str) -> int:
    """Return a number for arms that are versions, groups of a holdout, or an interleaving."""
    return (arm in GROUPS) + 2 * (arm == INTERLEAVED)


def part_of(feature: str, place: int) -> str:
    """Return the name of the cell of a segment, without the arm and a space."""
    return f"{feature} {place}"


def _is_list(of: tuple[str, Any]) -> bool:
    feature, values = of
    return is_feature(feature) and isinstance(values, list) and len(values) <= OTHER


@dataclass(slots=True)
class KnownUsers:
    """Users of a record, as the store has them."""

    subjects: dict[tuple[str, int], Subject] = field(default_factory=dict)
    full: bool = False  # the store has no memory for more users
    tight: bool = False  # nor for more users of a measure or an interleaving

    def refuses(self, arm: str) -> bool:
        """Return whether there is no memory for a new user of an arm."""
        return self.full or (self.tight and _kind(arm) > 0)


@dataclass(slots=True)
class ExperimentChanges:
    """Changes to write."""

    experiments: dict[str, Experiment] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)  # experiments; removed before all else
    damaged: set[str] = field(default_factory=set)  # experiments that keep their entry alone
    closed: set[str] = field(default_factory=set)  # experiments that keep all but their users
    subjects: dict[tuple[str, int], Subject | None] = field(default_factory=dict)
    early: dict[int, list[Act]] = field(default_factory=dict)  # before the first exposure
    moments: dict[tuple[str, int, str], Moments] = field(default_factory=dict)  # by cell
    since: dict[tuple[str, int], int] = field(default_factory=dict)  # first exposure of a phase
    counted: int = 0
    ignored: Counter[Ignored] = field(default_factory=Counter)

    def drop(self, name: str) -> None:
        """Forget an experiment, and what was to be written of it."""
        self.dropped.add(name)
        self.damaged.discard(name)
        self.closed.discard(name)
        self.experiments.pop(name, None)
        remove(self.subjects, name)
        remove(self.since, name)


def remove(found: dict[Of, Any], name: str) -> None:
    """Remove what a mapping has of an experiment, the first part of its keys."""
    for key in [key for key in found if key[0] == name]:
        del found[key]
