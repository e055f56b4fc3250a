"""Loss and calibration of the champion, once labels have arrived.

The collector compares what the champion answered with what users did. A drift of the concept
(same inputs, other answers) shows here and in no window of sessions.
"""

from __future__ import annotations

import datetime

from recommender_operator.analysis import label_drift
from recommender_operator.analysis.label_drift import LabelVerdict
from recommender_operator.analysis.labels import read_days
from recommender_operator.analysis.outcome import Verdict
from recommender_operator.api.status import LabelDriftStatus
from recommender_operator.observed import CollectorReading, VersionObject
from recommender_operator.phases.turn import Turn

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def step(turn: Turn, champion: VersionObject) -> None:
    """Record what the labels say about the champion; nothing is remembered between looks.

    An answer that cannot be used leaves the former numbers: days that are over do not change.
    """
    reading, drift = turn.observed.outcomes, turn.status.drift
    if reading is None:
        if drift.labels is not None:
            turn.set_status(drift=drift.model_copy(update={"labels": None}))
        return
    found = _judged(turn, reading, champion.name)
    if found is not None and found.verdict == Verdict.ERROR and drift.labels is not None:
        update = {"verdict": found.verdict, "message": found.message}
        found = drift.labels.model_copy(update=update)
    if found != drift.labels:
        turn.set_status(drift=drift.model_copy(update={"labels": found}))


def _judged(turn: Turn, reading: CollectorReading, champion: str) -> LabelDriftStatus | None:
    error = reading.error
    if not error and reading.body.get("counts") is False:
        return None
    if error:
        return _error(error)
    try:
        return _status(label_drift.judge(turn.spec.drift, read_days(reading.body, champion)))
    except (ValueError, ArithmeticError) as problem:
        return _error(f"the collector's answer is not valid: {problem}")


def _error(message: str) -> LabelDriftStatus:
    return LabelDriftStatus(verdict=Verdict.ERROR, message=message[:4096])


def _status(seen: LabelVerdict) -> LabelDriftStatus:
    through = None if seen.through is None else _EPOCH + datetime.timedelta(days=seen.through + 1)
    return LabelDriftStatus(
        verdict=seen.verdict,
        cause=seen.cause or "",
        message=seen.message[:4096],
        windows=seen.windows,
        breaches_in_a_row=seen.breaches_in_a_row,
        through=through,
    )
