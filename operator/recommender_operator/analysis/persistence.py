"""What stays after a window: three in a row act, three clear ones in a row end it.

`DriftStatus.breaches_in_a_row` is also the memory of a confirmed drift: once it has reached
`consecutiveWindows` it stays there until as many clear windows in a row have passed, so a drift
near the floor does not switch on and off.
"""

from __future__ import annotations

import datetime

from recommender_operator.analysis.outcome import Verdict
from recommender_operator.analysis.shift import DriftVerdict
from recommender_operator.api.spec import DriftSpec
from recommender_operator.api.status import DriftStatus


def drifted(spec: DriftSpec, status: DriftStatus) -> bool:
    """Return whether drift is confirmed and not yet over."""
    return status.breaches_in_a_row >= spec.consecutive_windows


def broken(spec: DriftSpec, status: DriftStatus) -> bool:
    """Return whether a break of the candidate alone is confirmed."""
    return status.candidate_breaks_in_a_row >= spec.consecutive_windows


def advance(
    spec: DriftSpec, status: DriftStatus, verdict: DriftVerdict, now: datetime.datetime
) -> DriftStatus:
    """Return the status after one more window of the champion.

    Inconclusive changes nothing: the window is not over. Error is told, and counts for nothing.
    """
    if verdict.verdict is Verdict.INCONCLUSIVE:
        return status
    told = {"verdict": str(verdict.verdict), "message": verdict.message[:4096]}
    if verdict.verdict is Verdict.ERROR:
        return status.model_copy(update=told)
    told_window = {**told, "windows": status.windows + 1, "window_at": now}
    if verdict.verdict is Verdict.FAIL:
        return status.model_copy(
            update={
                **told_window,
                "breaches_in_a_row": status.breaches_in_a_row + 1,
                "clear_in_a_row": 0,
                "features": tuple(shift.name for shift in verdict.features)[:50],
            }
        )
    clear = status.clear_in_a_row + 1 if verdict.clear else 0
    over = not drifted(spec, status) or clear >= spec.consecutive_windows
    update = {**told_window, "clear_in_a_row": clear}
    if over:
        update |= {"breaches_in_a_row": 0, "features": ()}
    return status.model_copy(update=update)


def advance_break(
    spec: DriftSpec,  # noqa: ARG001 (one signature with `advance`)
    status: DriftStatus,
    verdict: DriftVerdict,
    now: datetime.datetime,  # noqa: ARG001
) -> DriftStatus:
    """Return the status after one more window of candidate against stable.

    The champion's own verdict and message stay: the break's are told by its decision.
    """
    if verdict.verdict is Verdict.FAIL:
        count = status.candidate_breaks_in_a_row + 1
    elif verdict.verdict is Verdict.PASS:
        count = 0
    else:
        return status
    return status.model_copy(update={"candidate_breaks_in_a_row": count})
