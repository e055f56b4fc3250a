"""Write the decision to the status: roles of versions, stage and conditions."""

from __future__ import annotations

from decimal import Decimal

from recommender_operator.api.conditions import ConditionType, Reason, find
from recommender_operator.api.quantities import mebibytes
from recommender_operator.api.spec import TrafficMode
from recommender_operator.api.status import LastOutcome, Stage
from recommender_operator.api.version import TERMINAL, VersionDecision, VersionStage
from recommender_operator.context import Context, Outcome
from recommender_operator.observed import VersionObject
from recommender_operator.status import availability, pipeline_conditions, pod_placement

_STAGES = {
    VersionStage.PENDING: Stage.PENDING,
    VersionStage.CHECKING_DATA: Stage.CHECKING_DATA,
    VersionStage.TRAINING: Stage.TRAINING,
    VersionStage.EVALUATING: Stage.EVALUATING,
    VersionStage.PUBLISHING: Stage.PUBLISHING,
    VersionStage.PUBLISHED: Stage.DEPLOYING,
    VersionStage.DEPLOYING: Stage.DEPLOYING,
    VersionStage.SMOKE_TESTING: Stage.SMOKE_TESTING,
    VersionStage.CANARY: Stage.CANARY,
}


def project_status(ctx: Context, out: Outcome) -> None:
    """Set the fields that `kubectl get` and `kubectl describe` show."""
    candidate, champion, previous = ctx.candidate, ctx.champion, ctx.previous
    name = candidate.name if candidate else None
    drift = ctx.status.drift
    if ctx.model.status.candidate != name and drift.candidate_breaks_in_a_row:
        drift = drift.model_copy(update={"candidate_breaks_in_a_row": 0})
    wanted = ctx.versions.get(ctx.desired) or ctx.versions.get(ctx.specified)
    subject = candidate or wanted or champion
    out.set_status(
        observed_generation=ctx.model.generation,
        sequence=out.next_number() - 1,
        stage=_stage(ctx),
        champion=champion.name if champion else None,
        previous=previous.name if previous else None,
        candidate=name,
        champion_weight=ctx.desired_weights.get(champion.name, 0) if champion else None,
        candidate_weight=ctx.desired_weights.get(name, 0) if name else None,
        requested_memory=_requested_memory(ctx),
        last_outcome=_last_outcome(ctx),
        verdict=_verdict(subject),
        url=_host(ctx),
        drift=drift,
    )
    for extension in ctx.extensions:
        out.set_status(**extension.project(ctx))
    if subject is not None:
        pipeline_conditions.set_conditions(ctx, out, subject)
    pod_placement.set_condition(ctx, out)
    availability.set_conditions(ctx, out, subject)
    _complete(ctx, out)


def record_weights(ctx: Context, out: Outcome) -> None:
    """Record the split in the versions, as all other steps have decided it."""
    desired = ctx.desired_weights
    for name in tuple(ctx.versions):
        out.change(name, weight=desired.get(name, 0))


def _stage(ctx: Context) -> Stage:
    candidate = ctx.candidate
    if ctx.spec.paused:
        return Stage.PAUSED
    if candidate is not None and candidate.status.stage not in TERMINAL:
        return _STAGES[candidate.status.stage]
    if ctx.status.locked:
        return Stage.LOCKED
    if ctx.champion is not None:
        return Stage.SERVING
    wanted = ctx.versions.get(ctx.desired)
    return Stage.PENDING if wanted is None else Stage.FAILED


def _requested_memory(ctx: Context) -> str | None:
    requested = sum(each.requested_memory for each in ctx.observed.services.values())
    return mebibytes(Decimal(requested)) if requested else None


def _last_outcome(ctx: Context) -> LastOutcome | None:
    """Return the outcome of the last candidate, or of a champion that broke.

    The return of a former champion is not an outcome: it was decided before.
    """
    known = ctx.status.last_outcome
    outcomes = [known] if known is not None else []
    for version in ctx.versions.values():
        decision = version.status.decision
        if decision is None or _takes_over_again(decision):
            continue
        outcomes.append(
            LastOutcome(
                version=version.name,
                outcome=decision.outcome,
                reason=decision.reason,
                summary=f"{decision.outcome}: {decision.reason}",
                sequence=decision.sequence,
            )
        )
    return max(outcomes, key=lambda outcome: outcome.sequence, default=None)


def _takes_over_again(decision: VersionDecision) -> bool:
    return decision.outcome == VersionStage.PROMOTED and decision.stage in TERMINAL


def _verdict(subject: VersionObject | None) -> str | None:
    if subject is None or not subject.status.steps:
        return None
    return subject.status.steps[-1].verdict


def _host(ctx: Context) -> str | None:
    if ctx.spec.rollout.traffic is TrafficMode.KNATIVE:
        return ctx.observed.traffic.host or ctx.status.url
    if ctx.hosting.host is None:
        return None
    return ctx.hosting.host or ctx.status.url


def _complete(ctx: Context, out: Outcome) -> None:
    """Set conditions that are missing, as Unknown if possible, and refresh the others."""
    for kind in ConditionType:
        if find(ctx.status.conditions, kind) is None:
            if kind is ConditionType.REQUESTS_HONORED:
                out.condition(kind, "True", Reason.NONE, "no annotation requests anything")
            else:
                out.condition(kind, "Unknown", Reason.NOT_YET_KNOWN, "not evaluated yet")
        else:
            _refresh(ctx, out, kind)


def _refresh(ctx: Context, out: Outcome, kind: ConditionType) -> None:
    """Update the observedGeneration of a condition that did not change."""
    condition = find(ctx.status.conditions, kind)
    if condition is not None and condition.observed_generation != ctx.model.generation:
        out.condition(kind, condition.status, condition.reason, condition.message)
