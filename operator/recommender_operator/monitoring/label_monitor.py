"""Loss and calibration of the champion, once labels have arrived.

The collector compares what the champion answered with what users did. A drift of the concept
(same inputs, other answers) shows here and in no window of sessions.
"""

from __future__ import annotations

import datetime

from recommender_operator.analysis import label_drift, segment_drift
from recommender_operator.analysis.label_drift import LabelVerdict
from recommender_operator.analysis.label_sums import Labels, closes_after, read_days
from recommender_operator.analysis.segment_drift import SegmentVerdict
from recommender_operator.analysis.verdict_outcome import Verdict
from recommender_operator.api.status_labels import LabelDriftStatus, LabelSegment
from recommender_operator.context import Context, Outcome
from recommender_operator.observed import CollectorReading, VersionObject

#: Time after the end of a window, and after its labels, in which it counts: the next one may be
#: incomplete.
RECENT = datetime.timedelta(days=14)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def monitor_labels(ctx: Context, out: Outcome, champion: VersionObject) -> None:
    """Record what the labels say about the champion; nothing is stored between passes.

    If an answer cannot be used, the former numbers stay as long as they are recent, because days
    that are over do not change.
    """
    reading, drift = ctx.observed.outcomes, ctx.status.drift
    if ctx.model.status.champion != champion.name:
        return  # The answer is about the former champion.
    if reading is None:
        if drift.labels is not None:
            out.set_status(drift=drift.model_copy(update={"labels": None}))
        return
    found = _judged(ctx, reading, champion)
    if found is not None and found.verdict == Verdict.ERROR and drift.labels is not None:
        update = {"verdict": found.verdict, "message": found.message}
        found = drift.labels.model_copy(update=update)
    if found is not None and _is_old(ctx, found):
        found = _without_row(found)
    if found != drift.labels:
        out.set_status(drift=drift.model_copy(update={"labels": found}))


def _is_old(ctx: Context, found: LabelDriftStatus) -> bool:
    """Return whether the last window says nothing about the present any more."""
    if found.through is None:
        return False
    return ctx.now > (found.acts_until or _acts_until(found.through, _hours(ctx)))


def _acts_until(through: datetime.datetime, late: datetime.timedelta) -> datetime.datetime:
    """Return the end of the time in which a window acts; `late` is how late its labels come."""
    return through + late + RECENT


def _hours(ctx: Context) -> datetime.timedelta:
    """Return how late labels come, of a collector that does not say how late events may come."""
    mapping = ctx.spec.data.source.mapping
    label = mapping.label if mapping is not None else None
    late = label.attribution.hours if label is not None and label.attribution is not None else 0
    return datetime.timedelta(hours=late)


def _without_row(found: LabelDriftStatus) -> LabelDriftStatus:
    update: dict[str, object] = {
        "breaches_in_a_row": 0, "cause": "", "since": None, "segments": (),
    }  # fmt: skip
    if found.verdict != Verdict.ERROR:
        message = f"no whole week since {found.through:%Y-%m-%d} has enough labels"
        update |= {"verdict": Verdict.INCONCLUSIVE, "message": message}
    return found.model_copy(update=update)


def judged(
    ctx: Context, reading: CollectorReading, champion: VersionObject
) -> tuple[dict[int, Labels], LabelVerdict]:
    """Return the days of the champion, and what they say.

    Raises:
        ValueError, ArithmeticError: the answer is not valid.
    """
    days = read_days(reading.body, champion.name)
    return days, label_drift.judge(ctx.spec.retrain.drift, days, start=_start(champion))


def _start(champion: VersionObject) -> int:
    """Return the first day of which weeks count."""
    return ((champion.status.promoted_at or _EPOCH) - _EPOCH).days


def _judged(
    ctx: Context, reading: CollectorReading, champion: VersionObject
) -> LabelDriftStatus | None:
    error = reading.error
    if not error and reading.body.get("counts") is False:
        return None
    if error:
        return _error(error)
    try:
        days, seen = judged(ctx, reading, champion)
        if not days and _is_known(ctx):
            return _error("the collector has lost all days, or is of an earlier release")
        parts = segment_drift.read_segments(reading.body)
        segments = segment_drift.judge(ctx.spec.retrain.drift, days, parts, start=_start(champion))
        late = closes_after(reading.body)
        after = _hours(ctx) if late is None else datetime.timedelta(seconds=late)
        return _status(seen, segments, after)
    except (ValueError, ArithmeticError) as problem:
        return _error(f"the collector's answer is not valid: {problem}")


def _is_known(ctx: Context) -> bool:
    """Return whether there is a window from former answers."""
    labels = ctx.status.drift.labels
    return labels is not None and labels.through is not None


def _error(message: str) -> LabelDriftStatus:
    return LabelDriftStatus(verdict=Verdict.ERROR, message=message[:4096])


def _status(
    seen: LabelVerdict, segments: tuple[SegmentVerdict, ...], late: datetime.timedelta
) -> LabelDriftStatus:
    through = None if seen.through is None else start_of(seen.through + 1)
    return LabelDriftStatus(
        verdict=seen.verdict,
        cause=seen.cause or "",
        message=seen.message[:4096],
        windows=seen.windows,
        breaches_in_a_row=seen.breaches_in_a_row,
        through=through,
        acts_until=None if through is None else _acts_until(through, late),
        since=None if seen.since is None else start_of(seen.since),
        segments=tuple(map(_segment, segments)),
    )


def _segment(seen: SegmentVerdict) -> LabelSegment:
    return LabelSegment(
        feature=seen.segment.feature,
        value=seen.segment.value,
        users=seen.users,
        log_loss=round(seen.loss, 6),
        reference_log_loss=round(seen.reference_loss, 6),
        breaches_in_a_row=seen.breaches_in_a_row,
        failed=seen.failed,
        message=seen.message[:1024],
    )


def start_of(day: int) -> datetime.datetime:
    """Return the time at which a day starts."""
    return _EPOCH + datetime.timedelta(days=day)
