"""Features that most served sessions lack: a break of the pipeline, not a drift of the users.

Only nulls count. Unknown categories are new items and values, which a retraining learns. A feature
that the champion's sessions lacked from the first window on, such as the age of anonymous users,
is no break either.
"""

from __future__ import annotations

from recommender_operator.analysis import distributions
from recommender_operator.analysis.counter_window import WindowStats
from recommender_operator.analysis.distributions import NULL, SCORE
from recommender_operator.analysis.drift_reactions import Cause
from recommender_operator.analysis.verdict_outcome import Verdict
from recommender_operator.api.spec import DriftSpec
from recommender_operator.api.status import DriftStatus

#: Rise of the share of nulls from which a feature counts as broken.
RISE = 0.5
#: Rise in the champion's first window from which a later rise is not a change.
AT_FIRST = RISE / 2


def broken(window: WindowStats, rise: float = RISE) -> tuple[str, ...]:
    """Return the features that are null in many more sessions than in the training."""
    return tuple(
        sorted(name for name in window.reference if name != SCORE and _rise(window, name) >= rise)
    )


def is_under_way(drift: DriftStatus) -> bool:
    """Return whether the last shifted windows lack features, confirmed or not."""
    return drift.breaches_in_a_row > 0 and drift.cause == Cause.SCHEMA_BREAK


def of_next_champion(before: DriftStatus, *, frozen: bool) -> DriftStatus:
    """Return the status with which the monitor of another champion begins.

    All versions get the same sessions, so a break outlasts its champion. One that no longer
    freezes does not, because it may be permanent.
    """
    if not (frozen and is_under_way(before)):
        return DriftStatus(reacted_at=before.reacted_at)
    kept = {
        "began", "breaches_in_a_row", "features", "cause", "lacking", "broken_since", "verdict",
        "message", "reacted_at",
    }  # fmt: skip
    return DriftStatus(**{name: getattr(before, name) for name in kept})


def noted(
    spec: DriftSpec, before: DriftStatus, after: DriftStatus, window: WindowStats
) -> DriftStatus:
    """Return the status after a window, with its cause.

    A break lasts until the drift ends, or until as many shifted windows in a row are whole as
    confirm a drift: the window that contains the repair is not a shift of the users.
    """
    at_first = before.lacking_at_first
    if at_first is None:
        known = before.lacking if is_under_way(before) else ()
        at_first = tuple(name for name in broken(window, AT_FIRST) if name not in known)[:50]
        after = after.model_copy(update={"lacking_at_first": at_first})
    if after.verdict != Verdict.FAIL:
        return after
    lacking = tuple(name for name in broken(window) if name not in at_first)[:50]
    if lacking:
        update = {"cause": str(Cause.SCHEMA_BREAK), "lacking": lacking, "unbroken_in_a_row": 0}
        return after.model_copy(update=update)
    row = before.unbroken_in_a_row + 1
    if is_under_way(before) and row < spec.consecutive_windows:
        return after.model_copy(update={"unbroken_in_a_row": row})
    update = {"cause": str(Cause.INPUT_SHIFT), "lacking": (), "unbroken_in_a_row": 0}
    return after.model_copy(update=update)


def _rise(window: WindowStats, name: str) -> float:
    seen, reference = window.features.get(name, {}), window.reference[name]
    here, there = (
        distributions.sessions(counts, name) for counts in (window.features, window.reference)
    )
    if not here or not there:
        return 0.0
    return seen.get(NULL, 0) / here - reference.get(NULL, 0) / there
