"""Effects by segment of the users.

Many segments are looked at, so some of them differ by chance: p-values are corrected by Holm over
all segments and metrics, and intervals by Bonferroni. Whether the effect differs between the
segments of a feature at all is one test, W. G. Cochran's Q (Biometrics 10, 1954).

Decided is only what protects users: a segment that loses more than the declared limit, beyond
chance, keeps a candidate from promotion at the planned users.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence

from recommender_operator.analysis.tail_probabilities import chi_square_tail, holm
from recommender_operator.experiments import confidence_sequences, sample_ratio, sample_size
from recommender_operator.experiments.arm_moments import NONE, Moments
from recommender_operator.experiments.estimates import (
    MIN_USERS,
    Comparison,
    Pair,
    no_values,
    pair,
)
from recommender_operator.experiments.experiment_metrics import Metric
from recommender_operator.experiments.plan import Phase, Plan

#: Segment of users whose request does not say the feature (docs/contracts.md).
UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Segment:
    """A primary metric of the users with one value of a feature; `value` None: all others.

    `p_value` (at the planned users alone): two-sided, against no difference, corrected by Holm.
    `harmed`: worse than the limit of the feature, beyond chance. `mismatch`: its users do not fit
    the weights, so the arms are not comparable there, and nothing is tested.
    """

    feature: str
    value: str | None
    comparison: Comparison
    harmed: bool = False
    mismatch: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Interaction:
    """True if the relative difference of a metric differs between the segments of a feature.

    `p_value`: corrected by Holm over all metrics and features.
    """

    feature: str
    metric: Metric
    q: float
    degrees: int
    p_value: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """`untold`: features that the collector did not report; `problem` says why, if it is known.

    `unsaid`: features that none of many requests gave, so all users are in the segment unknown.
    """

    segments: tuple[Segment, ...] = ()
    interactions: tuple[Interaction, ...] = ()
    untold: tuple[str, ...] = ()
    unsaid: tuple[str, ...] = ()
    problem: str = ""


@dataclasses.dataclass(frozen=True)
class _Cell:
    """A segment in one metric; `found` None: nothing is tested."""

    feature: str
    value: str | None
    metric: Metric
    champion: Moments
    candidate: Moments
    found: Pair | None
    mismatch: bool


def segment_report(plan: Plan, phase: Phase, *, read: bool = False) -> Report:
    """Return the primary metrics by segment; `read`: this look is the one at the planned users."""
    problem = phase.segments_problem
    if not problem:
        try:
            found = _report(plan, phase, read=read)
        except (ValueError, ArithmeticError) as error:
            # An error here must not stop a rollback.
            problem = f"their numbers allow no computation ({type(error).__name__})"
        else:
            counted = {name: _counted(phase, name) for name in plan.segments}
            return dataclasses.replace(
                found,
                untold=tuple(name for name, users in counted.items() if not users),
                unsaid=tuple(name for name, users in counted.items() if _is_unsaid(users)),
            )
    return Report(untold=tuple(plan.segments), problem=problem)


def _counted(phase: Phase, feature: str) -> dict[str | None, int]:
    """Return the users by value, without values that have none."""
    found = {
        value: sum(moments.users for moments in arms.values())
        for value, arms in phase.segments.get(feature, {}).items()
    }
    return {value: users for value, users in found.items() if users}


def _is_unsaid(users: Mapping[str | None, int]) -> bool:
    return users.keys() == {UNKNOWN} and users[UNKNOWN] >= MIN_USERS


def _report(plan: Plan, phase: Phase, *, read: bool) -> Report:
    cells = list(_cells(plan, phase))
    tested = [cell.found for cell in cells if cell.found is not None]
    if not tested or not read:
        # Over all looks, and of all segments together.
        level = plan.alpha / 2 / max(1, len(tested))
        return Report(segments=tuple(_watched(cell, level) for cell in cells))
    p_values = iter(holm([sample_size.two_sided(each.z()) for each in tested]))
    harmed = iter(_harmed(plan, [cell for cell in cells if cell.found is not None]))
    most = sample_size.critical(plan.alpha / len(tested))
    segments = []
    for cell in cells:
        if cell.found is None:
            segments.append(_untested(cell))
            continue
        compared = cell.found.compared(most, p_value=next(p_values))
        segments.append(
            Segment(
                feature=cell.feature, value=cell.value, comparison=compared, harmed=next(harmed)
            )
        )
    return Report(segments=tuple(segments), interactions=tuple(_interactions(cells)))


def _cells(plan: Plan, phase: Phase) -> Iterator[_Cell]:
    for feature in plan.segments:
        for value, arms in phase.segments.get(feature, {}).items():
            part = dataclasses.replace(phase, arms=arms, days={}, segments={})
            champion, candidate = (
                arms.get(each, NONE) for each in (phase.champion, phase.candidate)
            )
            p = sample_ratio.p_value(part)
            mismatch = p is not None and p < sample_ratio.ALPHA
            for primary in plan.primary:
                found = None if mismatch else pair(primary.metric, champion, candidate)
                if found is not None and not _is_tested(found):
                    found = None
                yield _Cell(feature, value, primary.metric, champion, candidate, found, mismatch)


def _is_tested(found: Pair) -> bool:
    """Return whether there are enough users, and a value to be a part of.

    A champion without any bad event is one: from there each of the candidate's is a loss.
    """
    return found.enough and (found.champion > 0 or (found.champion == 0 and found.sign < 0))


def _watched(cell: _Cell, level: float) -> Segment:
    if cell.found is None:
        return _untested(cell)
    users = cell.champion.users + cell.candidate.users
    compared = cell.found.compared(
        confidence_sequences.multiplier(users, level), always_valid=True
    )
    return Segment(feature=cell.feature, value=cell.value, comparison=compared)


def _untested(cell: _Cell) -> Segment:
    nothing = no_values(cell.metric, cell.champion, cell.candidate)
    return Segment(
        feature=cell.feature, value=cell.value, comparison=nothing, mismatch=cell.mismatch
    )


def _harmed(plan: Plan, cells: Sequence[_Cell]) -> list[bool]:
    """Return which segments lose more than their feature allows, at level alpha together."""
    limits = [plan.segments[cell.feature] for cell in cells]
    chances = [
        sample_size.two_sided(z) / 2 if (z := cell.found.z(-limit)) < 0 else 1.0
        for cell, limit in zip(cells, limits, strict=True)
        if cell.found is not None and limit is not None
    ]
    found = iter(holm(chances))
    return [limit is not None and next(found) <= plan.alpha for limit in limits]


def _interactions(cells: Sequence[_Cell]) -> list[Interaction]:
    groups: dict[tuple[str, Metric], list[Pair]] = {}
    for cell in cells:
        found = cell.found
        if found is not None and min(found.champion, found.candidate) > 0 and found.error() > 0:
            groups.setdefault((cell.feature, cell.metric), []).append(found)
    seen = {key: (cochran(pairs), len(pairs) - 1) for key, pairs in groups.items() if pairs[1:]}
    p_values = holm([chi_square_tail(q, degrees) for q, degrees in seen.values()])
    return [
        Interaction(feature=feature, metric=metric, q=q, degrees=degrees, p_value=p)
        for ((feature, metric), (q, degrees)), p in zip(seen.items(), p_values, strict=True)
    ]


def cochran(pairs: Sequence[Pair]) -> float:
    """Return Cochran's Q: how much log(candidate / champion) varies beyond its own errors."""
    logs = [math.log(each.candidate / each.champion) for each in pairs]
    weights = [
        1
        / math.fsum(
            (
                each.variance_candidate / each.candidate_users / each.candidate**2,
                each.variance_champion / each.champion_users / each.champion**2,
            )
        )
        for each in pairs
    ]
    mean = math.fsum(w * x for w, x in zip(weights, logs, strict=True)) / math.fsum(weights)
    return math.fsum(w * (x - mean) ** 2 for w, x in zip(weights, logs, strict=True))
