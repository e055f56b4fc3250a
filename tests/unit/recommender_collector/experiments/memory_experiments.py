"""A store of experiments in memory, for the tests of what events change in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeVar

from recommender_collector.api.experiment_routes import shown
from recommender_collector.domain.events import Erasure, Event
from recommender_collector.domain.store_updates import number, store_updates
from recommender_collector.experiments.experiment import (
    Experiment,
    ExperimentChanges,
    Ignored,
    KnownUsers,
    Spans,
    State,
)
from recommender_collector.experiments.experiment_accumulator import ExperimentAccumulator
from recommender_collector.experiments.moments import Moments
from recommender_collector.experiments.phase_exposure import Act
from recommender_collector.experiments.subject import Subject
from recommender_collector.store.experiment_store import Account
from recommender_contract.events import Kind
from recommender_contract.online_store import Set
from tests.experiment_events import EXPERIMENTS, MINUTE
from tests.experiment_oracle import present

AT = 1_795_000_000_000
HOUR = 60 * MINUTE
VALUES = {Kind.CLICK: 3.0, Kind.PURCHASE: 5.0, Kind.DWELL: None}
#: Users drawn from here on have a first and a second day, in UTC.
EVENING = AT + 8 * HOUR
SPANS = Spans(window=HOUR, late=130 * MINUTE)
FIRST = EXPERIMENTS[0]
Key = TypeVar("Key", bound=tuple[Any, ...])


class Memory:
    """A store in memory, which keeps users and moments in the form that Redis keeps."""

    def __init__(self, spans: Spans = SPANS) -> None:
        self.spans = spans
        self.experiments: dict[str, Experiment] = {}
        self.users: dict[tuple[str, int], bytes] = {}
        self.early: dict[int, list[Act]] = {}
        self.moments: dict[tuple[str, int, str], str] = {}
        self.since: dict[tuple[str, int], int] = {}
        self.recent: dict[int, dict[str, int]] = {}
        self.ignored: Counter[Ignored] = Counter()
        self.full = self.tight = False

    def apply(self, at: int, *entries: Event | Erasure) -> None:
        accumulator = ExperimentAccumulator(self.experiments, at, self.spans)
        if not accumulator.concerned(entries):
            self._interact(entries)
            return
        names = accumulator.reads(entries)
        users = {number(each.user) for each in entries}
        accumulator.apply(entries, self._known(names, users))
        oldest = self._interact(entries)
        recount = accumulator.recount(oldest)
        interactions = {user: list(self.recent.get(user, {}).values()) for user in recount}
        known = {
            key: Moments.decode(text)
            for key, text in self.moments.items()
            if key[:2] in accumulator.phases()
        }
        early = {user: self.early[user] for user in accumulator.waiting() if user in self.early}
        since = {key: time for key, time in self.since.items() if key in accumulator.phases()}
        self._write(accumulator.finish(interactions, known, since, early))
        self.experiments = accumulator.experiments
        for name, each in self.experiments.items():
            assert each.state is State.CLOSED or each.users == sum(
                n == name for n, _ in self.users
            )

    def _known(self, names: Sequence[str], users: set[int]) -> KnownUsers:
        return KnownUsers(
            {
                key: Subject.decode(text)
                for key, text in self.users.items()
                if key[0] in names and key[1] in users
            },
            self.full,
            self.tight,
        )

    def _interact(self, entries: Sequence[Event | Erasure]) -> dict[int, int]:
        oldest: dict[int, int] = {}
        for entry in entries:
            if isinstance(entry, Erasure):
                self.recent.pop(number(entry.user), None)
                oldest.pop(number(entry.user), None)
                continue
            for each in store_updates(entry, VALUES):
                if each.set is Set.RECENT:
                    own = self.recent.setdefault(each.user, {})
                    own[each.member] = max(each.time, own.get(each.member, 0))
                    oldest[each.user] = min(each.time, oldest.get(each.user, each.time))
        return oldest

    def _write(self, changes: ExperimentChanges) -> None:
        for name in changes.dropped | changes.damaged | changes.closed:
            self.users = _without(self.users, name)
        for name in changes.dropped | changes.damaged:
            self.moments = _without(self.moments, name)
            self.since = _without(self.since, name)
        for at, subject in changes.subjects.items():
            self.users.pop(at, None)
            if subject is not None:
                self.users[at] = subject.encode()
        self.early |= changes.early
        self.moments |= {key: each.encode() for key, each in changes.moments.items()}
        self.since |= changes.since
        self.ignored += changes.ignored

    def answer(self, name: str = FIRST, detailed: int | None = None) -> list[dict[str, Any]]:
        moments: dict[int, dict[str, Moments]] = {}
        for (of, phase, cell), text in self.moments.items():
            if of == name:
                moments.setdefault(phase, {})[cell] = Moments.decode(text)
        since = {phase: time for (of, phase), time in self.since.items() if of == name}
        told = shown(name, self._account(name, since, moments), detailed)["phases"]
        assert isinstance(told, list)
        return present(told)

    def _account(
        self, name: str, since: dict[int, int], moments: dict[int, dict[str, Moments]]
    ) -> Account:
        segments = self.experiments[name].segments if name in self.experiments else {}
        return Account(0.0, since, moments, segments=segments)

    def sums(self, arm: str = "shop-a", phase: int = 0) -> dict[str, int]:
        (found,) = (
            each
            for of in self.answer()
            if of["phase"] == phase
            for each in of["arms"]
            if each["arm"] == arm
        )
        return {**found["sums"], "users": found["users"], "mixed": found["mixed"]}


def _without(found: dict[Key, Any], name: str) -> dict[Key, Any]:
    return {key: value for key, value in found.items() if key[0] != name}
