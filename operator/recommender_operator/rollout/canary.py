"""The rollout of a candidate: its weights step by step, and a verdict at each pass.

A step starts when the data plane reports its weight, and passes with the verdict Pass after
`stepSeconds`. Fail rolls the candidate back in the same decision, even while paused: a pause stops
progress, not the protection of users. After Inconclusive and Error, `onDeadline` decides.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import NamedTuple

from recommender_operator.analysis.step_verdict import StepVerdict, Verdict
from recommender_operator.api.conditions import ConditionType, Reason, find
from recommender_operator.api.spec import ConditionStatus, OnDeadline, PromotionGate
from recommender_operator.api.version import StepRecord, VersionStage
from recommender_operator.context import Context, Outcome, drift_causes
from recommender_operator.context.extension import Evidence, Extension
from recommender_operator.observed import VersionObject
from recommender_operator.rollout import (
    counter_windows,
    input_breakage,
    readiness,
    step_window,
    steps,
)

_ROUTE = datetime.timedelta(seconds=1)
_UNROUTED = datetime.timedelta(seconds=30)


class _Finding(NamedTuple):
    """The analysis of the step in progress, and the evidence of extensions beside it."""

    record: StepRecord
    seen: StepVerdict
    evidence: Sequence[Evidence]

    @property
    def numbers(self) -> str:
        return "; ".join([self.seen.message, *(each.message for each in self.evidence)])


def roll_out(ctx: Context, out: Outcome) -> None:
    """Canary: evaluate the candidate, and change its weight."""
    version = ctx.candidate
    if version is None:
        return
    frozen = ctx.spec.paused or ctx.held
    for extension in ctx.extensions:
        extension.protect(ctx, out, version, frozen=frozen)
    if not readiness.holds(ctx, out, ctx.versions[version.name]):
        return
    if ctx.hosting.host is None:
        # No requests are routed (context/host_check.py), so there is nothing to evaluate.
        out.requeue(_UNROUTED)
        return
    waits = frozen or ctx.standby is not None
    for extension in ctx.extensions:
        if extension.prepare(ctx, out, version, frozen=waits):
            return
    version = ctx.versions[version.name]
    if ctx.champion is None or version.status.approved_at is not None:
        if not frozen:
            _take_all(ctx, out, version)
        return
    # A candidate must be better than the champion, which receives no requests now; it may fail.
    held = ctx.standby is not None
    record = steps.current(version.status)
    for place, extension in enumerate(ctx.extensions, start=1):
        if extension.runs(version):
            if extension.evaluate(ctx, out, version, frozen=frozen or held):
                _begin(ctx, out, version, ctx.extensions[place:])
            return
    if record is not None:
        _look(ctx, out, version, record, frozen=frozen or held)
    elif not frozen and not (held and version.status.weight == 0):
        _begin(ctx, out, version, ctx.extensions)


def _begin(
    ctx: Context, out: Outcome, version: VersionObject, phases: Sequence[Extension]
) -> None:
    """Begin the first of the phases that there is, or else the next step."""
    if not any(phase.begin(ctx, out, ctx.versions[version.name]) for phase in phases):
        _next(ctx, out, ctx.versions[version.name])


def _take_all(ctx: Context, out: Outcome, version: VersionObject) -> None:
    """Promote the first version, or an approved one, once the route reports weight 100."""
    if version.status.weight != 100:
        out.change(version.name, weight=100)
    if not ctx.route_agrees:
        out.requeue(_ROUTE)
    elif ctx.champion is None:
        _promote(
            ctx, out, version, Reason.INITIAL_ROLLOUT, "the first version receives all requests"
        )
    else:
        message = "a person skipped the remaining steps after gates and smoke inference"
        _promote(ctx, out, version, Reason.PROMOTED_BY_HAND, message, automatic=False)


def _next(ctx: Context, out: Outcome, version: VersionObject) -> None:
    """Set the next weight, or start its step once the data plane reports it."""
    weight = steps.next_weight(ctx, version.status)
    if weight is None:
        _promote_if_allowed(ctx, out, version, "all steps passed")
        return
    delays = [extension.delay(ctx, version, weight) for extension in ctx.extensions]
    if any(delays):
        out.requeue(min(filter(None, delays)))
        return
    for extension in ctx.extensions:
        extension.enter(ctx, out, version, weight)
    if version.status.weight != weight:
        out.change(version.name, weight=weight)
        message = f"{version.name} receives {weight} % of the {ctx.unit(version, weight)}"
        out.info(Reason.ROLLING_OUT, message, version=version.name)
        out.requeue(_ROUTE)
    elif ctx.route_agrees:
        steps.begin(out, version.name, weight)
        step_window.start(ctx, out, ctx.versions[version.name])
        out.due(ctx.time, _least(ctx), steps.interval(ctx))
        out.requeue(steps.interval(ctx))
    else:
        out.requeue(_ROUTE)


def _look(
    ctx: Context, out: Outcome, version: VersionObject, record: StepRecord, *, frozen: bool
) -> None:
    out.requeue(steps.interval(ctx))
    seen = step_window.evaluate(ctx, out, version, record)
    is_recorded = step_window.note(ctx, out, version, record, seen)
    judged = [extension.judge(ctx, out, version, record) for extension in ctx.extensions]
    found = _Finding(record, seen, [each for each in judged if each is not None])
    loss = _loss(ctx, out, version, found, frozen=frozen)
    if loss is not None:
        steps.roll_back(out, version, loss[0], f"at {record.weight} %: {loss[1]}")
        return
    suspected = input_breakage.suspicion(ctx)
    if is_recorded:
        _report(out, found, suspected)
    if frozen:
        return
    if any(each.withdrew for each in found.evidence):
        # The route is written first, so it must not give the candidate more in this pass.
        out.requeue(_ROUTE)
        return
    baseline = ctx.observed.baselines.get(counter_windows.step_key(version))
    since = baseline.taken_at if baseline is not None else ctx.time
    watched = out.due(since, _least(ctx), steps.interval(ctx))
    passes = seen.verdict is Verdict.PASS and all(each.passes for each in found.evidence)
    if passes and suspected is None:
        if watched:
            _pass(ctx, out, version, found)
    else:
        _check_deadline(ctx, out, version, found)


def _loss(
    ctx: Context, out: Outcome, version: VersionObject, found: _Finding, *, frozen: bool
) -> tuple[Reason, str] | None:
    """Return why the candidate is rolled back; None if it is not."""
    record, seen, evidence = found
    if seen.verdict is Verdict.FAIL:
        return Reason.ANALYSIS_FAILED, seen.message
    broken = input_breakage.watch_candidate(ctx, out, version) if record.weight < 100 else None
    if broken is not None:
        return Reason.CANDIDATE_BROKEN, broken
    for each in evidence:
        if each.rolls_back is not None and (each.at_once or not frozen):
            return each.rolls_back, each.message
    return None


def _pass(ctx: Context, out: Outcome, version: VersionObject, found: _Finding) -> None:
    weight, numbers = found.record.weight, found.numbers
    if steps.is_last(ctx, version.status, weight):
        if weight >= 100 and not ctx.route_agrees:
            out.requeue(_ROUTE)
            return
        _promote_if_allowed(ctx, out, version, numbers)
        return
    steps.close(out, version.name, str(Verdict.PASS))
    message = f"{version.name} passed {weight} %: {numbers}"
    out.info(Reason.PASSED, message, version=version.name)
    _next(ctx, out, ctx.versions[version.name])


def _promote_if_allowed(ctx: Context, out: Outcome, version: VersionObject, numbers: str) -> None:
    drifted = find(ctx.status.conditions, ConditionType.DRIFTED)
    if drifted is not None and drifted.status == "True" and drift_causes.blocks(ctx, version):
        message = (
            f"{version.name} passed its steps, but its data is older than a drift: "
            f"{drifted.message}. To decide at once, annotate recommender.dev/promote or "
            "recommender.dev/abort with a new token"
        )
        _hold(out, "True", Reason.PROMOTION_BLOCKED_BY_DRIFT, message)
        return
    if ctx.spec.rollout.promotion is PromotionGate.MANUAL:
        message = (
            f"{version.name} passed its steps: {numbers}. rollout.promotion is Manual: annotate "
            "recommender.dev/promote or recommender.dev/abort with a new token"
        )
        _hold(out, "True", Reason.AWAITING_PROMOTION, message)
        return
    _promote(ctx, out, version, Reason.STEPS_PASSED, numbers)


def _promote(
    ctx: Context,
    out: Outcome,
    version: VersionObject,
    reason: Reason,
    message: str,
    *,
    automatic: bool = True,
) -> None:
    steps.close(out, version.name, steps.verdict_of(ctx.versions[version.name].status))
    former = ctx.champion
    out.change(version.name, replaced=former.name if former else None)
    out.end(version.name, VersionStage.PROMOTED, reason, message, automatic=automatic)


def _check_deadline(ctx: Context, out: Outcome, version: VersionObject, found: _Finding) -> None:
    record, seen, evidence = found
    limit = datetime.timedelta(seconds=ctx.spec.rollout.analysis.deadline_seconds)
    own = next((each for each in evidence if each.measures), None)
    won_at = own.won_at if own is not None else None
    # A step that passed may have waited for a person for days: one bad look must not end it.
    noted = steps.current(ctx.versions[version.name].status) or record
    passed = noted.passed_until or record.started_at
    if own is not None and won_at is None:
        if not own.overdue:
            return
        message = f"no verdict at {record.weight} %: {own.message}; {seen.message}"
    elif not out.due(max(won_at or passed, passed), limit, steps.interval(ctx)):
        return
    elif won_at is not None:
        message = (
            f"the users decided at {record.weight} %, but the analysis did not pass within "
            f"{limit.total_seconds():.0f} s after that: {found.numbers}"
        )
    else:
        message = f"no verdict within {limit.total_seconds():.0f} s at {record.weight} %: "
        message += found.numbers
    match ctx.spec.rollout.analysis.on_deadline:
        case OnDeadline.ROLL_BACK:
            steps.roll_back(out, version, Reason.INCONCLUSIVE_AT_DEADLINE, message)
        case OnDeadline.HOLD:
            remedies = (each.remedy for each in evidence if each.remedy and each.won_at is None)
            remedy = (
                f". {next(remedies, 'Send more requests')}, or annotate recommender.dev/promote "
                "or recommender.dev/abort with a new token"
            )
            _hold(out, "Unknown", Reason.HELD_AT_DEADLINE, message + remedy)


def _hold(out: Outcome, status: ConditionStatus, reason: Reason, message: str) -> None:
    if out.condition(ConditionType.ANALYSIS_PASSED, status, reason, message):
        out.warn(reason, message)


def _report(out: Outcome, found: _Finding, suspected: str | None) -> None:
    record, seen, evidence = found
    message = f"at {record.weight} %: {seen.message}"
    if suspected is not None:
        message += f"; the step cannot pass: {suspected}"
    reason = step_window.REASONS[seen.verdict]
    for each in evidence:
        message += f"; {each.message}"
    waits = [each.reason for each in evidence if not each.passes]
    if seen.verdict is Verdict.PASS and waits:
        reason = waits[0]
    out.condition(ConditionType.ANALYSIS_PASSED, "Unknown", reason, message)


def _least(ctx: Context) -> datetime.timedelta:
    return datetime.timedelta(seconds=ctx.spec.rollout.analysis.step_seconds)
