"""The experiment of a version, as plain values."""

from __future__ import annotations

import dataclasses
import datetime
from dataclasses import field

from recommender_contract.typed_json import at


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """A metric of an experiment, over the users of both versions; differences are relative."""

    name: str = field(metadata=at("metric"))
    role: str
    champion: float | None
    candidate: float | None
    difference: float | None
    low: float | None
    high: float | None
    limit: float | None
    champion_users: int
    candidate_users: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Phase:
    """A time in which the candidate had a constant share of the users."""

    weight: int
    since: datetime.datetime | None
    until: datetime.datetime | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Novelty:
    """Differences of a metric on users' first day and later; `change` is of their quotient."""

    name: str = field(metadata=at("metric"))
    first_day: float | None
    later: float | None
    change: float | None
    low: float | None
    high: float | None
    p_value: float | None
    message: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Segment:
    """A metric over the users with one value of a feature; an empty value is all others."""

    feature: str
    value: str
    name: str = field(metadata=at("metric"))
    champion: float | None
    candidate: float | None
    difference: float | None
    low: float | None
    high: float | None
    p_value: float | None
    champion_users: int
    candidate_users: int
    note: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arm:
    """A further version of an experiment; its metrics are compared with the champion's."""

    version: str
    #: Why it takes no part, or no longer does; empty otherwise.
    withdrawn: str
    result: str
    users: int
    disagreed: int
    metrics: tuple[Comparison, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Interleaving:
    """The preference of users between two versions, by clicks in lists with items of both."""

    id: str
    percent: int = field(metadata=at("plan.percent"))
    #: Users with a click after which a candidate that is not worse passes.
    planned_users: int = field(metadata=at("plan.users"))
    started_at: datetime.datetime | None
    #: Since when the candidate is not ready, so that no list is mixed.
    unmixed_since: datetime.datetime | None
    ended_at: datetime.datetime | None
    verdict: str
    message: str
    users: int
    clicked: int
    #: From -1 (the champion) to 1 (the candidate).
    preference: float | None
    low: float | None
    high: float | None

    @property
    def runs(self) -> bool:
        """True while users get mixed lists."""
        return self.started_at is not None and self.ended_at is None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """The experiment of a rollout, with the plan that it started with."""

    id: str
    weight: int = field(metadata=at("plan.weight"))
    goal: str = field(metadata=at("plan.goal"))
    mode: str = field(metadata=at("plan.mode"))
    min_days: float = field(metadata=at("plan.minDays"))
    max_days: float = field(metadata=at("plan.maxDays"))
    verdict: str
    message: str
    #: Whether nothing is measured any more: it decided, or its version has ended.
    over: bool
    phases: tuple[Phase, ...]
    users: int
    planned_users: int | None
    #: Estimate of the days from `counted_until` on.
    days_left: float | None
    #: Time up to which the events of the numbers are counted.
    counted_until: datetime.datetime | None
    mixed: int
    disagreed: int
    sample_ratio_p: float | None
    metrics: tuple[Comparison, ...]
    arms: tuple[Arm, ...]
    novelty: tuple[Novelty, ...]
    segments: tuple[Segment, ...]
    #: Whether the effect differs between the segments of a feature, in words.
    interactions: tuple[str, ...]
    #: What the shortest time means for weekdays; empty if it is whole weeks.
    seasonality: str
    #: Above so many milliseconds a request is slow; None if no metric is about that.
    slower_than: int | None = None
    #: Feature and categories of the items whose share is a metric; empty if none is.
    item_group: str = ""

    def seconds_left(self, now: datetime.datetime) -> float | None:
        """Return the estimate until it is decided; None if there is none yet."""
        if self.days_left is None:
            return None
        since = (now - self.counted_until).total_seconds() if self.counted_until else 0.0
        return max(0.0, self.days_left * 86400 - max(0.0, since))
