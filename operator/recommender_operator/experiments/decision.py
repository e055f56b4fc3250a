"""The decision on an experiment, from the moments of its phases."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping, Sequence

from recommender_operator.experiments import extra_arm_tests as further
from recommender_operator.experiments import (
    harm,
    horizon,
    novelty,
    sample_ratio,
    segment_effects,
    segment_protection,
)
from recommender_operator.experiments.comparison_texts import all_described, harmed
from recommender_operator.experiments.estimates import MIN_USERS, Comparison
from recommender_operator.experiments.experiment_metrics import Metric
from recommender_operator.experiments.extra_arm_tests import Arm
from recommender_operator.experiments.horizon import Horizon, Outcome
from recommender_operator.experiments.novelty import Novelty
from recommender_operator.experiments.plan import Phase, Plan
from recommender_operator.experiments.segment_effects import Report


class Kind(enum.StrEnum):
    """PROMOTE, ROLL_BACK, FUTILE and INCONCLUSIVE end the experiment; only PROMOTE promotes."""

    PROMOTE = "Promote"
    ROLL_BACK = "RollBack"
    KEEP_RUNNING = "KeepRunning"
    FUTILE = "Futile"
    INCONCLUSIVE = "Inconclusive"
    BLOCKED = "Blocked"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decision:
    """`final`: the experiment is over; act on it once and read no more.

    `comparisons` are of the primary metrics, `guardrails` of the guardrails, in the plan's order.
    `sample_ratio_p` is the smallest over the phases (None: too few users for a test). `users` and
    `planned_users` are by arm, of the measured phase; `planned_users` is None until it can be
    computed. `days_left`: the estimate until the planned users and `min_days` are reached.
    `novelty`: of the primary metrics; it changes no decision. `by_segment`: a segment that is
    harmed keeps the candidate from promotion. `further`: the other versions of the experiment.
    """

    kind: Kind
    message: str
    final: bool = False
    comparisons: tuple[Comparison, ...] = ()
    guardrails: tuple[Comparison, ...] = ()
    sample_ratio_p: float | None = None
    users: Mapping[str, int] = dataclasses.field(default_factory=dict)
    planned_users: Mapping[str, int] | None = None
    days_left: float | None = None
    novelty: tuple[Novelty, ...] = ()
    by_segment: Report = dataclasses.field(default_factory=Report)
    further: tuple[Arm, ...] = ()


def decide(plan: Plan, phases: Sequence[Phase], days: float) -> Decision:
    """Return the decision; `days` are those that the last phase was measured.

    Never raises for data that `Moments` accepted, and never promotes without them.
    """
    over = days >= plan.max_days
    if not phases:
        return _waiting(Decision(kind=Kind.KEEP_RUNNING, message=""), "no users yet", over=over)
    phase = phases[-1]
    watched = harm.watch(plan, phase.of(phase.champion), phase.of(phase.candidate))
    base = _base(plan, phases, watched)
    problems = [text for each in phases if (text := sample_ratio.problem(each))]
    if problems:
        return dataclasses.replace(
            base, kind=Kind.BLOCKED, final=over, message="; ".join(problems)
        )
    base = dataclasses.replace(base, further=further.watch(plan, phase))
    if worse := harmed(watched.values()):
        return dataclasses.replace(base, kind=Kind.ROLL_BACK, final=True, message=worse)
    if phase.share * 100 < plan.weight * (1 - 1e-6):
        return _waiting(base, "ramp: only harm ends it", over=over)
    return _measured(plan, phase, days, base, watched)


def _base(plan: Plan, phases: Sequence[Phase], watched: Mapping[Metric, harm.Watched]) -> Decision:
    """Return the part of the report that every decision has."""
    phase = phases[-1].beside(phases[-1].candidate)
    tested = [p for each in phases if (p := sample_ratio.p_value(each)) is not None]
    return Decision(
        kind=Kind.KEEP_RUNNING,
        message="",
        comparisons=tuple(watched[each.metric].comparison for each in plan.primary),
        guardrails=tuple(watched[each.metric].comparison for each in plan.guardrails),
        sample_ratio_p=min(tested, default=None),
        users={arm: phase.of(arm).users for arm in (phase.champion, phase.candidate)},
        novelty=novelty.novelty_of(plan, phase),
        by_segment=segment_effects.segment_report(plan, phase),
    )


def _waiting(base: Decision, message: str, *, over: bool) -> Decision:
    """Return KeepRunning, or Inconclusive if maxDays have passed."""
    message = "; ".join((message, *segment_protection.hints(base.by_segment)))
    if over:
        return dataclasses.replace(
            base,
            kind=Kind.INCONCLUSIVE,
            final=True,
            message=f"maxDays have passed without a verdict: {message}",
        )
    return dataclasses.replace(base, message=message)


def _measured(
    plan: Plan, phase: Phase, days: float, base: Decision, watched: Mapping[Metric, harm.Watched]
) -> Decision:
    """Return the decision in a phase with the full weight, without harm and mismatch."""
    over = days >= plan.max_days
    own = phase.beside(phase.candidate)
    found = horizon.pairs(plan, phase.of(phase.champion), phase.of(phase.candidate))
    if found is None:
        return _waiting(base, _too_few(plan, base), over=over)
    seen = horizon.planned(plan, phase, found)
    base = dataclasses.replace(
        base,
        planned_users={phase.champion: seen.champion, phase.candidate: seen.candidate},
        days_left=_days_left(plan, seen, days),
    )
    if seen.fraction >= 1 and days >= plan.min_days:
        outcome, comparisons, arms = further.read_extra_arms(plan, phase, found, base.further)
        base = dataclasses.replace(
            base,
            comparisons=comparisons,
            novelty=novelty.novelty_of(plan, own, read=True),
            by_segment=segment_effects.segment_report(plan, own, read=True),
            further=arms,
        )
        return _judged(plan, own, outcome, base, watched, over=over)
    if days >= plan.min_days and horizon.futile(plan, found, seen.fraction):
        message = (
            f"a promotion has become unlikely (below {horizon.FUTILE_BELOW:.0%}) even for the "
            f"smallest effect: {all_described(base.comparisons)}"
        )
        return dataclasses.replace(base, kind=Kind.FUTILE, final=True, message=message)
    return _waiting(base, _progress(plan, seen, days, base), over=over)


def _judged(
    plan: Plan,
    phase: Phase,
    outcome: Outcome,
    base: Decision,
    watched: Mapping[Metric, harm.Watched],
    *,
    over: bool,
) -> Decision:
    """Return the end of an experiment with the planned number of users.

    `phase`: of champion and candidate alone.
    """
    text, won = all_described(base.comparisons), further.winners(base.further)
    if outcome is Outcome.WORSE:
        message = "; ".join(filter(None, (f"worse beyond chance: {text}", won)))
        return dataclasses.replace(base, kind=Kind.ROLL_BACK, final=True, message=message)
    doubts = (
        *further.doubts(plan, phase, watched),
        *segment_protection.doubts(plan, base.by_segment),
    )
    if outcome is Outcome.UNDECIDED:
        doubts = (f"no decisive difference at the planned number of users: {text}", *doubts)
    if doubts:
        doubts = (*doubts, won)
    elif ahead := further.better(base.further):
        doubts = (f"it passed its test ({text}), but {ahead}",)
    if doubts:
        message = "; ".join(filter(None, doubts))
        return dataclasses.replace(base, kind=Kind.INCONCLUSIVE, final=True, message=message)
    if missing := segment_protection.missing(plan, base.by_segment):
        return _waiting(base, f"{missing} ({text})", over=over)
    return dataclasses.replace(base, kind=Kind.PROMOTE, final=True, message=text)


def _too_few(plan: Plan, base: Decision) -> str:
    """Say why nothing is tested yet: too few users, or a metric without values."""
    users = ", ".join(f"{arm} {count}" for arm, count in base.users.items())
    if any(count < MIN_USERS for count in base.users.values()):
        return f"too few users: {users}; at least {MIN_USERS} of each arm are needed"
    names = ", ".join(each.metric for each in plan.primary)
    return f"too few users have a value other than 0 in {names} (users: {users})"


def _days_left(plan: Plan, seen: Horizon, days: float) -> float | None:
    """Return the days until the end at the rate so far; None on the first day.

    Optimistic: new users become fewer, because many return.
    """
    if days < 1 or seen.fraction <= 0:
        return None
    return max(0.0, plan.min_days - days, days / seen.fraction - days)


def _progress(plan: Plan, seen: Horizon, days: float, base: Decision) -> str:
    planned = f"{seen.champion} and {seen.candidate} users are planned"
    users = " and ".join(str(count) for count in base.users.values())
    message = f"users so far: {users}; {planned}"
    if base.days_left is None:
        return message
    if days + base.days_left > plan.max_days and seen.fraction < 1:
        return (
            f"{message}; at this rate they take {days + base.days_left:.0f} days and maxDays is "
            f"{plan.max_days:g}: there will be no decision. Raise maxDays or smallestEffect"
        )
    return f"{message}; about {base.days_left:.0f} more days"
