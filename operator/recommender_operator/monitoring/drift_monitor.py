"""Drift of the served sessions from the champion's training data.

Drift is not the fault of a version. It is reported with its cause: shifted inputs, features that
most sessions lack, or labels that no longer follow the probabilities. What the operator does for
each cause is in `analysis/reactions.py`.
"""

from __future__ import annotations

import dataclasses
import datetime

from recommender_operator.analysis import drift as drifts
from recommender_operator.analysis import schema_break, window_filling
from recommender_operator.analysis.drift import DriftVerdict
from recommender_operator.analysis.drift_reactions import Cause, Reaction
from recommender_operator.analysis.step_verdict import Verdict
from recommender_operator.analysis.window_filling import Filling
from recommender_operator.api.conditions import MAX_MESSAGE, ConditionType, Reason
from recommender_operator.api.spec import ConditionStatus, RetrainMode
from recommender_operator.api.status import DriftStatus
from recommender_operator.context import Context, Outcome, drift_causes
from recommender_operator.context.extension import Refused
from recommender_operator.monitoring import (
    drift_messages,
    remedies,
    retraining,
    revert_to_previous,
    rollback_count,
)
from recommender_operator.monitoring import label_monitor as labels
from recommender_operator.observed import VersionObject
from recommender_operator.rollout import counter_windows, input_breakage

_POLL = datetime.timedelta(seconds=15)


def monitor_drift(ctx: Context, out: Outcome) -> None:
    """Evaluate the champion's window if it is full, and react to drift."""
    champion = ctx.champion
    _cool(ctx, out)
    if not ctx.spec.retrain.drift.enabled:
        # What was confirmed must not act any more, nor when it is enabled again.
        out.set_status(drift=DriftStatus(reacted_at=ctx.status.drift.reacted_at))
        out.condition(
            ConditionType.DRIFTED, "Unknown", Reason.DISABLED, "retrain.drift.enabled is false"
        )
        return
    if champion is None:
        return
    if ctx.model.status.champion != champion.name:
        frozen = not drift_causes.is_thawed(ctx)
        out.set_status(drift=schema_break.of_next_champion(ctx.status.drift, frozen=frozen))
        message = f"monitoring the sessions of {champion.name}"
        out.condition(ConditionType.DRIFTED, "False", Reason.WATCHING, message)
    input_breakage.watch_champion(ctx, out)
    if ctx.champion is not None and ctx.champion.name == champion.name:
        _window(ctx, out, champion)
        labels.monitor_labels(ctx, out, champion)
        _react(ctx, out, champion)
    else:
        rollback_count.count_rollbacks(ctx, out)
    if out.filling is None:
        out.requeue(_POLL)


def _cool(ctx: Context, out: Outcome) -> None:
    """Keep model time while a cooldown lasts, whatever else happens; not in a paused rollout.

    There time stands still, that of the rollout and with it that of the cooldown.
    """
    reacted = ctx.status.drift.reacted_at
    if reacted is not None and not ctx.time_stands_still:
        out.due(
            reacted, datetime.timedelta(seconds=ctx.spec.retrain.drift.cooldown_seconds), _POLL
        )


def _window(ctx: Context, out: Outcome, champion: VersionObject) -> None:
    """Evaluate the window once it has enough sessions, and start the next one."""
    key = counter_windows.drift_key(champion.name)
    stats = counter_windows.since_baseline(ctx, key, champion.name)
    if stats is None:
        error = counter_windows.error(ctx, key)
        if error:
            message = f"the counters at the start of the window could not be stored: {error}"
            reported = {"verdict": str(Verdict.ERROR), "message": message}
            out.set_status(drift=ctx.status.drift.model_copy(update=reported))
        if (error or key not in ctx.observed.baselines) and not counter_windows.must_wait(
            ctx, key
        ):
            _restart(ctx, out, champion)
        return
    seen = drifts.evaluate_window(ctx.spec.retrain.drift, stats)
    idle = ctx.candidate is None and not input_breakage.on_probation(ctx)
    if seen.verdict is Verdict.INCONCLUSIVE:
        if idle:
            out.watch(_filling(ctx, champion, seen.sessions))
        return
    _restart(ctx, out, champion)
    if idle:
        out.watch(_next_filling(ctx, champion, seen.sessions))
    if seen.verdict is Verdict.PASS and counter_windows.lost(stats):
        return
    if seen.verdict is Verdict.FAIL and _candidate_fits(ctx, key):
        return
    before = ctx.status.drift
    drift = drifts.advance(ctx.spec.retrain.drift, before, seen, ctx.now)
    if seen.verdict in (Verdict.FAIL, Verdict.PASS):
        drift = schema_break.noted(ctx.spec.retrain.drift, before, drift, stats)
    out.set_status(drift=drift)


def _filling(ctx: Context, champion: VersionObject, sessions: int) -> Filling:
    baseline = ctx.observed.baselines[counter_windows.drift_key(champion.name)]
    return Filling(
        version=champion.name,
        start=window_filling.start_of(baseline.samples[champion.name]),
        counted=sessions,
        needed=ctx.spec.retrain.drift.window_sessions,
        seconds=(ctx.time - baseline.taken_at).total_seconds(),
    )


def _next_filling(ctx: Context, champion: VersionObject, sessions: int) -> Filling:
    """Return the window that starts now; `sessions` is the number of the former one."""
    ended = _filling(ctx, champion, sessions)
    return dataclasses.replace(
        ended,
        start=window_filling.start_of(ctx.observed.samples[champion.name]),
        counted=0,
        seconds=0.0,
        first=window_filling.first_pause(sessions, ended.needed, ended.seconds),
    )


def _restart(ctx: Context, out: Outcome, champion: VersionObject) -> None:
    candidate = ctx.candidate
    arms = [champion.name]
    if candidate is not None and candidate.name in ctx.observed.samples:
        arms.append(candidate.name)
    counter_windows.save(ctx, out, counter_windows.drift_key(champion.name), arms)


def _candidate_fits(ctx: Context, key: str) -> bool:
    """Return whether the candidate sees no shift from its own training data in the window.

    Then its promotion ends the drift, which must not block it or start a retraining.
    """
    candidate = ctx.candidate
    stats = counter_windows.since_baseline(ctx, key, candidate.name) if candidate else None
    if stats is None:
        return False
    seen: DriftVerdict = drifts.evaluate_window(ctx.spec.retrain.drift, stats)
    return seen.verdict is Verdict.PASS and not counter_windows.lost(stats)


def _react(ctx: Context, out: Outcome, champion: VersionObject) -> None:
    _number(ctx, out)
    _time(ctx, out)
    found = drift_causes.confirmed(ctx)
    if not found:
        out.condition(ConditionType.DRIFTED, *_quiet(ctx, champion))
        return
    obstacle = _obstacle(ctx, out, champion)
    if obstacle is None:
        act = _start if ctx.spec.retrain.mode is RetrainMode.AUTO else _propose
        obstacle = act(ctx, out, champion, found[0])
    told = ". ".join(drift_messages.drift_message(ctx, cause, champion.name) for cause in found)
    back = revert_to_previous.comparison_message(ctx, champion)
    does = f". Reaction: {obstacle}" + (f". {back}" if back else "")
    message = told[: max(0, MAX_MESSAGE - len(does))] + does
    reason = drift_causes.REASONS[found[0]]
    if out.condition(ConditionType.DRIFTED, "True", reason, message):
        out.warn(reason, message)
    revert_to_previous.report_comparison(ctx, out, back)


def _time(ctx: Context, out: Outcome) -> None:
    """Note since when a break of the schema is confirmed, which bounds the freeze."""
    drift = ctx.status.drift
    is_broken = Cause.SCHEMA_BREAK in drift_causes.confirmed(ctx)
    if is_broken != (drift.broken_since is not None):
        since = ctx.time if is_broken else None
        out.set_status(drift=drift.model_copy(update={"broken_since": since}))


def _number(ctx: Context, out: Outcome) -> None:
    """Give a drift of the inputs a sequence number, which shows the versions trained before it.

    It has one as long as it is confirmed: what is trained then is not older.
    """
    drift = ctx.status.drift
    drifted = drifts.drifted(ctx.spec.retrain.drift, drift)
    if drifted != (drift.began > 0):
        began = out.next_number() if drifted else 0
        out.set_status(drift=drift.model_copy(update={"began": began}))


def _quiet(ctx: Context, champion: VersionObject) -> tuple[ConditionStatus, str, str]:
    drift = ctx.status.drift
    if drift.verdict == Verdict.ERROR:
        return "Unknown", Reason.ERROR, drift.message
    if drift.windows == 0:
        return "False", Reason.WATCHING, f"monitoring the sessions of {champion.name}"
    row = drift.breaches_in_a_row
    return "False", Reason.NO_SHIFT, f"{drift.message} ({row} shifted windows in a row)"


def _obstacle(ctx: Context, out: Outcome, champion: VersionObject) -> str | None:
    """Return why no retraining starts or is proposed now; None if one is."""
    reacted, spec = ctx.status.drift.reacted_at, ctx.spec
    cooldown = datetime.timedelta(seconds=spec.retrain.drift.cooldown_seconds)
    candidate = ctx.candidate
    if drift_causes.wanted(ctx) == {Reaction.ALERT}:
        return "none beside this alert; the labels of the segment tell whether it matters"
    if retraining.is_requested(ctx):
        return "the requested retraining starts"
    remedy = remedies.wanted(ctx)
    if candidate is not None and drift_causes.retrains(ctx, candidate):
        return f"the retraining {candidate.name} is in progress"
    if candidate is not None and remedy is not None and _is_derived(ctx, candidate):
        plan = spec.rollout.experiment
        lists = ", without an experiment: its lists are the same" if plan else ""
        return f"the {remedy.noun} {candidate.name} is in progress{lists}"
    if frozen := retraining.frozen(ctx):
        return frozen
    if not spec.retrain.on_drift:
        return "none, because retrain.onDrift is false; change data or training in the spec"
    if spec.retrain.mode is RetrainMode.MANUAL:
        return "none, because retrain.mode is Manual; recommender.dev/retrain starts a retraining"
    if general := retraining.obstacle(ctx, champion):
        return general
    if spec.retrain.mode is RetrainMode.AUTO and ctx.observed.retrainings_full:
        return ctx.observed.retrainings_full
    if remedy is not None and (missing := remedy.obstacle(ctx, champion)):
        return missing
    if reacted is not None and not out.due(reacted, cooldown, _POLL):
        return f"none before {(reacted + cooldown).isoformat(timespec='seconds')} (cooldown)"
    if _knows_segments(ctx):
        return "none before the next window of labels: a retraining started after this one"
    return None


def _knows_segments(ctx: Context) -> bool:
    """Return whether segments are the only cause, and a retraining started after their window."""
    labels, retrain = ctx.status.drift.labels, ctx.status.retrain
    if labels is None or labels.through is None or retrain is None:
        return False
    is_alone = drift_causes.confirmed(ctx) == (Cause.SEGMENT_DRIFT,)
    return is_alone and retrain.requested_at >= labels.through


def _is_derived(ctx: Context, candidate: VersionObject) -> bool:
    return ctx.derives is not None and candidate.name == ctx.desired


def _propose(ctx: Context, out: Outcome, champion: VersionObject, cause: Cause) -> str:
    """Propose another remedy, or else a retraining, and return which one."""
    if ctx.candidate is not None:
        return f"none while {ctx.candidate.name} is in progress"
    what = "a retraining"
    if (remedy := remedies.wanted(ctx)) is not None:
        planned = remedy.plan(ctx, champion)
        if isinstance(planned, Refused):
            what += f", because a {remedy.noun} cannot fix it ({planned.why}),"
        else:
            what = f"a {planned.noun} of {planned.source}"
    why = f"drift of {drift_messages.what(ctx, cause)} (see Drifted)"
    out.propose(drift_causes.REASONS[cause], what, why)
    return "proposed, see RetrainProposed"


def _start(ctx: Context, out: Outcome, champion: VersionObject, cause: Cause) -> str:
    """Start another remedy, or else a retraining, and return which one."""
    cooldown = datetime.timedelta(seconds=ctx.spec.retrain.drift.cooldown_seconds)
    out.due(ctx.time, cooldown, _POLL)
    drift = ctx.status.drift.model_copy(update={"reacted_at": ctx.time})
    out.set_status(drift=drift)
    reason = f"drift of {drift_messages.what(ctx, cause)}"
    if (remedy := remedies.wanted(ctx)) is None:
        retraining.start(ctx, out, "drift", reason)
        return "a retraining starts"
    planned = remedy.plan(ctx, champion)
    if isinstance(planned, Refused):
        why = f"a {remedy.noun} cannot fix: {planned.why}"
        retraining.start(ctx, out, "drift", f"{reason}, which {why}")
        return f"a retraining starts, because a {remedy.noun} cannot fix it: {planned.why}"
    retraining.start(ctx, out, planned.cause, reason, planned)
    return f"a {planned.noun} of {planned.source} starts"
