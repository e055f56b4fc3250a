"""The shadow phase before the first step: the candidate answers copies that nobody sees.

It is recorded and judged like a step, of weight 0, by the counters of copies. Fail rolls the
candidate back before any user saw an answer of it. A Pass ends the phase, and so does its time:
the steps, with their own verdicts, follow.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from recommender_operator.analysis.step_verdict import Verdict
from recommender_operator.api.conditions import ConditionType, Reason
from recommender_operator.api.spec_rollout import RolloutSpec, TrafficMode
from recommender_operator.api.version import ModelVersionStatus, VersionStage
from recommender_operator.context import Context, Outcome, pre_traffic
from recommender_operator.context.extension import Extension
from recommender_operator.extensions.shadow import shadow_headers
from recommender_operator.observed import Routing, VersionObject
from recommender_operator.rollout import step_window, steps

_ROUTE = datetime.timedelta(seconds=1)
_REWRITTEN = datetime.timedelta(seconds=5)


def shadows(rollout: RolloutSpec, status: ModelVersionStatus) -> bool:
    """Return whether a version is in its shadow phase, or about to begin it."""
    if rollout.shadow is None or rollout.traffic is not TrafficMode.GATEWAY:
        return False
    if status.stage is not VersionStage.CANARY or status.approved_at is not None:
        return False
    # The phase was added to the spec when mixed lists had begun, or users were on their way.
    if status.interleaving is not None or status.weight > 0:
        return False
    return not status.steps or (status.steps[-1].is_shadow and status.steps[-1].ended_at is None)


class Shadow(Extension):
    """The phase with copies."""

    def route(self, ctx: Context, found: Routing, weights: Mapping[str, int]) -> Routing:
        """Return the routing with copies, if the services of this release allow them."""
        version, wanted = pre_traffic.candidate(ctx, weights), ctx.spec.rollout.shadow
        if version is None or wanted is None or not pre_traffic.answers_lists(ctx):
            return found
        if not shadows(ctx.spec.rollout, version.status):
            return found
        if not version.status.steps and pre_traffic.is_held(ctx):
            return found
        return Routing(shadow=shadow_headers.header(version.name, wanted.share))

    def runs(self, version: VersionObject) -> bool:
        """Return whether the step in progress is the phase."""
        record = steps.current(version.status)
        return record is not None and record.is_shadow

    def describe(self, ctx: Context, candidate: VersionObject, text: str) -> str:
        """Return the text about the copies, in the phase."""
        wanted = ctx.spec.rollout.shadow
        if wanted is None or not ctx.desired_routing.shadow:
            return text
        share = f"a share of {wanted.share:.4g} of the requests"
        return f"{candidate.name} answers copies of {share} (shadow phase)"

    def begin(self, ctx: Context, out: Outcome, version: VersionObject) -> bool:
        """Begin the phase once the data plane reports the route; return False if there is none."""
        wanted = ctx.spec.rollout.shadow
        if wanted is None or not shadows(ctx.spec.rollout, version.status):
            return False
        if (
            not ctx.desired_routing.shadow
        ):  # an earlier release wrote its service, which comes anew
            out.requeue(_REWRITTEN)
            return True
        if not ctx.route_agrees:
            out.requeue(_ROUTE)
            return True
        steps.begin(out, version.name, 0)
        step_window.start(ctx, out, ctx.versions[version.name])
        message = (
            f"{version.name} gets copies of a share of {wanted.share:.4g} of the requests; nobody "
            "sees its answers"
        )
        out.info(Reason.ROLLING_OUT, message, version=version.name)
        out.due(ctx.time, datetime.timedelta(seconds=wanted.seconds), steps.interval(ctx))
        out.requeue(steps.interval(ctx))
        return True

    def evaluate(
        self, ctx: Context, out: Outcome, version: VersionObject, *, frozen: bool
    ) -> bool:
        """Evaluate the candidate by its copies; return whether the phase is over."""
        out.requeue(steps.interval(ctx))
        wanted, record = ctx.spec.rollout.shadow, steps.current(version.status)
        assert record is not None, "it runs"
        if wanted is None or not shadows(ctx.spec.rollout, version.status):
            if not frozen:
                steps.close(out, version.name, record.verdict)
            return not frozen
        seen = step_window.evaluate(ctx, out, version, record, min_requests=wanted.min_requests)
        is_recorded = step_window.note(ctx, out, version, record, seen)
        if seen.verdict is Verdict.FAIL:
            message = f"in the shadow phase, before any user saw an answer of it: {seen.message}"
            steps.roll_back(out, version, Reason.ANALYSIS_FAILED, message)
            return False
        if is_recorded:
            reason = step_window.REASONS[seen.verdict]
            message = f"in the shadow phase: {seen.message}"
            out.condition(ConditionType.ANALYSIS_PASSED, "Unknown", reason, message)
        if frozen:
            return False
        limit = datetime.timedelta(seconds=wanted.seconds)
        if seen.verdict is Verdict.PASS:
            message = f"{version.name} passed its shadow phase: {seen.message}"
        elif out.due(record.started_at, limit, steps.interval(ctx)):
            message = (
                f"the shadow phase of {version.name} ended after {wanted.seconds} s without a "
                f"verdict, and its steps follow: {seen.message}"
            )
        else:
            return False
        steps.close(out, version.name, str(seen.verdict))
        out.info(step_window.REASONS[seen.verdict], message, version=version.name)
        return True
