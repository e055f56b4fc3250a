"""Texts about a drift: for the condition, the Event and the reason of a retraining."""

from __future__ import annotations

from recommender_operator.analysis.drift_reactions import Cause
from recommender_operator.analysis.segment_drift import Segment
from recommender_operator.context import Context, drift_causes

#: Segments that a message names: all are in the status.
_MOST_NAMED = 5


def what(ctx: Context, cause: Cause) -> str:
    """Return the subject of a drift, for the name of a retraining."""
    if cause in (Cause.LOSS_RISE, Cause.CALIBRATION_DRIFT):
        return "the loss" if cause is Cause.LOSS_RISE else "the calibration"
    if cause is Cause.SEGMENT_DRIFT:
        drifted = drift_causes.drifted_segments(ctx)
        return _first(", ", [str(Segment(each.feature, each.value)) for each in drifted])
    if cause is Cause.SEGMENT_SHIFT:
        return _first(", ", [str(each) for each in drift_causes.shifted_segments(ctx)])
    return ", ".join(ctx.status.drift.features) or "the sessions"


def _first(between: str, texts: list[str]) -> str:
    more = len(texts) - _MOST_NAMED
    return between.join(texts[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def drift_message(ctx: Context, cause: Cause, champion: str) -> str:
    """Return a confirmed cause with its numbers."""
    drift, name = ctx.status.drift, what(ctx, cause)
    match cause:
        case Cause.LOSS_RISE | Cause.CALIBRATION_DRIFT:
            numbers = "" if drift.labels is None else drift.labels.message
            return f"{name} of {champion} changed since its first week: {numbers}"
        case Cause.SEGMENT_DRIFT:
            found = _first("; ", [each.message for each in drift_causes.drifted_segments(ctx)])
            return f"what users do changed in {name} since the first week of {champion}: {found}"
        case Cause.SEGMENT_SHIFT:
            found = _first("; ", [f"{s}: {s.message}" for s in drift_causes.shifted_segments(ctx)])
            return (
                f"features shifted inside segments since the training of {champion}: {found}. "
                "Check what sends them there (an app, a page, a country)"
            )
        case Cause.SCHEMA_BREAK:
            lacking = ", ".join(drift.lacking)
            return f"most sessions lack {lacking}, which the training had: {drift.message}"
    return f"{name} shifted from the training data of {champion}: {drift.message}"
