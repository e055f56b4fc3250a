"""The shadow phase before the first step: the candidate answers copies that nobody sees.

It is recorded and judged like a step, of weight 0, by the counters of copies. Fail rolls the
candidate back before any user saw an answer of it. A Pass ends the phase, and so does its time:
the steps, with their own verdicts, follow.
"""

from __future__ import annotations

import datetime

from recommender_operator.analysis.step_verdict import Verdict
from recommender_operator.api.conditions import ConditionType, Reason
from recommender_operator.api.version import StepRecord
from recommender_operator.context import routing
from recommender_operator.context.reconcile_context import ReconcileContext
from recommender_operator.observed import VersionObject
from recommender_operator.rollout import step_window, steps

_ROUTE = datetime.timedelta(seconds=1)
_REWRITTEN = datetime.timedelta(seconds=5)


def begin(ctx: ReconcileContext, version: VersionObject) -> bool:
    """Begin the phase once the data plane reports the route; return False if there is none."""
    wanted = ctx.spec.rollout.shadow
    if wanted is None or not routing.shadows(ctx.spec.rollout, version.status):
        return False
    if not ctx.desired_routing.shadow:  # an earlier release wrote its service, which comes anew
        ctx.requeue(_REWRITTEN)
        return True
    if not ctx.route_agrees:
        ctx.requeue(_ROUTE)
        return True
    steps.begin(ctx, version.name, 0)
    step_window.start(ctx, ctx.versions[version.name])
    message = (
        f"{version.name} gets copies of a share of {wanted.share:.4g} of the requests; nobody "
        "sees its answers"
    )
    ctx.info(Reason.ROLLING_OUT, message, version=version.name)
    ctx.due(ctx.time, datetime.timedelta(seconds=wanted.seconds), steps.interval(ctx))
    ctx.requeue(steps.interval(ctx))
    return True


def evaluate_shadow(
    ctx: ReconcileContext, version: VersionObject, record: StepRecord, *, frozen: bool
) -> bool:
    """Evaluate the candidate by its copies; return whether the phase is over and steps follow."""
    ctx.requeue(steps.interval(ctx))
    wanted = ctx.spec.rollout.shadow
    if wanted is None or not routing.shadows(ctx.spec.rollout, version.status):
        if not frozen:
            steps.close(ctx, version.name, record.verdict)
        return not frozen
    seen = step_window.evaluate(ctx, version, record)
    is_recorded = step_window.note(ctx, version, record, seen)
    if seen.verdict is Verdict.FAIL:
        message = f"in the shadow phase, before any user saw an answer of it: {seen.message}"
        steps.roll_back(ctx, version, Reason.ANALYSIS_FAILED, message)
        return False
    if is_recorded:
        reason = step_window.REASONS[seen.verdict]
        message = f"in the shadow phase: {seen.message}"
        ctx.condition(ConditionType.ANALYSIS_PASSED, "Unknown", reason, message)
    if frozen:
        return False
    limit = datetime.timedelta(seconds=wanted.seconds)
    if seen.verdict is Verdict.PASS:
        message = f"{version.name} passed its shadow phase: {seen.message}"
    elif ctx.due(record.started_at, limit, steps.interval(ctx)):
        message = (
            f"the shadow phase of {version.name} ended after {wanted.seconds} s without a "
            f"verdict, and its steps follow: {seen.message}"
        )
    else:
        return False
    steps.close(ctx, version.name, str(seen.verdict))
    ctx.info(step_window.REASONS[seen.verdict], message, version=version.name)
    return True
