"""The experiment of a rollout: what users did, read from the collector at each pass.

Below the weight of the experiment the steps are a ramp, on which only a guardrail decides. At the
weight the step holds until the experiment decides. What cannot be read, is not valid or has too
few users never promotes.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Mapping, Sequence

from recommender_operator.api.conditions import Reason
from recommender_operator.api.spec import ExperimentMode, ExperimentSpec
from recommender_operator.api.version import ModelVersionStatus, StepRecord, VersionStage
from recommender_operator.api.version_experiment import ExperimentPhase, ExperimentStatus
from recommender_operator.context import Context, Outcome, routing
from recommender_operator.context.extension import Evidence, Extension
from recommender_operator.experiments import decision as statistics
from recommender_operator.experiments.decision import Decision, Kind
from recommender_operator.experiments.plan import Guardrail, Phase, Plan, Primary
from recommender_operator.extensions.experiment import experiment_record, user_assignment
from recommender_operator.observed import Routing, VersionObject
from recommender_operator.rollout import collected_moments
from recommender_operator.rollout.collected_moments import ERROR

#: The reasons of the condition while the step waits for it; of other verdicts: Measuring.
_REASONS = {
    ERROR: Reason.EXPERIMENT_ERROR,
    str(Kind.BLOCKED): Reason.EXPERIMENT_BLOCKED,
    str(Kind.INCONCLUSIVE): Reason.EXPERIMENT_INCONCLUSIVE,
}
_DAY = datetime.timedelta(days=1)
_NO_ROOM = (
    "the collector has no room for this experiment, so none of its users are counted: it keeps "
    "four experiments of a model. If the others are not real, their impressions are forged: "
    "restrict who may send events (collector.eventsFrom). This experiment is counted once an idle "
    "one makes room"
)


_CLOSED = (
    "the collector has closed this experiment, because it had no impression for two weeks: what "
    "users do now is not counted. Abort the rollout, or retry it to measure again"
)


class Experiment(Extension):
    """The users of an experiment as evidence about a step."""

    def route(self, ctx: Context, found: Routing, weights: Mapping[str, int]) -> Routing:
        """Return the routing with the assignment of users.

        If no pod of the version that receives them all would answer, they are split by weight: an
        experiment must not cost the requests that the candidate answers.
        """
        candidate = routing.shared(ctx.spec.rollout, ctx.candidate, weights)
        if candidate is None:
            return found
        services = [ctx.service(name) for name in weights if name != candidate.name]
        if not any(service is not None and service.answers for service in services):
            return found
        header = user_assignment.header(candidate, weights[candidate.name])
        return dataclasses.replace(found, experiment=header)

    def unit(self, version: VersionObject, weight: int) -> str | None:
        """Return that users are split, below weight 100."""
        return None if version.status.experiment is None or weight == 100 else "users"

    def start(
        self, ctx: Context, out: Outcome, version: VersionObject, rollout: int
    ) -> dict[str, object]:
        """Return the experiment with which a rollout starts."""
        return {"experiment": user_assignment.begin(ctx, out, version, rollout)}

    def weights(self, status: ModelVersionStatus) -> Iterable[int]:
        """Return the weight at which the experiment decides."""
        return () if status.experiment is None else (status.experiment.plan.weight,)

    def widest(self, status: ModelVersionStatus) -> int:
        """Return the widest share so far, so that no user goes back."""
        phases = status.experiment.phases if status.experiment is not None else ()
        return max((phase.weight for phase in phases), default=0)

    def judge(
        self, ctx: Context, out: Outcome, version: VersionObject, record: StepRecord
    ) -> Evidence | None:
        """Judge what users did so far, and record it; None without an experiment."""
        experiment = version.status.experiment
        if experiment is None or ctx.champion is None:
            return None
        days, before = _days(ctx, experiment), experiment
        if not experiment.final:
            found = dataclasses.replace(_decide(ctx, version, experiment, days), days=days)
            experiment = experiment_record.note(ctx, out, version.name, found)
        judged = _judged(experiment, measures=record.weight == experiment.plan.weight, days=days)
        withdrew = experiment_record.withdrawn(experiment) != experiment_record.withdrawn(before)
        return dataclasses.replace(judged, withdrew=withdrew)

    def settle(self, ctx: Context, out: Outcome) -> None:
        """Begin and end the phases of the users, with the decided split."""
        user_assignment.assign_users(ctx, out)

    def counted(self, versions: Iterable[VersionObject]) -> tuple[str, int | None] | None:
        """Return the id of the experiment whose users decide, and the phase that lasts."""
        for version in versions:
            found = version.status.experiment
            if version.status.stage is VersionStage.CANARY and found and found.phases:
                phase = routing.running(found)
                number = None if phase is None else phase.number
                return None if found.final else (found.id, number)
        return None


def _judged(experiment: ExperimentStatus, *, measures: bool, days: float) -> Evidence:
    plan, verdict = experiment.plan, experiment.verdict
    seen = Evidence(
        message=f"experiment {experiment.id}: {verdict}: {experiment.message}",
        reason=_REASONS.get(verdict, Reason.MEASURING),
        remedy="Change spec.rollout.experiment and retry",
        measures=measures,
        passes=not measures and verdict not in (ERROR, Kind.BLOCKED),
        overdue=measures and days >= plan.max_days and verdict != Kind.PROMOTE,
    )
    if plan.mode is ExperimentMode.OBSERVE:
        message = f"{seen.message}. rollout.experiment.mode is Observe: a person decides"
        return dataclasses.replace(seen, message=message, overdue=False)
    match verdict:
        case Kind.PROMOTE:
            won_at = experiment.judged_at if measures else None
            return dataclasses.replace(seen, passes=True, won_at=won_at)
        case Kind.ROLL_BACK:
            return dataclasses.replace(seen, rolls_back=Reason.EXPERIMENT_LOST, at_once=True)
        case Kind.FUTILE:
            return dataclasses.replace(seen, rolls_back=Reason.EXPERIMENT_FUTILE)
        case Kind.INCONCLUSIVE:
            return dataclasses.replace(seen, overdue=measures)
    return seen


def _decide(
    ctx: Context, version: VersionObject, experiment: ExperimentStatus, days: float
) -> experiment_record.Finding:
    """Return the decision on the collector's answer, or why there is none."""
    reading, champion = ctx.observed.experiment, ctx.champion
    if reading is None or champion is None or reading.error:
        error = "its users were not read yet" if reading is None else reading.error
        return experiment_record.Finding(verdict=ERROR, message=error)
    try:
        phases = collected_moments.read_phases(
            reading.body, experiment, champion.name, version.name
        )
        watermark = collected_moments.watermark(reading.body)
        lag = collected_moments.lag_of(ctx, watermark)
    except (ValueError, ArithmeticError) as problem:
        error = f"the collector's answer is not valid: {problem}"
        return experiment_record.Finding(verdict=ERROR, message=error)
    ignored = bool(reading.body.get("ignored"))
    if ignored and not any(phase.arms for phase in phases):
        return experiment_record.Finding(verdict=ERROR, message=_NO_ROOM)
    if not phases:
        message = "no phase beside the champion has begun"
        return experiment_record.Finding(verdict=Kind.KEEP_RUNNING, message=message)
    try:
        decided = statistics.decide(_plan(experiment.plan), phases, days)
    except (ValueError, ArithmeticError) as problem:
        # The rest of the rollout goes on: errors and latency still roll back.
        error = f"nothing can be decided from these numbers: {problem}"
        return experiment_record.Finding(verdict=ERROR, message=error)
    if ignored and decided.kind is not Kind.ROLL_BACK:
        return experiment_record.Finding(
            verdict=Kind.INCONCLUSIVE,
            message=_CLOSED,
            final=True,
            decision=decided,
            phases=phases,
            counted_until=_counted_until(ctx, watermark),
        )
    found = _found(decided, phases, lag, days)
    return dataclasses.replace(found, counted_until=_counted_until(ctx, watermark))


def _counted_until(ctx: Context, watermark: float) -> datetime.datetime:
    """Return a watermark as a time, at most now: clocks may differ, and an answer may be wrong."""
    seconds = min(max(0.0, watermark), ctx.now.timestamp())
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


def _found(
    decided: Decision, phases: Sequence[Phase], lag: str, days: float
) -> experiment_record.Finding:
    """Return the result of a pass; `lag` is the reason that the numbers are not about now."""
    if lag and decided.kind is not Kind.ROLL_BACK:
        # Older events can prove a loss, but the newest ones are missing for anything else.
        harmed = {arm.version: arm.harmed for arm in decided.further}
        return experiment_record.Finding(verdict=ERROR, message=lag, harmed=harmed)
    return experiment_record.Finding(
        verdict=decided.kind,
        message=f"{decided.message} ({days:.3g} days)",
        final=decided.final,
        decision=decided,
        phases=phases,
    )


def measured(experiment: ExperimentStatus, champion: str) -> ExperimentPhase | None:
    """Return the phase that measures; None before it."""
    plan = experiment.plan
    found = [p for p in experiment.phases if (p.weight, p.stable) == (plan.weight, champion)]
    return found[-1] if found else None


def _days(ctx: Context, experiment: ExperimentStatus) -> float:
    phase = measured(experiment, ctx.champion.name) if ctx.champion is not None else None
    return user_assignment.measured(phase, ctx.time) / _DAY if phase is not None else 0.0


def _plan(spec: ExperimentSpec) -> Plan:
    return Plan(
        primary=tuple(
            Primary(
                metric=each.metric,
                smallest_effect=each.smallest_effect,
                baseline=each.baseline,
            )
            for each in spec.primary
        ),
        guardrails=tuple(
            Guardrail(metric=each.metric, largest_loss=each.largest_loss)
            for each in spec.guardrails
        ),
        goal=spec.goal,
        weight=spec.weight,
        alpha=spec.alpha,
        power=spec.power,
        min_days=spec.min_days,
        max_days=spec.max_days,
        segments={each.feature: each.largest_loss for each in spec.segments},
        further=len(spec.arms),
    )
