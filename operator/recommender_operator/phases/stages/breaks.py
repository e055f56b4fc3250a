"""A break on one arm alone: nulls, unknown categories or scores that the other arm does not see.

Input drift hits both arms alike and no rollback can cure it (see `monitor.py`); a break of the
candidate alone is its own fault. It is acted upon after `drift.consecutiveWindows` windows in a
row. After a promotion the new champion is held against what the former one served beside it.
"""

from __future__ import annotations

from recommender_operator.analysis import drift as drifts
from recommender_operator.analysis.drift import DriftVerdict
from recommender_operator.analysis.verdict import Verdict
from recommender_operator.analysis.window import WindowStats, window_stats
from recommender_operator.api.conditions import Reason
from recommender_operator.api.version import VersionStage
from recommender_operator.observed import VersionObject
from recommender_operator.phases.stages import windows
from recommender_operator.phases.turn import Turn

#: Windows of the new champion, in multiples of `consecutiveWindows`, that are held against the
#: former one. Later the sessions themselves may have changed, which is no fault of the version.
PROBATION = 2
_ROLLOUTS = (Reason.STEPS_PASSED, Reason.PROMOTED_BY_HAND)


def watch_candidate(turn: Turn, candidate: VersionObject) -> str | None:
    """Judge the window if it is full; return why the candidate is to be rolled back, if it is."""
    champion = turn.champion
    if champion is None or not turn.spec.drift.enabled:
        return None
    key = windows.break_key(candidate)
    ours = windows.since_baseline(turn, key, candidate.name)
    theirs = windows.since_baseline(turn, key, champion.name)
    if ours is None or theirs is None:
        _restart(turn, key, candidate.name, champion.name)
        return None
    seen = drifts.evaluate_break(turn.spec.drift, ours, theirs)
    if seen.verdict is Verdict.INCONCLUSIVE:
        return None
    windows.save(turn, key, [candidate.name, champion.name])
    if _is_lost(seen, ours, theirs):
        return None
    return seen.message if _advance(turn, seen) else None


def suspicion(turn: Turn) -> str | None:
    """Return in words that the last windows showed a break of the candidate alone, if they did."""
    count = turn.status.drift.candidate_breaks_in_a_row
    needed = turn.spec.drift.consecutive_windows
    if not turn.spec.drift.enabled or count == 0:
        return None
    return f"{count} of {needed} windows in a row show a break of the candidate alone"


def watch_champion(turn: Turn) -> None:
    """On probation, hold the champion against its predecessor, and return to that if it broke."""
    champion, previous = turn.champion, turn.previous
    if champion is None or previous is None or not on_probation(turn):
        return
    key = windows.break_key(champion)
    ours = windows.since_baseline(turn, key, champion.name)
    before = _served_beside(turn, champion, previous)
    if ours is None or before is None:
        _restart(turn, key, champion.name)
        return
    seen = drifts.evaluate_break(turn.spec.drift, ours, before)
    if seen.verdict is Verdict.INCONCLUSIVE:
        return
    windows.save(turn, key, [champion.name])
    if _is_lost(seen, ours, before):
        return
    if _advance(turn, seen) and turn.is_ready(previous.name):
        _return_to(turn, previous, champion, seen)


def _is_lost(seen: DriftVerdict, ours: WindowStats, theirs: WindowStats) -> bool:
    """Whether counters are missing that the verdict would need: it then counts for nothing.

    What a version is compared with must be whole. Of its own counters, those that were read
    are enough to show a break, and never enough to clear it.
    """
    return windows.lost(theirs) or (seen.verdict is not Verdict.FAIL and windows.lost(ours))


def _served_beside(
    turn: Turn, champion: VersionObject, previous: VersionObject
) -> WindowStats | None:
    """Return what the former champion served beside this one, until the last step took it all.

    The end is the start of the last step, so nothing is asked of a version without requests.
    """
    baselines = turn.observed.baselines
    start = baselines.get(windows.rollout_key(champion))
    end = baselines.get(windows.step_key(champion))
    if start is None or end is None or start.error or end.error:
        return None
    if previous.name not in start.samples or previous.name not in end.samples:
        return None
    return window_stats(start.samples[previous.name], end.samples[previous.name])


def on_probation(turn: Turn) -> bool:
    """Return whether the champion can still be held against the one before it."""
    champion, previous = turn.champion, turn.previous
    if champion is None or previous is None or turn.candidate is not None or turn.held:
        return False
    spec, decision = turn.spec, champion.status.decision
    return (
        spec.drift.enabled
        and spec.serving.keep_previous
        and decision is not None
        and decision.reason in _ROLLOUTS
        and champion.status.replaced == previous.name
        and turn.status.drift.windows < PROBATION * spec.drift.consecutive_windows
    )


def _return_to(
    turn: Turn, previous: VersionObject, champion: VersionObject, seen: DriftVerdict
) -> None:
    message = f"{champion.name} broke after its promotion: {seen.message}"
    turn.retreat()
    turn.change(previous.name, replaced=champion.name)
    reason = Reason.BROKEN_AFTER_PROMOTION
    turn.end(previous.name, VersionStage.PROMOTED, reason, message)
    turn.end(champion.name, VersionStage.ROLLED_BACK, reason, message)


def _restart(turn: Turn, key: str, *versions: str) -> None:
    """Start a window where there is none, or where it speaks of other versions."""
    baseline = turn.observed.baselines.get(key)
    if windows.must_wait(turn, key):
        return
    if baseline is None or any(name not in baseline.samples for name in versions):
        windows.save(turn, key, versions)


def _advance(turn: Turn, seen: DriftVerdict) -> bool:
    drift = drifts.advance_break(turn.spec.drift, turn.status.drift, seen, turn.now)
    turn.set_status(drift=drift)
    return seen.verdict is Verdict.FAIL and drifts.broken(turn.spec.drift, drift)
