"""Write the decision to the status: roles of versions, stage and conditions."""

from __future__ import annotations

from recommender_operator.api.conditions import ConditionType, Reason, find
from recommender_operator.api.spec import TrafficMode
from recommender_operator.api.status import LastOutcome, Stage
from recommender_operator.api.version import TERMINAL, VersionDecision, VersionStage
from recommender_operator.context import routing
from recommender_operator.context.reconcile_context import Turn
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


def step(turn: Turn) -> None:
    """Set the fields that `kubectl get` and `kubectl describe` show."""
    candidate, champion, previous = turn.candidate, turn.champion, turn.previous
    name = candidate.name if candidate else None
    drift = turn.status.drift
    if turn.model.status.candidate != name and drift.candidate_breaks_in_a_row:
        drift = drift.model_copy(update={"candidate_breaks_in_a_row": 0})
    wanted = turn.versions.get(turn.desired) or turn.versions.get(turn.specified)
    subject = candidate or wanted or champion
    turn.set_status(
        observed_generation=turn.model.generation,
        sequence=turn.next_number() - 1,
        stage=_stage(turn),
        champion=champion.name if champion else None,
        previous=previous.name if previous else None,
        candidate=name,
        champion_weight=turn.desired_weights.get(champion.name, 0) if champion else None,
        candidate_weight=turn.desired_weights.get(name, 0) if name else None,
        fresh_champion=turn.fresh,
        fresh_champion_weight=_fresh_weight(turn),
        last_outcome=_last_outcome(turn),
        verdict=_verdict(subject),
        url=_host(turn),
        drift=drift,
    )
    if subject is not None:
        pipeline_conditions.set_conditions(turn, subject)
    pod_placement.set_condition(turn)
    availability.set_conditions(turn, subject)
    _complete(turn)


def _fresh_weight(turn: Turn) -> int | None:
    if turn.fresh is None:
        return None
    return routing.arms(turn.desired_weights, turn.desired_routing).get(turn.fresh, 0)


def _stage(turn: Turn) -> Stage:
    candidate = turn.candidate
    if turn.spec.paused:
        return Stage.PAUSED
    if candidate is not None and candidate.status.stage not in TERMINAL:
        return _STAGES[candidate.status.stage]
    if turn.status.locked:
        return Stage.LOCKED
    if turn.champion is not None:
        return Stage.SERVING
    wanted = turn.versions.get(turn.desired)
    return Stage.PENDING if wanted is None else Stage.FAILED


def _last_outcome(turn: Turn) -> LastOutcome | None:
    """Return the outcome of the last candidate, or of a champion that broke.

    The return of a former champion is not an outcome: it was decided before.
    """
    known = turn.status.last_outcome
    outcomes = [known] if known is not None else []
    for version in turn.versions.values():
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


def _host(turn: Turn) -> str | None:
    if turn.spec.rollout.traffic is TrafficMode.KNATIVE:
        return turn.observed.traffic.host or turn.status.url
    if turn.hosting.host is None:
        return None
    return turn.hosting.host or turn.status.url


def _complete(turn: Turn) -> None:
    """Set conditions that are missing, as Unknown if possible, and refresh the others."""
    for kind in ConditionType:
        if find(turn.status.conditions, kind) is None:
            if kind is ConditionType.REQUESTS_HONORED:
                turn.condition(kind, "True", Reason.NONE, "no annotation requests anything")
            else:
                turn.condition(kind, "Unknown", Reason.NOT_YET_KNOWN, "not evaluated yet")
        else:
            _refresh(turn, kind)


def _refresh(turn: Turn, kind: ConditionType) -> None:
    """Update the observedGeneration of a condition that did not change."""
    condition = find(turn.status.conditions, kind)
    if condition is not None and condition.observed_generation != turn.model.generation:
        turn.condition(kind, condition.status, condition.reason, condition.message)
