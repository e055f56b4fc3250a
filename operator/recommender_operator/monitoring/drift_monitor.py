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
from recommender_operator.analysis.calibration_fit import Refused
from recommender_operator.analysis.drift import DriftVerdict
from recommender_operator.analysis.drift_reactions import Cause, Reaction
from recommender_operator.analysis.step_verdict import Verdict
from recommender_operator.analysis.window_filling import Filling
from recommender_operator.api.conditions import MAX_MESSAGE, ConditionType, Reason
from recommender_operator.api.spec import ConditionStatus
from recommender_operator.api.status import DriftStatus
from recommender_operator.context import drift_causes
from recommender_operator.context.reconcile_context import Turn
from recommender_operator.monitoring import (
    drift_messages,
    recalibrate_champion,
    retraining,
    revert_to_previous,
    rollback_count,
)
from recommender_operator.monitoring import label_monitor as labels
from recommender_operator.observed import VersionObject
from recommender_operator.rollout import counter_windows, input_breakage

_REASONS = {
    Cause.INPUT_SHIFT: Reason.SHIFTED,
    Cause.SCHEMA_BREAK: Reason.SCHEMA_BROKEN,
    Cause.LOSS_RISE: Reason.LOSS_ROSE,
    Cause.CALIBRATION_DRIFT: Reason.CALIBRATION_DRIFTED,
    Cause.SEGMENT_DRIFT: Reason.SEGMENT_DRIFTED,
    Cause.SEGMENT_SHIFT: Reason.SEGMENT_SHIFTED,
}
_POLL = datetime.timedelta(seconds=15)


def step(turn: Turn) -> None:
    """Evaluate the champion's window if it is full, and react to drift."""
    champion = turn.champion
    _cool(turn)
    if not turn.spec.drift.enabled:
        # What was confirmed must not act any more, nor when it is enabled again.
        turn.set_status(drift=DriftStatus(reacted_at=turn.status.drift.reacted_at))
        turn.condition(ConditionType.DRIFTED, "Unknown", Reason.DISABLED, "drift.enabled is false")
        return
    if champion is None:
        return
    if turn.model.status.champion != champion.name:
        frozen = not drift_causes.is_thawed(turn)
        turn.set_status(drift=schema_break.of_next_champion(turn.status.drift, frozen=frozen))
        message = f"monitoring the sessions of {champion.name}"
        turn.condition(ConditionType.DRIFTED, "False", Reason.WATCHING, message)
    input_breakage.watch_champion(turn)
    if turn.champion is not None and turn.champion.name == champion.name:
        _window(turn, champion)
        labels.step(turn, champion)
        _react(turn, champion)
    else:
        rollback_count.count_rollbacks(turn)
    if turn.filling is None:
        turn.requeue(_POLL)


def _cool(turn: Turn) -> None:
    """Keep model time while a cooldown lasts, whatever else happens; not in a paused rollout.

    There time stands still, that of the rollout and with it that of the cooldown.
    """
    reacted = turn.status.drift.reacted_at
    if reacted is not None and not turn.time_stands_still:
        turn.due(reacted, datetime.timedelta(seconds=turn.spec.drift.cooldown_seconds), _POLL)


def _window(turn: Turn, champion: VersionObject) -> None:
    """Evaluate the window once it has enough sessions, and start the next one."""
    key = counter_windows.drift_key(champion.name)
    stats = counter_windows.since_baseline(turn, key, champion.name)
    if stats is None:
        error = counter_windows.error(turn, key)
        if error:
            message = f"the counters at the start of the window could not be stored: {error}"
            reported = {"verdict": str(Verdict.ERROR), "message": message}
            turn.set_status(drift=turn.status.drift.model_copy(update=reported))
        if (error or key not in turn.observed.baselines) and not counter_windows.must_wait(
            turn, key
        ):
            _restart(turn, champion)
        return
    seen = drifts.evaluate_window(turn.spec.drift, stats)
    idle = turn.candidate is None and not input_breakage.on_probation(turn)
    if seen.verdict is Verdict.INCONCLUSIVE:
        turn.filling = _filling(turn, champion, seen.sessions) if idle else None
        return
    _restart(turn, champion)
    turn.filling = _next_filling(turn, champion, seen.sessions) if idle else None
    if seen.verdict is Verdict.PASS and counter_windows.lost(stats):
        return
    if seen.verdict is Verdict.FAIL and _candidate_fits(turn, key):
        return
    before = turn.status.drift
    drift = drifts.advance(turn.spec.drift, before, seen, turn.now)
    if seen.verdict in (Verdict.FAIL, Verdict.PASS):
        drift = schema_break.noted(turn.spec.drift, before, drift, stats)
    turn.set_status(drift=drift)


def _filling(turn: Turn, champion: VersionObject, sessions: int) -> Filling:
    baseline = turn.observed.baselines[counter_windows.drift_key(champion.name)]
    return Filling(
        version=champion.name,
        start=window_filling.start_of(baseline.samples[champion.name]),
        counted=sessions,
        needed=turn.spec.drift.window_sessions,
        seconds=(turn.time - baseline.taken_at).total_seconds(),
    )


def _next_filling(turn: Turn, champion: VersionObject, sessions: int) -> Filling:
    """Return the window that starts now; `sessions` is the number of the former one."""
    ended = _filling(turn, champion, sessions)
    return dataclasses.replace(
        ended,
        start=window_filling.start_of(turn.observed.samples[champion.name]),
        counted=0,
        seconds=0.0,
        first=window_filling.first_pause(sessions, ended.needed, ended.seconds),
    )


def _restart(turn: Turn, champion: VersionObject) -> None:
    candidate = turn.candidate
    arms = [champion.name]
    if candidate is not None and candidate.name in turn.observed.samples:
        arms.append(candidate.name)
    counter_windows.save(turn, counter_windows.drift_key(champion.name), arms)


def _candidate_fits(turn: Turn, key: str) -> bool:
    """Return whether the candidate sees no shift from its own training data in the window.

    Then its promotion ends the drift, which must not block it or start a retraining.
    """
    candidate = turn.candidate
    stats = counter_windows.since_baseline(turn, key, candidate.name) if candidate else None
    if stats is None:
        return False
    seen: DriftVerdict = drifts.evaluate_window(turn.spec.drift, stats)
    return seen.verdict is Verdict.PASS and not counter_windows.lost(stats)


def _react(turn: Turn, champion: VersionObject) -> None:
    _number(turn)
    _time(turn)
    found = drift_causes.confirmed(turn)
    if not found:
        turn.condition(ConditionType.DRIFTED, *_quiet(turn, champion))
        return
    obstacle = _obstacle(turn, champion)
    if obstacle is None:
        obstacle = _start(turn, champion, drift_messages.what(turn, found[0]))
    told = ". ".join(drift_messages.told(turn, cause, champion.name) for cause in found)
    back = revert_to_previous.told(turn, champion)
    does = f". Reaction: {obstacle}" + (f". {back}" if back else "")
    message = told[: max(0, MAX_MESSAGE - len(does))] + does
    reason = _REASONS[found[0]]
    if turn.condition(ConditionType.DRIFTED, "True", reason, message):
        turn.warn(reason, message)
    revert_to_previous.tell(turn, back)


def _time(turn: Turn) -> None:
    """Note since when a break of the schema is confirmed, which bounds the freeze."""
    drift = turn.status.drift
    is_broken = Cause.SCHEMA_BREAK in drift_causes.confirmed(turn)
    if is_broken != (drift.broken_since is not None):
        since = turn.time if is_broken else None
        turn.set_status(drift=drift.model_copy(update={"broken_since": since}))


def _number(turn: Turn) -> None:
    """Give a drift of the inputs a sequence number, which shows the versions trained before it.

    It has one as long as it is confirmed, also while nothing is blocked, as in a dry run: what is
    trained then is not older.
    """
    drift = turn.status.drift
    drifted = drifts.drifted(turn.spec.drift, drift)
    if drifted != (drift.began > 0):
        began = turn.next_number() if drifted else 0
        turn.set_status(drift=drift.model_copy(update={"began": began}))


def _quiet(turn: Turn, champion: VersionObject) -> tuple[ConditionStatus, str, str]:
    drift = turn.status.drift
    if drift.verdict == Verdict.ERROR:
        return "Unknown", Reason.ERROR, drift.message
    if drift.windows == 0:
        return "False", Reason.WATCHING, f"monitoring the sessions of {champion.name}"
    row = drift.breaches_in_a_row
    return "False", Reason.NO_SHIFT, f"{drift.message} ({row} shifted windows in a row)"


def _obstacle(turn: Turn, champion: VersionObject) -> str | None:
    """Return why no retraining starts now; None if one starts."""
    reacted, spec = turn.status.drift.reacted_at, turn.spec
    cooldown = datetime.timedelta(seconds=spec.drift.cooldown_seconds)
    candidate = turn.candidate
    if drift_causes.wanted(turn) == {Reaction.ALERT}:
        return "none beside this alert; the labels of the segment tell whether it matters"
    if retraining.is_requested(turn):
        return "the requested retraining starts"
    recalibrates = Reaction.RECALIBRATE in drift_causes.wanted(turn)
    if candidate is not None and drift_causes.retrains(turn, candidate):
        return f"the retraining {candidate.name} is in progress"
    if candidate is not None and recalibrates and _is_recalibrated(turn, candidate):
        lists = ", without an experiment: its lists are the same" if spec.experiment else ""
        return f"the recalibration {candidate.name} is in progress{lists}"
    if frozen := retraining.frozen(turn):
        return frozen
    if spec.drift.dry_run:
        would = ", ".join(sorted(drift_causes.wanted(turn) - {Reaction.ALERT}))
        return f"none, because drift.dryRun is true; otherwise {would}"
    if not spec.retrain.on_drift:
        return "none, because retrain.onDrift is false; change data or training in the spec"
    if general := retraining.obstacle(turn, champion):
        return general
    if turn.observed.retrainings_full:
        return turn.observed.retrainings_full
    if recalibrates and (missing := recalibrate_champion.obstacle(turn, champion)):
        return missing
    if reacted is not None and not turn.due(reacted, cooldown, _POLL):
        return f"none before {(reacted + cooldown).isoformat(timespec='seconds')} (cooldown)"
    if _knows_segments(turn):
        return "none before the next window of labels: a retraining started after this one"
    return None


def _knows_segments(turn: Turn) -> bool:
    """Return whether segments are the only cause, and a retraining started after their window."""
    labels, retrain = turn.status.drift.labels, turn.status.retrain
    if labels is None or labels.through is None or retrain is None:
        return False
    is_alone = drift_causes.confirmed(turn) == (Cause.SEGMENT_DRIFT,)
    return is_alone and retrain.requested_at >= labels.through


def _is_recalibrated(turn: Turn, candidate: VersionObject) -> bool:
    return turn.recalibration is not None and candidate.name == turn.desired


def _start(turn: Turn, champion: VersionObject, features: str) -> str:
    """Start a recalibration, or else a retraining, and return which one."""
    cooldown = datetime.timedelta(seconds=turn.spec.drift.cooldown_seconds)
    turn.due(turn.time, cooldown, _POLL)
    drift = turn.status.drift.model_copy(update={"reacted_at": turn.time})
    turn.set_status(drift=drift)
    reason = f"drift of {features}"
    if Reaction.RECALIBRATE not in drift_causes.wanted(turn):
        retraining.start(turn, "drift", reason)
        return "a retraining starts"
    planned = recalibrate_champion.plan(turn, champion)
    if isinstance(planned, Refused):
        why = f"a recalibration cannot fix: {planned.why}"
        retraining.start(turn, "drift", f"{reason}, which {why}")
        return f"a retraining starts, because a recalibration cannot fix it: {planned.why}"
    retraining.start(turn, "calibration", reason, planned)
    return f"a recalibration of {champion.name} starts"
