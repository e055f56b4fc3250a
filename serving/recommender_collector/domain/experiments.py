"""What the store knows of the experiments of a model, and what a writer changes: pure."""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from recommender_collector.domain.declaration import Model
from recommender_collector.domain.moments import Moments
from recommender_collector.domain.participants import Act, Participant

MOST_EXPERIMENTS = 4  # of a model
MOST_ARMS = 6  # of an experiment
MOST_USERS = 1_000_000  # of an experiment
KEEP_SECONDS = 60 * 86_400
#: An event may wait so long between its check and the log.
SLACK_SECONDS = 600


class Ignored(enum.StrEnum):
    """Why an exposure does not count."""

    EXPERIMENTS = "experiments"
    ARMS = "arms"
    USERS = "users"


class Spans(NamedTuple):
    """Lengths of time, in milliseconds."""

    window: int  # from an exposure to what counts for it
    late: int  # an event is read at most so long after its time

    @classmethod
    def of(cls, model: Model) -> Spans:
        """Return those of a declared model."""
        late = model.max_age_seconds + SLACK_SECONDS
        return cls(model.attribution_seconds * 1000, late * 1000)


@dataclass(slots=True)
class Experiment:
    """What the list of experiments knows of one: its last exposure, in the time of the log."""

    last: int
    arms: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Known:
    """What the store has of the users of a record."""

    participants: dict[tuple[str, int], Participant] = field(default_factory=dict)
    users: dict[str, int] = field(default_factory=dict)  # number of all, by experiment


@dataclass(slots=True)
class Changes:
    """What to write."""

    experiments: dict[str, Experiment] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)  # experiments; removed before all else
    participants: dict[tuple[str, int], Participant | None] = field(default_factory=dict)
    early: dict[int, list[Act]] = field(default_factory=dict)  # before the first exposure
    moments: dict[tuple[str, int, str], Moments] = field(default_factory=dict)
    since: dict[tuple[str, int], int] = field(default_factory=dict)  # first exposure of a phase
    counted: int = 0
    ignored: Counter[Ignored] = field(default_factory=Counter)
