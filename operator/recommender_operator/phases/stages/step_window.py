"""The window of a step: its start, and the verdict on all requests since then."""

from __future__ import annotations

import dataclasses

from recommender_operator.analysis import verdict as verdicts
from recommender_operator.analysis.verdict import StepVerdict, Verdict
from recommender_operator.analysis.window import WindowStats
from recommender_operator.api.conditions import Reason
from recommender_operator.api.spec import AnalysisSpec
from recommender_operator.api.version import StepRecord
from recommender_operator.observed import Baseline, VersionObject
from recommender_operator.phases.stages import steps, windows
from recommender_operator.phases.turn import Turn

#: Reasons of AnalysisPassed while a step lasts.
REASONS = {
    Verdict.PASS: Reason.PASSED,
    Verdict.FAIL: Reason.FAILED,
    Verdict.INCONCLUSIVE: Reason.INCONCLUSIVE,
    Verdict.ERROR: Reason.ERROR,
}


def _stable(turn: Turn) -> VersionObject | None:
    """Return the version beside the candidate: the champion, or the standby in its place."""
    return turn.standby or turn.champion


def start(turn: Turn, version: VersionObject) -> bool:
    """Start the window of a step; return False if the counters of a version are missing."""
    stable = _stable(turn)
    arms = [version.name] if stable is None else [version.name, stable.name]
    record = steps.current(version.status)
    in_shadow = record is not None and record.is_shadow
    if not in_shadow and windows.rollout_key(version) not in turn.observed.baselines:
        windows.save(turn, windows.rollout_key(version), arms)
    return windows.save(turn, windows.step_key(version), arms)


def evaluate(turn: Turn, version: VersionObject, record: StepRecord) -> StepVerdict:
    """Return the verdict on all requests since the start of the step."""
    key = windows.step_key(version)
    baseline = turn.observed.baselines.get(key)
    beside = _stable(turn)
    replaced = (
        baseline is not None
        and beside is not None
        and beside.name in turn.observed.samples
        and beside.name not in baseline.samples
    )
    if baseline is None or replaced or (baseline.error and not windows.must_wait(turn, key)):
        saved = start(turn, version)
        what = "the window of the step starts now" if saved else _why_no_counters(turn, version)
        kind = Verdict.INCONCLUSIVE if saved else Verdict.ERROR
        return StepVerdict(verdict=kind, metrics=(), message=what)
    copies = record.is_shadow
    candidate = windows.since_baseline(turn, key, version.name, unkept=True, copies=copies)
    if candidate is None:
        message = _unkept(baseline) or _why_no_counters(turn, version)
        return StepVerdict(verdict=Verdict.ERROR, metrics=(), message=message)
    stable = windows.since_baseline(turn, key, beside.name, unkept=True) if beside else None
    if stable is not None and stable.lost and record.weight >= 100:
        # It receives no requests, so no counters are missing.
        stable = None
    seen = verdicts.evaluate(_limits(turn, record), candidate, _compared(stable, record))
    if seen.verdict is Verdict.FAIL:
        return seen
    if baseline.error:
        # The window ends with this process: it may fail a candidate, but not promote it.
        message = _unkept(baseline)
        return StepVerdict(verdict=Verdict.ERROR, metrics=seen.metrics, message=message)
    if windows.lost(candidate, stable):
        # Only a window without loss may pass, so start another one.
        start(turn, version)
    if seen.verdict is Verdict.PASS and beside and stable is None and record.weight < 100:
        message = _why_no_counters(turn, beside)
        return StepVerdict(verdict=Verdict.ERROR, metrics=seen.metrics, message=message)
    return seen


def _limits(turn: Turn, record: StepRecord) -> AnalysisSpec:
    """Return the limits of a step; a shadow phase has a minimum number of its own."""
    spec, shadow = turn.spec.analysis, turn.spec.rollout.shadow
    if shadow is None or not record.is_shadow:
        return spec
    return spec.model_copy(update={"min_requests": shadow.min_requests})


def _compared(stable: WindowStats | None, record: StepRecord) -> WindowStats | None:
    """Return what a candidate is compared with; copies are no sessions, so have no features."""
    if stable is None or not record.is_shadow:
        return stable
    return dataclasses.replace(stable, features={})


def note(turn: Turn, version: VersionObject, record: StepRecord, seen: StepVerdict) -> bool:
    """Record verdict and numbers, and return whether the record is current.

    It changes at most once per interval, unless the verdict changes: the numbers differ at each
    look, and each write triggers another look.
    """
    same_verdict = str(seen.verdict) == record.verdict
    if same_verdict and seen.metrics == record.metrics:
        return True
    age = turn.time - record.judged_at if record.judged_at is not None else None
    if same_verdict and age is not None and age < steps.interval(turn):
        return False
    noted = {"verdict": str(seen.verdict), "metrics": seen.metrics, "judged_at": turn.time}
    if not same_verdict and record.verdict == str(Verdict.PASS):
        noted["passed_until"] = turn.time
    steps.note(turn, version.name, **noted)
    return True


def _unkept(baseline: Baseline) -> str:
    what = "the counters at the start of the step could not be stored"
    return f"{what}: {baseline.error}" if baseline.error else ""


def _why_no_counters(turn: Turn, version: VersionObject) -> str:
    champion = _stable(turn)
    names = [version.name] + ([champion.name] if champion else [])
    errors = [
        f"{name}: {turn.observed.sample_errors.get(name, 'no pod answered')}"
        for name in names
        if name not in turn.observed.samples
    ]
    return "no counters of " + "; ".join(errors or [f"{version.name} since the start of the step"])
