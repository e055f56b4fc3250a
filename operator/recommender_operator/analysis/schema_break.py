"""Features that most served sessions lack: a break of the pipeline, not a drift of the users.

Only nulls count. Unknown categories are new items and values, which a retraining learns. What the
champion's sessions lacked from the first window on, as anonymous users do, is no break either.
"""

from __future__ import annotations

from recommender_operator.analysis.distributions import NULL, SCORE
from recommender_operator.analysis.outcome import Verdict
from recommender_operator.analysis.reactions import Cause
from recommender_operator.analysis.window import WindowStats
from recommender_operator.api.spec import DriftSpec
from recommender_operator.api.status import DriftStatus

#: Rise of the share of nulls from which a feature counts as broken.
RISE = 0.5
#: Rise in the champion's first window from which a later one is no change.
AT_FIRST = RISE / 2


def broken(window: WindowStats, rise: float = RISE) -> tuple[str, ...]:
    """Return the features that are null in many more sessions than in the training."""
    return tuple(
        sorted(name for name in window.reference if name != SCORE and _rise(window, name) >= rise)
    )


def noted(
    spec: DriftSpec, before: DriftStatus, after: DriftStatus, window: WindowStats
) -> DriftStatus:
    """Return the status after a window, with its cause.

    A break lasts until the drift ends, or until as many shifted windows in a row are whole as
    confirm a drift: the window that contains the repair is not a shift of the users.
    """
    if before.windows == 0:
        after = after.model_copy(update={"lacking_at_first": broken(window, AT_FIRST)[:50]})
    if after.verdict != Verdict.FAIL:
        return after
    lacking = tuple(name for name in broken(window) if name not in after.lacking_at_first)[:50]
    if lacking:
        update = {"cause": str(Cause.SCHEMA_BREAK), "lacking": lacking, "unbroken_in_a_row": 0}
        return after.model_copy(update=update)
    row = before.unbroken_in_a_row + 1
    was_broken = before.breaches_in_a_row > 0 and before.cause == Cause.SCHEMA_BREAK
    if was_broken and row < spec.consecutive_windows:
        return after.model_copy(update={"unbroken_in_a_row": row})
    update = {"cause": str(Cause.INPUT_SHIFT), "lacking": (), "unbroken_in_a_row": 0}
    return after.model_copy(update=update)


def _rise(window: WindowStats, name: str) -> float:
    seen, reference = window.features.get(name, {}), window.reference[name]
    here, there = sum(seen.values()), sum(reference.values())
    if not here or not there:
        return 0.0
    return seen.get(NULL, 0) / here - reference.get(NULL, 0) / there
