"""A new calibration of the champion from the labels, or why there is none."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping

from recommender_contract.resource.recalibration import Recalibration
from recommender_operator.analysis import label_drift
from recommender_operator.analysis.label_drift import DAYS, MOST_IN_A_ROW, LabelVerdict
from recommender_operator.analysis.label_sums import Labels
from recommender_operator.context import Context
from recommender_operator.context.extension import Refused
from recommender_operator.context.reconcile_context import STAND_IN
from recommender_operator.extensions.recalibration import calibration_fit, stored_recalibrations
from recommender_operator.extensions.recalibration.calibration_fit import Judged
from recommender_operator.extensions.recalibration.platt import Scale
from recommender_operator.monitoring import label_monitor
from recommender_operator.observed import CollectorReading, VersionObject

_WEEK = datetime.timedelta(days=DAYS)
#: One window to fit and one to judge.
_LEAST_WINDOWS = 2
#: Largest share of the predictions that the collector did not count: those that it did may be of
#: other users.
MOST_IGNORED = 0.25


def obstacle(ctx: Context, champion: VersionObject) -> str | None:
    """Return why nothing can be fitted now, but may be soon; None otherwise."""
    reading, seen = ctx.observed.outcomes, ctx.status.drift.labels
    if reading is None or reading.error or seen is None or seen.verdict == "Error":
        return "none until the collector's answer about the labels can be used"
    try:
        _, found = label_monitor.judged(ctx, reading, champion)
    except (ValueError, ArithmeticError):
        return None
    wanted = min(_LEAST_WINDOWS, label_drift.needed(ctx.spec.retrain.drift))
    if _windows(found) < wanted:
        return f"none until {wanted} weeks in a row fail again: one since then passed"
    return None


def _windows(seen: LabelVerdict) -> int:
    """Return the number of failed windows in a row, without one that passed."""
    if seen.through is None or seen.failing_since is None:
        return 0
    return (seen.through + 1 - seen.failing_since) // DAYS


def plan(ctx: Context, champion: VersionObject) -> Recalibration | Refused:
    """Return the new calibration of the champion, or why only a training helps."""
    reading = ctx.observed.outcomes
    if reading is None:
        return Refused("the labels have no window")
    if champion.spec.trigger.startswith(STAND_IN):
        return Refused(f"{champion.name} is the baseline, in place of another version")
    if champion.status.artifact is None:
        return Refused(f"{champion.name} has no artifact")
    if tried := stored_recalibrations.recalibrations_of(champion, ctx.versions.values()):
        return Refused(f"its last recalibration, {tried[-1].name}, is not the champion")
    try:
        days, seen = label_monitor.judged(ctx, reading, champion)
        return _of(champion, reading, days, seen)
    except (ValueError, ArithmeticError) as problem:
        return Refused(f"the collector's answer is not valid: {problem}")


def _of(
    champion: VersionObject,
    reading: CollectorReading,
    days: Mapping[int, Labels],
    seen: LabelVerdict,
) -> Recalibration | Refused:
    if seen.through is None or seen.failing_since is None:
        return Refused("the labels have no window that failed")
    share = _ignored(reading, days)
    if share > MOST_IGNORED:
        return Refused(f"the collector did not count {share:.0%} of the predictions")
    since = max(seen.failing_since, seen.through + 1 - MOST_IN_A_ROW * DAYS)
    found = calibration_fit.judge(days, since, seen.through, _before(champion))
    if isinstance(found, Refused):
        return found
    return _record(
        champion.name,
        found,
        label_monitor.start_of(since),
        label_monitor.start_of(seen.through + 1),
    )


def _before(champion: VersionObject) -> Scale:
    """Return the effect of former recalibrations on the network of the champion."""
    made = champion.spec.recalibration
    return Scale() if made is None else Scale(made.total_slope, made.total_shift)


def _ignored(reading: CollectorReading, days: Mapping[int, Labels]) -> float:
    """Return the share of the predictions that were not counted.

    The answer lacks days in the middle of a long life, so it is rather too large.

    Raises:
        ValueError: it is no count.
    """
    ignored = reading.body.get("ignored", 0)
    if isinstance(ignored, bool) or not isinstance(ignored, int) or ignored < 0:
        raise ValueError("ignored: not a count")
    counted = math.fsum(day.sums["predictions"] for day in days.values())
    return ignored / (ignored + counted) if ignored else 0.0


def _record(
    champion: str, found: Judged, since: datetime.datetime, through: datetime.datetime
) -> Recalibration:
    return Recalibration(
        of=champion,
        slope=round(found.scale.slope, 6),
        shift=round(found.scale.shift, 6),
        total_slope=round(found.total.slope, 6),
        total_shift=round(found.total.shift, 6),
        since=since,
        judged_since=through - _WEEK,
        through=through,
        users=found.users,
        labels=round(found.labels),
        ratio=round(found.ratio, 6),
        ratio_after=round(found.ratio_after, 6),
        gain=round(found.gain, 9),
        gain_low=round(found.low, 9),
        gain_high=round(found.high, 9),
    )
