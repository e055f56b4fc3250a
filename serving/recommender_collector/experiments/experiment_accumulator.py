"""Changes of the experiments of a model by the events of one record: pure.

The writer reads what the store has of the record's users (`KnownUsers`), takes each entry in the
order of the log, and writes the `ExperimentChanges` together with the offset. So an event counts
once, whatever is killed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial

from recommender_collector.domain.events import Erasure, Event, Exposure
from recommender_collector.domain.store_updates import number
from recommender_collector.experiments import guardrail_counters
from recommender_collector.experiments.experiment import (
    MOST_USERS,
    Experiment,
    ExperimentChanges,
    Ignored,
    KnownUsers,
    Spans,
    State,
    remove,
)
from recommender_collector.experiments.moments import Moments, UserMoments, move_moments
from recommender_collector.experiments.phase_exposure import MOST_OPEN, Act, act_of, thousandths
from recommender_collector.experiments.registry import ExperimentRegistry
from recommender_collector.experiments.subject import Subject
from recommender_contract.events import Source

ByCell = Mapping[tuple[str, int, str], Moments]  # by experiment, phase and cell


class ExperimentAccumulator:
    """The experiments of a model, and their changes by one record.

    Args:
        experiments: those that the store has.
        at: time of the record, in milliseconds, which grows from record to record.
    """

    def __init__(self, experiments: Mapping[str, Experiment], at: int, spans: Spans) -> None:
        self._at = at
        self._spans = spans
        self.changes = ExperimentChanges()
        self._registry = ExperimentRegistry(experiments, at, spans, self.changes)
        self._all = self._registry.all
        self._open = self._registry.open()
        self._known = KnownUsers()
        #: What each changed user added before this record.
        self._former: dict[tuple[str, int], dict[int, UserMoments]] = {}
        self._first: dict[tuple[str, int], int] = {}
        self._created: set[tuple[str, int]] = set()
        self._erased: set[int] = set()

    @property
    def experiments(self) -> dict[str, Experiment]:
        """All experiments, after this record."""
        return self._all

    def concerned(self, entries: Sequence[Event | Erasure]) -> bool:
        """Return whether the entries may change anything."""
        changes = self.changes
        if changes.dropped or changes.damaged or changes.closed or self._open:
            return True
        return any(
            bool(self._all) if isinstance(each, Erasure) else bool(each.exposures)
            for each in entries
        )

    def reads(self, entries: Sequence[Event | Erasure]) -> list[str]:
        """Return the experiments of which `apply` needs the users of the entries."""
        if any(isinstance(each, Erasure) for each in entries):
            return self._registry.counting()
        named = {
            exposure.experiment
            for each in entries
            if isinstance(each, Event)
            for exposure in each.exposures
        }
        return [name for name in self._registry.counting() if name in self._open or name in named]

    def apply(self, entries: Sequence[Event | Erasure], known: KnownUsers) -> None:
        """Take the entries, in the order of the log."""
        self._known = known
        for entry in entries:
            user = number(entry.user)
            if isinstance(entry, Erasure):
                self._erase(user)
            elif entry.exposures:
                for exposure in entry.exposures:
                    self._expose(user, entry, exposure)
            elif (act := act_of(entry)) is not None:
                self._act(user, act, entry)

    def _erase(self, user: int) -> None:
        for name in self._registry.counting():
            if self._touch(name, user):
                del self._known.subjects[name, user]
                self._first.pop((name, user), None)
                self._created.discard((name, user))
                self._all[name].users -= 1
                self.changes.experiments[name] = self._all[name]
                self.changes.subjects[name, user] = None
        self.changes.early.pop(user, None)
        self._erased.add(user)

    def _expose(self, user: int, event: Event, exposure: Exposure) -> None:
        refused = self._admit(user, exposure)
        if refused is not None:
            self.changes.ignored[refused] += 1
            return
        name, phase = exposure.experiment, exposure.phase
        experiment = self._all[name]
        subject = self._touch(name, user)
        if subject is None:
            subject = Subject(acts=sorted(self.changes.early.get(user, ())))
            self._known.subjects[name, user] = subject
            self._created.add((name, user))
            experiment.users += 1
        subject.mark(event.time, exposure.segments)
        cap = max(1, thousandths(exposure.cap))
        phase_exposure = subject.phase_exposure(phase, event.time, cap)
        phase_exposure.expose(
            event.time,
            experiment.arms.index(exposure.arm),
            cap,
            fallback=event.path not in (None, Source.MODEL),
            disagreed=event.disagrees(exposure),
        )
        if exposure is event.exposure:
            guardrail_counters.add_exposure(
                phase_exposure.guardrails, event.served, len(event.items), event.of_group
            )
        if experiment.is_interleaving:
            subject.mix(name, event)
        self.changes.subjects[name, user] = subject
        since = self.changes.since.get((name, phase), event.time)
        self.changes.since[name, phase] = min(since, event.time)
        self.changes.counted += 1

    def _admit(self, user: int, exposure: Exposure) -> Ignored | None:
        """Let an exposure open its experiment and its arm, within the bounds."""
        name = exposure.experiment
        is_new = (name, user) not in self._known.subjects
        if is_new and self._known.refuses(exposure.arm):
            return Ignored.MEMORY
        if name not in self._all and not self._enter(name, exposure.arm):
            return Ignored.EXPERIMENTS
        found = self._all[name]
        if not found.counts:
            return Ignored.CLOSED if found.state is State.CLOSED else Ignored.DAMAGED
        if is_new and found.users >= MOST_USERS:
            return Ignored.USERS
        if not found.enter(exposure.arm):
            return Ignored.ARMS
        found.register(exposure.segments)
        found.last = self._at
        if name not in self._open:
            self._open.append(name)
        self.changes.experiments[name] = found
        return None

    def _enter(self, name: str, arm: str) -> bool:
        """Add an experiment, in place of one of its kind if there are many; False: no room."""
        if competitors := self._registry.competitors(arm):
            other = self._registry.evicted(competitors)
            if other is None:
                return False
            self._drop(other)
        self._all[name] = Experiment(self._at)
        return True

    def _drop(self, name: str) -> None:
        """Forget an experiment, and what this record has changed in it so far."""
        del self._all[name]
        self._open = [each for each in self._open if each != name]
        self.changes.drop(name)
        self._created = {key for key in self._created if key[0] != name}
        for found in (self._known.subjects, self._former, self._first):
            remove(found, name)

    def _act(self, user: int, act: Act, event: Event) -> None:
        waits = held = False
        for name in self._open:
            found = self._all[name]
            subject = self._touch(name, user)
            if subject is None:  # most users are in no holdout's measure or interleaving
                waits = waits or not found.gets_users
            elif subject.credit is not None:
                if subject.credit.add_event(event):
                    self.changes.subjects[name, user] = subject
            else:
                held = held or found.holds(subject)
                subject.act(act)
                self.changes.subjects[name, user] = subject
        # For the first exposure, which may arrive later; a user of the holdout gets none.
        if waits and not held:
            self.changes.early.setdefault(user, []).append(act)

    def _touch(self, name: str, user: int) -> Subject | None:
        """Return a subject, and remember what it added before this record."""
        found = self._known.subjects.get((name, user))
        if (name, user) not in self._former:
            self._former[name, user] = self._shares(name, found) if found else {}
            if found:
                self._first[name, user] = found.first
        return found

    def _shares(self, name: str, of: Subject) -> dict[int, UserMoments]:
        own = self._all[name]
        if of.credit is not None:
            return dict.fromkeys(of.exposures, of.credit.user_moments(self._spans.window))
        parts = own.places(of.segments)
        return of.shares(self._spans.window, own.arms, parts, measured=own.is_measure)

    def waiting(self) -> set[int]:
        """Return the users whose early acts `finish` needs."""
        return {user for _, user in self._created} | self.changes.early.keys() | self._erased

    def _remember(self, early: Mapping[int, Sequence[Act]]) -> None:
        """Add what the store has of early acts, except of erased users."""
        for user, acts in early.items():
            if user in self._erased:
                self.changes.early.setdefault(user, [])
                continue
            for name in self._all:
                if (name, user) in self._created:
                    found = self._known.subjects[name, user]
                    found.acts = sorted([*found.acts, *acts])
            if user in self.changes.early:
                self.changes.early[user] += acts

    def recount(self, interactions: Mapping[int, int]) -> set[int]:
        """Return the users whose interactions before their first exposure have changed.

        Args:
            interactions: of each user, the time of the oldest one in the record.
        """
        found = set()
        for (name, user), subject in self._known.subjects.items():
            first = subject.first
            changed = (name, user) in self.changes.subjects
            if changed and self._first.get((name, user)) != first:
                found.add(user)
            elif interactions.get(user, first) < first and name in self._open:
                self._touch(name, user)
                self.changes.subjects[name, user] = subject
                found.add(user)
        return found

    def phases(self) -> set[tuple[str, int]]:
        """Return the experiments and phases whose moments may change."""
        found = {(name, phase) for (name, _), own in self._former.items() for phase in own}
        found |= self.changes.since.keys()
        for (name, _), subject in self.changes.subjects.items():
            found |= {(name, phase) for phase in subject.exposures} if subject else set()
        return found

    def finish(
        self,
        interactions: Mapping[int, Collection[int]],
        moments: ByCell,
        since: Mapping[tuple[str, int], int],
        early: Mapping[int, Sequence[Act]],
    ) -> ExperimentChanges:
        """Return the changes to write.

        Args:
            interactions: their times, of the users of `recount`.
            moments: those that the store has of `phases`, by cell; they are changed.
            since: first exposure of these phases.
            early: acts of users of `waiting` that no experiment had seen.
        """
        self._remember(early)
        horizon = self._at - self._spans.late
        changes = self.changes
        for (name, user), subject in changes.subjects.items():
            shares: dict[int, UserMoments] = {}
            if subject is not None:
                if (times := interactions.get(user)) is not None:
                    same = self._first.get((name, user)) == subject.first
                    subject.count_before(times, same=same)
                dropped = subject.settle(horizon, self._spans.window)
                changes.ignored.update({Ignored.CLICKS: dropped} if dropped else {})
                shares = self._shares(name, subject)
            of = partial(self._of, moments, name)
            move_moments(self._former[name, user], shares, of)
        for user, acts in changes.early.items():
            changes.early[user] = sorted(a for a in acts if a.time > horizon)[-MOST_OPEN:]
        for key in changes.since.keys() & since.keys():
            if key[0] not in changes.dropped:
                changes.since[key] = min(changes.since[key], since[key])
        return changes

    def _of(self, known: ByCell, name: str, phase: int, cell: str, size: int) -> Moments:
        key = (name, phase, cell)
        if key not in self.changes.moments:
            found = None if name in self.changes.dropped else known.get(key)
            self.changes.moments[key] = found or Moments.empty(size)
        return self.changes.moments[key]
