"""The window of a step: its start, and the verdict on all requests since then."""

from __future__ import annotations

import dataclasses

from recommender_operator.analysis import step_verdict as verdicts
from recommender_operator.analysis.counter_window import WindowStats
from recommender_operator.analysis.step_verdict import StepVerdict, Verdict
from recommender_operator.api.conditions import Reason
from recommender_operator.api.version import StepRecord
from recommender_operator.context import Context, Outcome
from recommender_operator.observed import Baseline, VersionObject
from recommender_operator.rollout import counter_windows, steps

#: Reasons of AnalysisPassed while a step lasts.
REASONS = {
    Verdict.PASS: Reason.PASSED,
    Verdict.FAIL: Reason.FAILED,
    Verdict.INCONCLUSIVE: Reason.INCONCLUSIVE,
    Verdict.ERROR: Reason.ERROR,
}


def _stable(ctx: Context) -> str | None:
    """Return the version beside the candidate: the champion, or the standby in its place."""
    stable = ctx.standby or ctx.champion
    return stable.name if stable is not None else None


def beside(ctx: Context, record: StepRecord) -> str | None:
    """Return the reference of a step: that of an extension, or else the version beside it.

    That of an extension gets requests neither before the first step nor at weight 100.
    """
    shares = not record.is_shadow and record.weight < 100
    return (ctx.reference if shares else None) or _stable(ctx)


def start(ctx: Context, out: Outcome, version: VersionObject) -> bool:
    """Start the window of a step; return False if the counters of a version are missing."""
    stable, record = _stable(ctx), steps.current(version.status)
    arms = [version.name] if stable is None else [version.name, stable]
    reference = ctx.reference
    if reference is not None and record is not None and _counts(ctx, reference, record):
        arms.append(reference)
    in_shadow = record is not None and record.is_shadow
    if not in_shadow and counter_windows.rollout_key(version) not in ctx.observed.baselines:
        counter_windows.save(ctx, out, counter_windows.rollout_key(version), arms)
    return counter_windows.save(ctx, out, counter_windows.step_key(version), arms)


def _counts(ctx: Context, reference: str, record: StepRecord) -> bool:
    """Return whether a window that begins now has the counters of a reference beside the champion.

    It must have requests already: it would be compared over a time that it did not serve. At
    weight 100 they are what it served in the rollout (`input_breakage.py`).
    """
    is_routed = ctx.observed.traffic.routing.fresh == reference
    return reference in ctx.observed.samples and (is_routed or record.weight >= 100)


def evaluate(
    ctx: Context,
    out: Outcome,
    version: VersionObject,
    record: StepRecord,
    *,
    min_requests: int | None = None,
) -> StepVerdict:
    """Return the verdict on all requests since the start of the step.

    `min_requests`: the minimum number of a phase that has its own.
    """
    key = counter_windows.step_key(version)
    baseline = ctx.observed.baselines.get(key)
    arm = beside(ctx, record)
    replaced = (
        baseline is not None
        and arm is not None
        and arm in ctx.observed.samples
        and arm not in baseline.samples
    )
    if (
        baseline is None
        or replaced
        or (baseline.error and not counter_windows.must_wait(ctx, key))
    ):
        saved = start(ctx, out, version)
        what = "the window of the step starts now"
        what = what if saved else _why_no_counters(ctx, version.name)
        kind = Verdict.INCONCLUSIVE if saved else Verdict.ERROR
        return StepVerdict(verdict=kind, metrics=(), message=what)
    copies = record.is_shadow
    candidate = counter_windows.since_baseline(ctx, key, version.name, unkept=True, copies=copies)
    if candidate is None:
        message = _unkept(baseline) or _why_no_counters(ctx, version.name)
        return StepVerdict(verdict=Verdict.ERROR, metrics=(), message=message)
    stable = counter_windows.since_baseline(ctx, key, arm, unkept=True) if arm else None
    if record.weight >= 100:
        # It is out of traffic: no counters are missing, and the few requests that still reach it
        # are too few to compare with.
        stable = None
    limits = ctx.spec.rollout.analysis
    if min_requests is not None:
        limits = limits.model_copy(update={"min_requests": min_requests})
    seen = verdicts.evaluate(limits, candidate, _compared(stable, record))
    # All of the candidate's pods answer now, so the next window has all of them.
    incomplete = candidate.late > 0 and not candidate.silent
    lost = counter_windows.lost(candidate, stable) or incomplete
    if seen.verdict is not Verdict.FAIL and not baseline.error and lost:
        # Only a window without loss may pass, so start another one.
        start(ctx, out, version)
    return _qualified(ctx, record, seen, error=_unkept(baseline), is_compared=stable is not None)


def _qualified(
    ctx: Context, record: StepRecord, seen: StepVerdict, *, error: str, is_compared: bool
) -> StepVerdict:
    """Return a verdict that passes only with all that it needs; a Fail needs nothing more.

    `error`: why the start of the window could not be stored.
    """
    arm = beside(ctx, record)
    kind, message = seen.verdict, seen.message
    if seen.verdict is Verdict.FAIL:
        return seen
    if error:
        # The window ends with this process: it may fail a candidate, but not promote it.
        kind, message = Verdict.ERROR, error
    elif seen.verdict is Verdict.PASS and arm and not is_compared and record.weight < 100:
        kind, message = Verdict.ERROR, _why_no_counters(ctx, arm)
    elif arm is not None and arm == ctx.reference:
        message = f"{seen.message}; compared with {arm}"
    return StepVerdict(verdict=kind, metrics=seen.metrics, message=message)


def _compared(stable: WindowStats | None, record: StepRecord) -> WindowStats | None:
    """Return the reference of a candidate; copies are no sessions, so have no features."""
    if stable is None or not record.is_shadow:
        return stable
    return dataclasses.replace(stable, features={})


def note(
    ctx: Context, out: Outcome, version: VersionObject, record: StepRecord, seen: StepVerdict
) -> bool:
    """Record verdict and numbers, and return whether the record is current.

    It changes at most once per interval, unless the verdict changes: the numbers differ at each
    pass, and each write triggers another pass.
    """
    same_verdict = str(seen.verdict) == record.verdict
    if same_verdict and seen.metrics == record.metrics:
        return True
    age = ctx.time - record.judged_at if record.judged_at is not None else None
    if same_verdict and age is not None and age < steps.interval(ctx):
        return False
    reference = ctx.reference
    noted = {
        "verdict": str(seen.verdict),
        "metrics": seen.metrics,
        "judged_at": ctx.time,
        "fresh_champion": (reference is not None and beside(ctx, record) == reference) or None,
    }
    if not same_verdict and record.verdict == str(Verdict.PASS):
        noted["passed_until"] = ctx.time
    steps.note(out, version.name, **noted)
    return True


def _unkept(baseline: Baseline) -> str:
    what = "the counters at the start of the step could not be stored"
    return f"{what}: {baseline.error}" if baseline.error else ""


def _why_no_counters(ctx: Context, deployment: str) -> str:
    stable = _stable(ctx)
    names = [deployment, *([stable] if stable is not None else [])]
    errors = [
        f"{name}: {ctx.observed.sample_errors.get(name, 'no pod answered')}"
        for name in names
        if name not in ctx.observed.samples
    ]
    return "no counters of " + "; ".join(errors or [f"{deployment} since the start of the step"])
