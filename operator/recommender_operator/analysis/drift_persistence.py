"""Memory between windows: several shifted ones in a row start a drift, clear ones end it.

`DriftStatus.breaches_in_a_row` also stores a confirmed drift: once it reaches
`consecutiveWindows`, it stays there until the same number of clear windows in a row, so a drift
near the floor does not start and end repeatedly.
"""

from __future__ import annotations

import datetime

from recommender_operator.analysis.verdict_outcome import Verdict
from recommender_operator.analysis.window_shift import DriftVerdict
from recommender_operator.api.spec import DriftSpec
from recommender_operator.api.status import DriftStatus

#: Maximum number of features whose effects are recorded.
MAX_EFFECTS = 20


def drifted(spec: DriftSpec, status: DriftStatus) -> bool:
    """Return whether drift is confirmed and has not ended."""
    return status.breaches_in_a_row >= spec.consecutive_windows


def broken(spec: DriftSpec, status: DriftStatus) -> bool:
    """Return whether a break of the candidate only is confirmed."""
    return status.candidate_breaks_in_a_row >= spec.consecutive_windows


def advance(
    spec: DriftSpec, status: DriftStatus, verdict: DriftVerdict, now: datetime.datetime
) -> DriftStatus:
    """Return the status after one more window of the champion.

    Inconclusive changes nothing, because the window continues. Error is reported, but the window
    does not count.
    """
    if verdict.verdict is Verdict.INCONCLUSIVE:
        return status
    reported = {"verdict": str(verdict.verdict), "message": verdict.message[:4096]}
    if verdict.verdict is Verdict.ERROR:
        return status.model_copy(update=reported)
    effects = verdict.effects[:MAX_EFFECTS]
    counted = {
        **reported, "windows": status.windows + 1, "window_at": now, "effects": effects
    }  # fmt: skip
    if verdict.verdict is Verdict.FAIL:
        return status.model_copy(
            update={
                **counted,
                "breaches_in_a_row": status.breaches_in_a_row + 1,
                "clear_in_a_row": 0,
                "features": tuple(shift.name for shift in verdict.features)[:50],
            }
        )
    clear = status.clear_in_a_row + 1 if verdict.clear else 0
    over = not drifted(spec, status) or clear >= spec.consecutive_windows
    update = {**counted, "clear_in_a_row": clear}
    if over:
        update |= {"breaches_in_a_row": 0, "features": ()}
    return status.model_copy(update=update)


def advance_break(
    spec: DriftSpec,  # noqa: ARG001 (same signature as `advance`)
    status: DriftStatus,
    verdict: DriftVerdict,
    now: datetime.datetime,  # noqa: ARG001
) -> DriftStatus:
    """Return the status after one more comparison of candidate and stable version.

    Verdict and message of the drift do not change: the decision on the candidate reports a break.
    """
    if verdict.verdict is Verdict.FAIL:
        count = status.candidate_breaks_in_a_row + 1
    elif verdict.verdict is Verdict.PASS:
        count = 0
    else:
        return status
    return status.model_copy(update={"candidate_breaks_in_a_row": count})
