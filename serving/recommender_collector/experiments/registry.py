"""Registry of the experiments of a model: those that count, and those that make room: pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from recommender_collector.domain.events import GROUPS
from recommender_collector.experiments.experiment import (
    CLOSE_SECONDS,
    KEEP_SECONDS,
    MOST_EXPERIMENTS,
    MOST_MEASURES,
    Experiment,
    ExperimentChanges,
    Spans,
    State,
)

#: An experiment with fewer users, or without an impression for so long, may be made up.
FEW_USERS = 100
IDLE_MILLISECONDS = 600_000


class ExperimentRegistry:
    """The experiments of a model during one record.

    Args:
        experiments: those that the store has.
        at: time of the record, in milliseconds.
        changes: gets what changes because time has passed, or the store is damaged.
    """

    def __init__(
        self,
        experiments: Mapping[str, Experiment],
        at: int,
        spans: Spans,
        changes: ExperimentChanges,
    ) -> None:
        self._at = at
        self._spans = spans
        self._changes = changes
        self.all: dict[str, Experiment] = {}
        for name, each in experiments.items():
            self._take(name, each)

    def _take(self, name: str, each: Experiment) -> None:
        idle = self._at - each.last
        if each.state is State.BROKEN:
            each = Experiment(self._at, state=State.DAMAGED)
            self._changes.damaged.add(name)
            self._changes.experiments[name] = each
        elif idle > KEEP_SECONDS * 1000:
            self._changes.dropped.add(name)
            return
        else:
            each = replace(
                each,
                arms=each.arms.copy(),
                segments={name: values.copy() for name, values in each.segments.items()},
            )
            if each.counts and idle > max(CLOSE_SECONDS * 1000, self._spans.open):
                each.state = State.CLOSED
                self._changes.closed.add(name)
                self._changes.experiments[name] = each
        self.all[name] = each

    def counting(self) -> list[str]:
        """Return the experiments whose users the store has."""
        return [name for name, each in self.all.items() if each.counts]

    def open(self) -> list[str]:
        """Return the experiments of which an event without an exposure may still count."""
        return [name for name, each in self.all.items() if _is_open(each, self._at, self._spans)]

    def competitors(self, arm: str) -> dict[str, Experiment]:
        """Return those one of which must make room for another with this first arm."""
        return competitors(self.all, is_measure=arm in GROUPS)

    def evicted(self, among: Mapping[str, Experiment]) -> str | None:
        """Return which of some experiments makes room for another; None if none does."""
        return evicted(among, self._at, self._spans)


def competitors(
    experiments: Mapping[str, Experiment], *, is_measure: bool
) -> dict[str, Experiment]:
    """Return those one of which must make room for another of the kind; none while it has room.

    Measures of holdouts and experiments have places of their own: of two that begin at once, the
    one with fewer users would make room for the other, again and again.
    """
    own = {name: each for name, each in experiments.items() if each.is_measure == is_measure}
    return own if len(own) >= (MOST_MEASURES if is_measure else MOST_EXPERIMENTS) else {}


def has_room(
    experiments: Mapping[str, Experiment], at: int, spans: Spans, *, is_measure: bool = False
) -> bool:
    """Return whether an exposure of another experiment, or of another measure, would count."""
    own = competitors(experiments, is_measure=is_measure)
    return not own or evicted(own, at, spans) is not None


def evicted(experiments: Mapping[str, Experiment], at: int, spans: Spans) -> str | None:
    """Return which of some experiments makes room for another; None if none does.

    The one that is over for longest; else, of those with few users or without an impression for
    a while, the one with the fewest users: made-up ids must not keep out a real experiment.
    """
    over = [name for name, each in experiments.items() if not _is_open(each, at, spans)]
    if over:
        return min(over, key=lambda name: experiments[name].last)
    idle = at - IDLE_MILLISECONDS
    weak = [
        name for name, each in experiments.items() if each.last < idle or each.users < FEW_USERS
    ]
    return min(
        weak, key=lambda name: (experiments[name].users, experiments[name].last), default=None
    )


def _is_open(each: Experiment, at: int, spans: Spans) -> bool:
    """Return whether an event may still count: its exposure may be a window and late ago."""
    return each.counts and each.last >= at - spans.open
