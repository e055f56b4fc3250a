"""A new calibration of the champion from the labels, or why there is none."""

from __future__ import annotations

import datetime

from recommender_operator.analysis import recalibration
from recommender_operator.analysis.label_drift import MOST_IN_A_ROW
from recommender_operator.analysis.labels import read_days
from recommender_operator.analysis.recalibration import Judged, Refused
from recommender_operator.api.recalibration import Recalibration
from recommender_operator.observed import CollectorReading, VersionObject
from recommender_operator.phases.duties import labels
from recommender_operator.phases.turn import Turn
from recommender_operator.phases.view import STAND_IN

_WEEK = datetime.timedelta(days=7)


def obstacle(turn: Turn) -> str | None:
    """Return why nothing can be fitted now, but may be soon; None otherwise."""
    reading = turn.observed.outcomes
    seen = turn.status.drift.labels
    if reading is None or reading.error or seen is None or seen.verdict == "Error":
        return "none until the collector's answer about the labels can be used"
    return None


def plan(turn: Turn, champion: VersionObject) -> Recalibration | Refused:
    """Return the new calibration of the champion, or why only a training helps."""
    seen, reading = turn.status.drift.labels, turn.observed.outcomes
    if seen is None or seen.since is None or seen.through is None or reading is None:
        return Refused("the labels have no window")
    if champion.spec.trigger.startswith(STAND_IN):
        return Refused(f"{champion.name} is the baseline, in place of another version")
    if champion.status.artifact is None:
        return Refused(f"{champion.name} has no artifact")
    before = turn.recalibration
    if before is not None and before.of == champion.name:
        return Refused(f"its last recalibration, {turn.desired}, is not the champion")
    since = max(seen.since, seen.through - MOST_IN_A_ROW * _WEEK)
    return _of(champion.name, reading, since, seen.through)


def _of(
    champion: str,
    reading: CollectorReading,
    since: datetime.datetime,
    through: datetime.datetime,
) -> Recalibration | Refused:
    try:
        days = read_days(reading.body, champion)
        found = recalibration.judge(days, labels.day_of(since), labels.day_of(through) - 1)
    except (ValueError, ArithmeticError) as problem:
        return Refused(f"the collector's answer is not valid: {problem}")
    if isinstance(found, Refused):
        return found
    return _record(champion, found, since, through)


def _record(
    champion: str, found: Judged, since: datetime.datetime, through: datetime.datetime
) -> Recalibration:
    return Recalibration(
        of=champion,
        slope=round(found.scale.slope, 6),
        shift=round(found.scale.shift, 6),
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
