"""Shifts of features inside the groups of sessions that declared features make.

A change inside a small segment is hidden in the sessions of all. So each group has windows of its
own: whole days, as many as give it enough sessions and users. Its newest windows together are
tested against the sessions of the same group in the training data, with enough users for a small
group, and each of them must show a part of the shift, as one day of something odd does not. The
tests of all groups are one family, apart from the tests over all sessions, which lose no power.

Legend of shapes: S sessions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
import polars as pl

from recommender_training.common.arrays import Doubles, Ints
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data_checks import segment_rows
from recommender_training.data_checks.policy import Watch
from recommender_training.data_checks.segment_bins import (
    Bins,
    Cross,
    Groups,
    Placed,
    chosen,
)
from recommender_training.statistics import two_samples
from recommender_training.statistics.clustered_counts import Counts

#: Fewest sessions and users of a window, and of its group in the reference.
MIN_SESSIONS, MIN_USERS = 100, 50
#: Part of `alpha` that the windows of all segments share, as labels by segment do.
SHARE = 0.5
#: Floors as parts of `effectFloor`, of the group's own sessions: chance is larger in a small one.
#: The one of numbers is how much more often a session of one is above one of the other than below
#: (Somers' d), 0.3 for normal values that move by half of their deviation.
OF_VALUES, OF_MISSING, OF_ORDER = 2.0, 1.0, 3.0
#: Part of its floor that each window must reach by itself.
PART = 0.5

#: One group, or window, of the counts of a feature.
_Cell: TypeAlias = tuple[Counts, int]


@dataclass(frozen=True)
class Reference:
    """The training's sessions by group, with the bins that later ones are counted by."""

    features: tuple[Bins, ...]
    groups: tuple[Groups, ...]
    #: By the name of the dividing feature, and of the one that is watched.
    crosses: Mapping[str, Mapping[str, Cross]]

    @classmethod
    def of(cls, frame: pl.DataFrame, declared: FeatureSchema) -> Self:
        """Count the sessions of a training (`segment_rows.sessions`)."""
        features = chosen(segment_rows.watched(declared), frame)
        groups = tuple(Groups.of(each, frame[each.name]) for each in declared.dividing)
        placed = Placed.of(features, frame)
        crosses = {
            by.bins.name: crossed(by, placed, by.place(frame[by.bins.name]), by.count)
            for by in groups
        }
        return cls(features, groups, crosses)

    def to_json(self) -> dict[str, Any]:
        """Return it for a file; its size depends on the declaration, never on the sessions."""
        return {
            "features": [each.to_json() for each in self.features],
            "segments": [each.bins.to_json() for each in self.groups],
            "counts": {
                by: {
                    name: {"values": c.values.to_json(), "missing": c.missing.to_json()}
                    for name, c in crosses.items()
                }
                for by, crosses in self.crosses.items()
            },
        }

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> Self:
        """Return that of `to_json`."""
        return cls(
            tuple(map(Bins.read, content["features"])),
            tuple(Groups(Bins.read(each)) for each in content["segments"]),
            {
                by: {
                    name: Cross(Counts.read(c["values"]), Counts.read(c["missing"]))
                    for name, c in crosses.items()
                }
                for by, crosses in content["counts"].items()
            },
        )


@dataclass(frozen=True)
class Shift:
    """A feature whose newest windows in a segment differ from the training's."""

    feature: str
    segment: str
    value: str
    text: str

    def named(self) -> str:
        """Return the shift as text."""
        return f"{self.feature} in {self.segment}={self.value}: {self.text}"


@dataclass(frozen=True)
class Seen:
    """The result for all segments.

    `segments` were tested, `others` have too few sessions; `sessions` are those that were read.
    """

    shifts: tuple[Shift, ...]
    segments: int
    others: int
    sessions: int


@dataclass(frozen=True)
class _Test:
    segment: tuple[str, str]
    feature: str
    effect: float
    floor: float
    #: The smallest effect of a window, in the direction of all of them.
    least: float
    p_value: float
    text: str


@dataclass(frozen=True)
class _Windows:
    """[S] the group and the window of each session, -1 for none, and the windows of each group."""

    group_S: Ints  # noqa: N815
    window_S: Ints  # noqa: N815
    of_group: Mapping[int, Sequence[int]]


def judge(watch: Watch, reference: Reference, frame: pl.DataFrame) -> Seen:
    """Compare sessions of whole days with those of the training."""
    placed = Placed.of(reference.features, frame)
    tests: list[_Test] = []
    segments = others = 0
    for by in reference.groups:
        known = reference.crosses[by.bins.name]
        features = [each for each in reference.features if each.name in known]
        windows = _windows(frame, by.place(frame[by.bins.name]), watch.consecutive_windows)
        count = sum(map(len, windows.of_group.values()))
        together = crossed(by, placed, windows.group_S, by.count)
        apart = crossed(by, placed, windows.window_S, count)
        fit = [group for group in windows.of_group if features and _enough(known, group)]
        segments, others = segments + len(fit), others + by.count - len(fit)
        for group in fit:
            for bins in features:
                now, before = together[bins.name], known[bins.name]
                each = [(apart[bins.name], cell) for cell in windows.of_group[group]]
                segment = (by.bins.name, by.names[group])
                tests += _tests(watch, segment, bins, (now, group), each, (before, group))
    return Seen(_shifts(watch, tests), segments, others, frame.height)


def _enough(known: Mapping[str, Cross], group: int) -> bool:
    seen = next(iter(known.values())).missing
    return bool(seen.rows[group].sum() >= MIN_SESSIONS and seen.users[group] >= MIN_USERS)


def crossed(by: Groups, placed: Placed, cell_S: Ints, cells: int) -> dict[str, Cross]:
    """Count each feature by cell; a feature says nothing within the groups that it makes."""
    return {
        name: Cross.of(placed, name, cell_S, cells)
        for name in placed.values
        if name != by.bins.name
    }


def _windows(frame: pl.DataFrame, group_S: Ints, needed: int) -> _Windows:
    """Return the newest windows of each group that has as many as are needed.

    Counted from the newest day, so that what has just begun is not mixed with what was before.
    """
    user_S, day_S = frame["user_id"].to_numpy(), frame["day"].to_numpy()
    window_S = np.full(len(group_S), -1, dtype=np.int64)
    of_group: dict[int, list[int]] = {}
    number = 0
    for group in np.unique(group_S).tolist():
        of = np.flatnonzero(group_S == group)
        of = of[np.argsort(-day_S[of], kind="stable")]
        ends = np.flatnonzero(np.diff(day_S[of])) + 1  # places where an older day begins
        found: list[Ints] = []
        start = 0
        for end in (*ends.tolist(), len(of)):
            inside = of[start:end]
            if len(inside) < MIN_SESSIONS or len(np.unique(user_S[inside])) < MIN_USERS:
                continue
            found.append(inside)
            start = end
            if len(found) == needed:
                break
        if len(found) < needed:
            continue
        of_group[group] = list(range(number, number + needed))
        for inside in found:
            window_S[inside] = number
            number += 1
    return _Windows(np.where(window_S >= 0, group_S, -1), window_S, of_group)


def _tests(
    watch: Watch,
    segment: tuple[str, str],
    bins: Bins,
    now: tuple[Cross, int],
    apart: Sequence[tuple[Cross, int]],
    before: tuple[Cross, int],
) -> Iterator[_Test]:
    """Yield tests of the values, of their order, and of missing ones."""
    (here, cell), (there, of) = now, before
    for kind, floor, names in (
        ("values", OF_VALUES, bins.names),
        ("missing", OF_MISSING, ("known", "missing")),
    ):
        one: _Cell = getattr(here, kind), cell
        other: _Cell = getattr(there, kind), of
        windows: list[_Cell] = [(getattr(each, kind), at) for each, at in apart]
        if not all(counts.rows[at].sum() for counts, at in (one, other, *windows)):
            continue
        text = _text(one, other, names, most=1 if kind == "missing" else None)
        yield _Test(
            segment, bins.name, _distance(one, other), floor * watch.effect_floor,
            min(_distance(each, other) for each in windows),
            two_samples.homogeneity(one[0].effective(one[1]), other[0].effective(other[1])), text,
        )  # fmt: skip
        if kind == "values" and bins.edges:
            effect = _order(one, other)
            sign = 1 if effect > 0 else -1
            yield _Test(
                segment, bins.name, abs(effect), OF_ORDER * watch.effect_floor,
                min(sign * _order(each, other) for each in windows),
                two_samples.means_differ(_mean(one), _mean(other)), text,
            )  # fmt: skip


def _distance(one: _Cell, other: _Cell) -> float:
    return two_samples.distance(one[0].effective(one[1]), other[0].effective(other[1]))


def _order(one: _Cell, other: _Cell) -> float:
    """Return how much more often a value of one is above one of the other than below."""
    one_K, other_K = _shares(one), _shares(other)
    up_to_K = np.cumsum(other_K)
    return float((one_K * (up_to_K - other_K - (1 - up_to_K))).sum())


def _mean(cell: _Cell) -> tuple[float, float, float]:
    """Return the mean bin with its error: one degree of freedom, where bins have nine."""
    return (*cell[0].rank(cell[1]), cell[0].clusters(cell[1]))


def _shares(cell: _Cell) -> Doubles:
    rows_K = cell[0].rows[cell[1]]
    share_K: Doubles = rows_K / rows_K.sum()
    return share_K


def _text(one: _Cell, other: _Cell, names: Sequence[str], most: int | None) -> str:
    here_K, there_K = _shares(one), _shares(other)
    place = int(np.argmax(np.abs(here_K - there_K))) if most is None else most
    return f"{names[place]} {here_K[place]:.1%} of its sessions, {there_K[place]:.1%} in training"


def _shifts(watch: Watch, tests: Sequence[_Test]) -> tuple[Shift, ...]:
    """Return the features that shifted by segment, the largest effect first."""
    adjusted = two_samples.holm([test.p_value for test in tests])
    failed: dict[tuple[tuple[str, str], str], _Test] = {}
    for test, p_value in zip(tests, adjusted, strict=True):
        if p_value > SHARE * watch.alpha or test.effect < test.floor:
            continue
        if test.least < PART * test.floor:
            continue
        known = failed.setdefault((test.segment, test.feature), test)
        if test.effect - test.floor > known.effect - known.floor:
            failed[test.segment, test.feature] = test
    ordered = sorted(failed.values(), key=lambda test: (-test.effect, test.segment, test.feature))
    return tuple(
        Shift(test.feature, *test.segment, f"{test.text} (distance {test.effect:.2f})")
        for test in ordered
    )
