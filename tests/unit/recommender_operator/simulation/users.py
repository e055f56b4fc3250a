"""The users of an experiment, and what the collector says about them."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Mapping
from typing import Any

from recommender_operator.api.version_experiment import ExperimentStatus
from recommender_operator.api.version_interleaving import InterleavingStatus
from recommender_operator.experiments.arm_moments import COMPONENTS, product_key
from recommender_operator.extensions.registry import EXTENSIONS
from recommender_operator.observed import CollectorReading, VersionObject

#: Answers that each user gets.
ANSWERS = 10


def arm(name: str, users: int, clicks: float, *, mixed: int = 0) -> dict[str, Any]:
    """Return the moments of an arm: ANSWERS for each user, one click of this share of users."""
    means = dict.fromkeys(COMPONENTS, 0.0) | {"answers": float(ANSWERS)}
    clicked = float(round(users * clicks))
    sums = {part: users * mean for part, mean in means.items()} | {"clicks": clicked}
    products = {
        product_key(one, other): users * means[one] * means[other]
        for one in COMPONENTS
        for other in COMPONENTS
    }
    products |= {"clicks*clicks": clicked, "answers*clicks": ANSWERS * clicked}
    return {
        "arm": name, "users": users, "mixed": mixed, "disagreed": 0, "sums": sums,
        "products": products,
    }  # fmt: skip


def mixed_arm(users: int, clicked: int, prefers: float) -> dict[str, Any]:
    """Return the moments of users of mixed lists: each click is all on one version's items."""
    ahead = float(round(clicked * prefers))
    behind, both = clicked - ahead, float(clicked)
    products = {
        "ahead*ahead": ahead, "ahead*behind": 0.0, "ahead*clicked": ahead,
        "behind*behind": behind, "behind*clicked": behind, "clicked*clicked": both,
    }  # fmt: skip
    return {
        "arm": "interleaved", "users": users, "mixed": 0, "disagreed": 0,
        "sums": {"ahead": ahead, "behind": behind, "clicked": both}, "products": products,
    }  # fmt: skip


@dataclasses.dataclass
class Users:
    """A constant number of new users per hour, some of whom click."""

    per_hour: int = 1000
    #: Share of the users who click, by version; of others it is this.
    clicks: dict[str, float] = dataclasses.field(default_factory=dict)
    usual: float = 0.2
    #: Why the collector does not answer.
    error: str = ""
    #: How far the collector lags behind.
    lag: datetime.timedelta = datetime.timedelta()
    #: Fields of the answer that are wrong.
    odd: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    #: Share of the candidate's users that reach it.
    reached: float = 1.0
    #: Share of the users of mixed lists whose clicks prefer the candidate.
    prefers: float = 0.5

    def reading(
        self, versions: Iterable[VersionObject], now: datetime.datetime
    ) -> CollectorReading | None:
        """Return what the collector answers, as the operator would ask."""
        known = list(versions)
        counted = next(filter(None, (each.counted(known) for each in EXTENSIONS)), None)
        if counted is None:
            return None
        if self.error:
            return CollectorReading(error=self.error)
        id_, _ = counted
        for version in known:
            found, mixed = version.status.experiment, version.status.interleaving
            if found is not None and found.id == id_:
                return self._experiment(version.name, found, now)
            if mixed is not None and mixed.id == id_:
                return self._mixed(mixed, now)
        raise AssertionError(f"nobody asks for {id_}")

    def _experiment(
        self, candidate: str, found: ExperimentStatus, now: datetime.datetime
    ) -> CollectorReading:
        phases = []
        for phase in found.phases:
            hours = ((phase.until or now) - phase.since).total_seconds() / 3600
            total = self.per_hour * hours
            shares = {
                phase.stable: 1 - phase.weight * (1 + len(phase.arms)) / 100,
                candidate: phase.weight / 100 * self.reached,
                **dict.fromkeys(phase.arms, phase.weight / 100),
            }
            arms = [
                arm(name, int(total * share), self.clicks.get(name, self.usual))
                for name, share in shares.items()
            ]
            since = phase.since.timestamp()
            phases.append({"phase": phase.number, "since": since, "arms": arms})
        return self._told(found.id, now, phases)

    def _mixed(self, record: InterleavingStatus, now: datetime.datetime) -> CollectorReading:
        since = record.started_at or now
        users = int(self.per_hour * (now - since).total_seconds() / 3600)
        arms = [mixed_arm(users, users // 2, self.prefers)] if users else []
        phase = {"phase": 0, "since": since.timestamp(), "arms": arms}
        return self._told(record.id, now, [phase] if users else [])

    def _told(
        self, id_: str, now: datetime.datetime, phases: list[dict[str, Any]]
    ) -> CollectorReading:
        watermark = (now - self.lag).timestamp()
        body = {"experiment": id_, "watermark": watermark, "phases": phases}
        return CollectorReading(body=body | dict(self.odd))
