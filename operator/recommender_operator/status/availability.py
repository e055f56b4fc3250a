"""The conditions Available and Progressing."""

from __future__ import annotations

import datetime

from recommender_operator.api.conditions import ConditionType, Reason, find
from recommender_operator.api.spec import TrafficMode
from recommender_operator.api.version import VersionStage
from recommender_operator.context import Context, Outcome
from recommender_operator.observed import VersionObject
from recommender_operator.status import pod_placement, summary
from recommender_operator.status.summary import ConditionValue

#: Time for the data plane to apply a split, which usually takes about a second.
ROUTE_GRACE = datetime.timedelta(seconds=15)
_LOOK = datetime.timedelta(seconds=5)


def set_conditions(ctx: Context, out: Outcome, subject: VersionObject | None) -> None:
    """Set the conditions, and warn if the champion stops serving."""
    on_its_way = bool(ctx.desired_weights) and not ctx.route_agrees
    since = (ctx.status.route_pending_since or ctx.time) if on_its_way else None
    out.set_status(route_pending_since=since)
    available = _available(ctx, out)
    was = find(ctx.model.status.conditions, ConditionType.AVAILABLE)
    out.condition(ConditionType.AVAILABLE, *available)
    if was is not None and was.status == "True" and available[0] != "True":
        out.warn(available[1], available[2])
    out.condition(ConditionType.PROGRESSING, *_progressing(ctx, subject))
    summary.set_conditions(ctx, out, subject, available)


def _available(ctx: Context, out: Outcome) -> ConditionValue:
    champion, traffic = ctx.champion, ctx.observed.traffic
    missing = ctx.observed.platform.missing
    if missing:
        return "Unknown", Reason.PLATFORM_MISSING, "; ".join(missing)
    if champion is None:
        return "False", Reason.NO_CHAMPION, "no version has been promoted yet"
    name = _answering(ctx, champion).name
    service = ctx.service(name)
    if service is None or not service.ready:
        state = f"{service.reason} {service.message}".strip() if service else "it does not exist"
        message = f"{name} is not ready: {state or 'no reason given'}"
        return "False", Reason.CHAMPION_UNAVAILABLE, message
    hosting = ctx.hosting
    if hosting.host is None and hosting.reason is not None:
        return "False", hosting.reason, f"{champion.name} receives no requests: {hosting.message}"
    if not traffic.accepted and not _still_serves(ctx, out):
        why = traffic.message or "no reason given"
        message = f"the data plane has not applied the route: {why}"
        return "False", Reason.ROUTE_NOT_ACCEPTED, message
    if ctx.standby is not None:
        message = f"{name} answers in place of {champion.name}, which is not ready"
        return "True", Reason.STANDBY_SERVES, message
    return "True", Reason.SERVING, f"{name} is ready"


def _answering(ctx: Context, champion: VersionObject) -> VersionObject:
    """Return the version that answers: the standby, or a candidate that receives all requests.

    In Knative mode the champion has no pods then, which is not an outage.
    """
    if ctx.standby is not None:
        return ctx.standby
    candidate = ctx.candidate
    if candidate is not None and ctx.route_weights == {candidate.name: 100}:
        return candidate
    return champion


def _still_serves(ctx: Context, out: Outcome) -> bool:
    """Return whether a new split is pending, while the data plane serves with the former one.

    This happens briefly at each step of a rollout, and is not an outage.
    """
    was = find(ctx.model.status.conditions, ConditionType.AVAILABLE)
    since = ctx.status.route_pending_since or ctx.time
    if was is None or was.status != "True" or out.due(since, ROUTE_GRACE, _LOOK):
        return False
    out.requeue(_LOOK)
    return True


def _progressing(ctx: Context, subject: VersionObject | None) -> ConditionValue:
    candidate = ctx.candidate
    if ctx.observed.platform.missing:
        return "False", Reason.PLATFORM_MISSING, "Available has what is missing"
    if ctx.spec.paused:
        at = f" {candidate.name} stays at {candidate.status.stage.value}." if candidate else ""
        message = f"spec.paused is true: nothing starts and no weight increases.{at}"
        return "False", Reason.PAUSED, message
    if ctx.spec.rollback_to is not None:
        message = f"spec.rollbackTo pins {ctx.spec.rollback_to}: no other version rolls out"
        return "False", Reason.PINNED, message
    hosting = ctx.hosting
    unrouted = hosting.reason if hosting.host is None else None
    if unrouted and candidate is not None and candidate.status.stage is VersionStage.CANARY:
        return "False", unrouted, f"{candidate.name} waits: {hosting.message}"
    problem = ctx.storage.problem
    if problem and candidate is not None and candidate.status.artifact is None:
        return "False", problem[0], f"{candidate.name} waits: {problem[1]}"
    if candidate is not None:
        return "True", candidate.status.stage.value, _where(ctx, candidate)
    if ctx.status.locked:
        return "False", Reason.LOCKED, "nothing starts: Locked has the remedy"
    if subject is None:
        return "True", VersionStage.PENDING.value, f"{ctx.desired} is being created"
    decision = subject.status.decision
    if decision is None:
        return "True", subject.status.stage.value, f"{subject.name} is about to start"
    # The decision itself is written once, in the condition that it is about.
    promoted = decision.outcome == VersionStage.PROMOTED
    where = ConditionType.ANALYSIS_PASSED if promoted else ConditionType.UP_TO_DATE
    return "False", decision.reason, f"{subject.name} {decision.outcome}: {where} has the numbers"


def _where(ctx: Context, candidate: VersionObject) -> str:
    stage = candidate.status.stage
    if stage is not VersionStage.CANARY:
        waits = pod_placement.waits(ctx, candidate.name)
        text = f"{candidate.name} is at the stage {stage.value}"
        return f"{text} and waits: {waits}" if waits else text
    analysis = find(ctx.status.conditions, ConditionType.ANALYSIS_PASSED)
    text = _received(ctx, candidate)
    for extension in ctx.extensions:
        text = extension.describe(ctx, candidate, text)
    if not ctx.route_agrees:
        why = ctx.observed.traffic.message
        return f"{text} once the data plane reports it" + (f" ({why})" if why else "")
    return text + (f"; {analysis.reason}" if analysis is not None else "")


def _received(ctx: Context, candidate: VersionObject) -> str:
    """Return the candidate's share, of users where they are split and else of requests."""
    weight = candidate.status.weight
    text = f"{candidate.name} receives {weight} % of the {ctx.unit(candidate, weight)}"
    if ctx.spec.rollout.traffic is TrafficMode.KNATIVE and 0 < weight < 100:
        text += ", so a user may see both versions: Knative cannot split users"
    return text
