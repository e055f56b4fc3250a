"""Records of an experiment's results, in the status of its version; bounded."""

from __future__ import annotations

import dataclasses
import datetime
import math
from collections.abc import Mapping, Sequence

from recommender_operator.api.conditions import Reason
from recommender_operator.api.spec_experiment import (
    MAX_COMPARED,
    ExperimentMode,
    ExperimentSpec,
)
from recommender_operator.api.version_experiment import (
    ArmStatus,
    ExperimentStatus,
    MetricComparison,
    NoveltyComparison,
    SegmentComparison,
    SegmentInteraction,
)
from recommender_operator.context import Context, Outcome
from recommender_operator.experiments import horizon
from recommender_operator.experiments.comparison_texts import (
    differing,
    lasting,
    seasonality,
    weekdays,
)
from recommender_operator.experiments.decision import Decision, Kind
from recommender_operator.experiments.estimates import Comparison
from recommender_operator.experiments.extra_arm_tests import Arm
from recommender_operator.experiments.novelty import Novelty
from recommender_operator.experiments.plan import Phase
from recommender_operator.experiments.segment_effects import Report, Segment
from recommender_operator.extensions.experiment import extra_arms

#: Minimum time between two writes of the numbers, unless the verdict changes: an experiment takes
#: weeks, and each write triggers another pass.
EVERY = datetime.timedelta(seconds=60)
MAX_MESSAGE = 4096


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """The verdict of a pass, with the numbers if there are any."""

    verdict: str
    message: str
    final: bool = False
    decision: Decision | None = None
    phases: Sequence[Phase] = ()
    #: Time up to which the events of the numbers are counted.
    counted_until: datetime.datetime | None = None
    #: Why further versions are withdrawn by numbers that are too old for anything else.
    harmed: Mapping[str, str] = dataclasses.field(default_factory=dict)
    #: Measured ones.
    days: float = 0.0


def note(ctx: Context, out: Outcome, name: str, found: Finding) -> ExperimentStatus:
    """Record a finding, at most once per EVERY unless the verdict changes; return the record."""
    before = ctx.versions[name].status.experiment
    assert before is not None, "there is an experiment"
    same = str(found.verdict) == before.verdict
    after = before.model_copy(
        update={
            "verdict": str(found.verdict),
            "verdict_since": (before.verdict_since if same else None) or ctx.time,
            "final": found.final,
            "message": found.message[:MAX_MESSAGE],
            "judged_at": ctx.time,
            "written_at": ctx.now,
            "seasonality": (
                weekdays(found.days) if found.final else seasonality(before.plan.min_days)
            ),
            **_numbers(before, found, ctx.now),
        }
    )
    gone = [arm for arm in after.arms if arm.version in withdrawn(after) - withdrawn(before)]
    for arm in gone:
        # Their users return to the champion before anything else is written.
        out.route_first()
        extra_arms.warn(out, name, arm.version, arm.withdrawn)
    if after.verdict != before.verdict or after.final != before.final:
        _tell(out, name, after)
    elif not gone and before.judged_at is not None and ctx.time - before.judged_at < EVERY:
        # The numbers of the last write are shown until the next one.
        return before
    out.change(name, experiment=after)
    return after


def withdrawn(record: ExperimentStatus) -> set[str]:
    """Return the further versions that take no part, or no longer do."""
    return {arm.version for arm in record.arms if arm.withdrawn}


def _tell(out: Outcome, name: str, record: ExperimentStatus) -> None:
    """Report a new verdict in an Event; a rollback has its own."""
    message = f"{name}: experiment {record.id}: {record.verdict}: {record.message}"
    match record.verdict:
        case Kind.PROMOTE:
            out.info(Reason.EXPERIMENT_WON, message, version=name)
        case Kind.INCONCLUSIVE:
            out.warn(Reason.EXPERIMENT_INCONCLUSIVE, message, version=name)
        case Kind.BLOCKED:
            out.warn(Reason.EXPERIMENT_BLOCKED, message, version=name)
        case "Error":
            out.warn(Reason.EXPERIMENT_ERROR, message, version=name)


def _numbers(
    before: ExperimentStatus, found: Finding, now: datetime.datetime
) -> dict[str, object]:
    """Return the numbers of a decision; those before stay if there is none."""
    plan, seen = before.plan, found.decision
    if seen is None:
        return {
            "arms": tuple(
                _harmed(plan, arm, found.harmed.get(arm.version, ""), now) for arm in before.arms
            )
        }
    own = {arm.version: arm for arm in seen.further}
    return {
        "counted_until": found.counted_until,
        "days_left": seen.days_left,
        "users": sum(seen.users.values()),
        "planned_users": sum(seen.planned_users.values()) if seen.planned_users else None,
        "mixed": sum(phase.mixed for phase in found.phases),
        "disagreed": sum(
            phase.disagreed.get(arm, 0) for phase in found.phases for arm in seen.users
        ),
        "sample_ratio_p": _finite(seen.sample_ratio_p),
        "metrics": _metrics(plan, seen.comparisons, seen.guardrails),
        "arms": tuple(_arm(plan, arm, own.get(arm.version), now) for arm in before.arms),
        "novelty": tuple(map(_lasting, seen.novelty)),
        **_by_segment(plan, seen.by_segment),
    }


def _metrics(
    plan: ExperimentSpec, primary: Sequence[Comparison], guardrails: Sequence[Comparison]
) -> tuple[MetricComparison, ...]:
    return (
        *_compared("Primary", primary, [each.smallest_effect for each in plan.primary]),
        *_compared("Guardrail", guardrails, [each.largest_loss for each in plan.guardrails]),
    )


def _arm(
    plan: ExperimentSpec, record: ArmStatus, seen: Arm | None, now: datetime.datetime
) -> ArmStatus:
    """Return the record of a further version; that of a withdrawn one stays as it was."""
    if seen is None or record.withdrawn:
        return record
    return _harmed(plan, record, seen.harmed, now).model_copy(
        update={
            "result": _result(seen),
            "users": seen.users,
            "disagreed": seen.disagreed,
            "metrics": _metrics(plan, seen.comparisons, seen.guardrails),
        }
    )


def _harmed(
    plan: ExperimentSpec, record: ArmStatus, why: str, now: datetime.datetime
) -> ArmStatus:
    """Withdraw a further version if it harms."""
    if not why or record.withdrawn or plan.mode is not ExperimentMode.DECIDE:
        return record
    return extra_arms.withdrawn(record, why, now)


def _result(seen: Arm) -> str:
    if seen.outcome is None:
        return ""
    if seen.passed:
        return "Ahead" if seen.ahead else "Passed"
    return "Worse" if seen.outcome is horizon.Outcome.WORSE else "Undecided"


def _by_segment(plan: ExperimentSpec, seen: Report) -> dict[str, object]:
    interactions = tuple(
        SegmentInteraction(
            feature=each.feature,
            metric=str(each.metric),
            q=each.q,
            p_value=each.p_value,
            message=differing(each, plan.alpha),
        )
        for each in seen.interactions
        if math.isfinite(each.q)
    )
    return {"segments": segments_of(seen.segments), "interactions": interactions}


def segments_of(seen: Sequence[Segment]) -> tuple[SegmentComparison, ...]:
    """Return the segments; of too many ones, first those that keep from promotion."""
    if len(seen) > MAX_COMPARED:
        seen = sorted(seen, key=lambda each: not (each.harmed or each.mismatch))
    return tuple(map(_segment, seen[:MAX_COMPARED]))


def _segment(each: Segment) -> SegmentComparison:
    found = each.comparison
    return SegmentComparison(
        feature=each.feature,
        value=each.value,
        metric=str(found.metric),
        champion=_finite(found.champion),
        candidate=_finite(found.candidate),
        difference=_finite(found.difference),
        low=_finite(found.low),
        high=_finite(found.high),
        p_value=_finite(found.p_value),
        champion_users=found.champion_users,
        candidate_users=found.candidate_users,
        note="Harmed" if each.harmed else "Mismatch" if each.mismatch else "",
    )


def _lasting(each: Novelty) -> NoveltyComparison:
    return NoveltyComparison(
        metric=str(each.metric),
        first_day=_finite(each.first),
        later=_finite(each.later),
        change=_finite(each.change),
        low=_finite(each.low),
        high=_finite(each.high),
        p_value=_finite(each.p_value),
        message=lasting(each),
    )


def _compared(
    role: str, comparisons: Sequence[Comparison], limits: Sequence[float]
) -> list[MetricComparison]:
    return [
        MetricComparison(
            metric=str(each.metric),
            role=role,
            champion=_finite(each.champion),
            candidate=_finite(each.candidate),
            difference=_finite(each.difference),
            low=_finite(each.low),
            high=_finite(each.high),
            p_value=_finite(each.p_value),
            limit=limit,
            champion_users=each.champion_users,
            candidate_users=each.candidate_users,
        )
        for each, limit in zip(comparisons, limits, strict=False)
    ]


def _finite(value: float | None) -> float | None:
    """Return a number that JSON has; None otherwise."""
    return value if value is not None and math.isfinite(value) else None
