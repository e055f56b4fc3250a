"""Breaks of the candidate only: nulls, unknown values or scores that the stable arm lacks.

Drift of the input affects both arms, and no rollback ends it (see `monitoring/drift_monitor.py`);
a break of only the candidate is its own fault. The operator acts after
`retrain.drift.consecutiveWindows` windows in a row. After a promotion, the new champion is
compared with the former one during the rollout.
"""

from __future__ import annotations

import dataclasses

from recommender_operator.analysis import drift as drifts
from recommender_operator.analysis.counter_window import WindowStats, window_stats
from recommender_operator.analysis.drift import DriftVerdict
from recommender_operator.analysis.step_verdict import Verdict
from recommender_operator.api.conditions import Reason
from recommender_operator.api.version import VersionStage
from recommender_operator.context import Context, Outcome, routing
from recommender_operator.observed import Baseline, Sample, VersionObject
from recommender_operator.resources import baseline_deployment_names
from recommender_operator.rollout import counter_windows

#: Number of windows, in multiples of `consecutiveWindows`, in which a new champion is compared
#: with the former one. Later, the sessions may have changed.
PROBATION = 2
_ROLLOUTS = (Reason.STEPS_PASSED, Reason.PROMOTED_BY_HAND)


def watch_candidate(ctx: Context, out: Outcome, candidate: VersionObject) -> str | None:
    """Evaluate the window if it is full; return why to roll the candidate back, or None."""
    champion = ctx.champion
    if champion is None or not ctx.spec.retrain.drift.enabled:
        return None
    key = counter_windows.break_key(candidate)
    # The reference of the steps; without requests its window would never fill.
    beside = ctx.reference or champion.name
    ours = counter_windows.since_baseline(ctx, key, candidate.name)
    theirs = counter_windows.since_baseline(ctx, key, beside)
    if ours is None or theirs is None:
        _restart(ctx, out, key, candidate.name, beside)
        return None
    since = ctx.observed.baselines[key].taken_at
    of_ours, of_theirs = routing.user_shares(candidate.status.experiment, since)
    seen = drifts.evaluate_break(
        ctx.spec.retrain.drift,
        dataclasses.replace(ours, user_share=of_ours),
        dataclasses.replace(theirs, user_share=of_theirs),
    )
    if seen.verdict is Verdict.INCONCLUSIVE:
        return None
    counter_windows.save(ctx, out, key, [candidate.name, beside])
    if _is_lost(seen, ours, theirs):
        return None
    return seen.message if _advance(ctx, out, seen) else None


def suspicion(ctx: Context) -> str | None:
    """Return a text if the last windows showed a break of the candidate only, else None."""
    count = ctx.status.drift.candidate_breaks_in_a_row
    needed = ctx.spec.retrain.drift.consecutive_windows
    if not ctx.spec.retrain.drift.enabled or count == 0:
        return None
    return f"{count} of {needed} windows in a row show a break of the candidate only"


def watch_champion(ctx: Context, out: Outcome) -> None:
    """Compare a new champion with the former one, and roll it back if it is broken."""
    champion, previous = ctx.champion, ctx.previous
    if champion is None or previous is None or not on_probation(ctx):
        return
    key = counter_windows.break_key(champion)
    ours = counter_windows.since_baseline(ctx, key, champion.name)
    before = _served_beside(ctx, champion, previous)
    if ours is None or before is None:
        _restart(ctx, out, key, champion.name)
        return
    seen = drifts.evaluate_break(ctx.spec.retrain.drift, ours, before)
    if seen.verdict is Verdict.INCONCLUSIVE:
        return
    counter_windows.save(ctx, out, key, [champion.name])
    if _is_lost(seen, ours, before):
        return
    if _advance(ctx, out, seen) and ctx.is_ready(previous.name):
        _return_to(out, previous, champion, seen)


def _is_lost(seen: DriftVerdict, ours: WindowStats, theirs: WindowStats) -> bool:
    """Return whether the verdict is void because counters were lost.

    The counters of the other version must be complete. Incomplete counters of this version can
    show a break, but not rule it out.
    """
    return counter_windows.lost(theirs) or (
        seen.verdict is not Verdict.FAIL and counter_windows.lost(ours)
    )


def _served_beside(
    ctx: Context, champion: VersionObject, previous: VersionObject
) -> WindowStats | None:
    """Return the counts of the former champion during the rollout; None if they are unknown.

    They end at the start of the last step, after which it receives no requests.
    """
    baselines = ctx.observed.baselines
    start = baselines.get(counter_windows.rollout_key(champion))
    end = baselines.get(counter_windows.step_key(champion))
    if start is None or end is None or start.error or end.error:
        return None
    if previous.name not in start.samples or previous.name not in end.samples:
        return None
    counted = [previous.name]
    beside = baseline_deployment_names.deployment(previous.name)
    if beside in start.samples and beside in end.samples:
        # A pod that restarted in the rollout must not void the counts of the others for good.
        alone = window_stats(start.samples[beside], end.samples[beside])
        counted += [beside] * (not alone.lost)
    served = window_stats(_pods(start, counted), _pods(end, counted))
    _, share = routing.user_shares(champion.status.experiment)
    return dataclasses.replace(served, user_share=share)


def _pods(baseline: Baseline, deployments: list[str]) -> Sample:
    """Return the counters of all pods of some deployments of one version."""
    return {
        pod: counters
        for deployment in deployments
        for pod, counters in baseline.samples[deployment].items()
    }


def on_probation(ctx: Context) -> bool:
    """Return whether the champion is still compared with the former one."""
    champion, previous = ctx.champion, ctx.previous
    if champion is None or previous is None or ctx.candidate is not None or ctx.held:
        return False
    spec, decision = ctx.spec, champion.status.decision
    return (
        spec.retrain.drift.enabled
        and spec.serving.keep_previous
        and decision is not None
        and decision.reason in _ROLLOUTS
        and champion.status.replaced == previous.name
        and ctx.status.drift.windows < PROBATION * spec.retrain.drift.consecutive_windows
    )


def _return_to(
    out: Outcome, previous: VersionObject, champion: VersionObject, seen: DriftVerdict
) -> None:
    message = f"{champion.name} broke after its promotion: {seen.message}"
    out.route_first()
    out.change(previous.name, replaced=champion.name)
    reason = Reason.BROKEN_AFTER_PROMOTION
    out.end(previous.name, VersionStage.PROMOTED, reason, message)
    out.end(champion.name, VersionStage.ROLLED_BACK, reason, message)


def _restart(ctx: Context, out: Outcome, key: str, *versions: str) -> None:
    """Start a window if there is none, or if it belongs to other versions."""
    baseline = ctx.observed.baselines.get(key)
    if counter_windows.must_wait(ctx, key):
        return
    if baseline is None or any(name not in baseline.samples for name in versions):
        counter_windows.save(ctx, out, key, versions)


def _advance(ctx: Context, out: Outcome, seen: DriftVerdict) -> bool:
    drift = drifts.advance_break(ctx.spec.retrain.drift, ctx.status.drift, seen, ctx.now)
    out.set_status(drift=drift)
    return seen.verdict is Verdict.FAIL and drifts.broken(ctx.spec.retrain.drift, drift)
