"""A store of outcomes in memory, and the events that it counts."""

from __future__ import annotations

from collections.abc import Sequence

from recommender_collector.domain.events import Erasure, Event
from recommender_collector.outcomes.outcome_accumulator import OutcomeAccumulator
from recommender_collector.outcomes.outcome_sums import OutcomeSums
from recommender_collector.outcomes.predictions import (
    DAY_MILLISECONDS,
    Cell,
    LabelRule,
    PredictedUser,
)
from recommender_collector.outcomes.version_index import VersionEntry, VersionIndex
from recommender_contract.events import Kind

DAY0 = 20_775
START = DAY0 * DAY_MILLISECONDS
HOUR = 3_600_000
RULE = LabelRule(frozenset({Kind.PURCHASE}), window=2 * HOUR, late=3 * HOUR)
SHOP = "shop-0a1b2c3d"


def impression(
    user: str, time: int, probabilities: Sequence[float] = (0.25,), *,
    items: Sequence[str] = ("tea", "oil"), version: str | None = SHOP, path: str = "model",
) -> Event:  # fmt: skip
    return Event(
        "e", Kind.IMPRESSION, user, tuple(items), time, version=version, path=path,
        probabilities=tuple(probabilities),
    )  # fmt: skip


def purchase(user: str, time: int, item: str = "tea") -> Event:
    return Event("e", Kind.PURCHASE, user, (item,), time, 4.5)


class Memory:
    """A store in memory, which keeps users and sums in the form that Redis keeps."""

    def __init__(self) -> None:
        self.index: bytes | None = None
        self.predicted_users: dict[int, bytes] = {}
        self.sums: dict[tuple[str, int], str] = {}
        self.ignored = 0

    def apply(
        self, at: int, *entries: Event | Erasure, has_memory: bool = True, rule: LabelRule = RULE
    ) -> None:
        accumulator = OutcomeAccumulator("shop", rule, at)
        predicted_users = {
            user: PredictedUser.decode(self.predicted_users[user])
            for user in accumulator.users(entries)
            if user in self.predicted_users
        }
        accumulator.apply(entries, self._index(), predicted_users, has_memory=has_memory)
        found = {cell: self.sums.get(name_of(cell)) for cell in accumulator.cells()}
        changes = accumulator.finish(
            {cell: OutcomeSums.decode(text) for cell, text in found.items() if text is not None}
        )
        if changes.restarts:
            self.index, self.sums = None, {}
        for cell in changes.dropped:
            self.sums.pop(name_of(cell), None)
        if changes.index is not None:
            self.index = changes.index.encode()
        self.sums |= {name_of(cell): sums.encode() for cell, sums in changes.cells.items()}
        for user, predicted_user in changes.predicted_users.items():
            self.predicted_users.pop(user, None)
            if predicted_user is not None:
                self.predicted_users[user] = predicted_user.encode()
        self.ignored += changes.ignored

    def _index(self) -> VersionIndex | None:
        return None if self.index is None else VersionIndex.decode(self.index)

    def versions(self) -> dict[str, VersionEntry]:
        return (self._index() or VersionIndex("")).versions

    def of(self, day: int = DAY0, version: str = SHOP) -> OutcomeSums:
        return OutcomeSums.decode(self.sums.get((version, day), OutcomeSums().encode()))


def name_of(cell: Cell) -> tuple[str, int]:
    """The store keeps sums by the name of a version and a day alone."""
    return cell.version, cell.day


def total(sums: OutcomeSums, name: str) -> float:
    return sums.shown()["sums"][name]  # type: ignore[index, no-any-return]
