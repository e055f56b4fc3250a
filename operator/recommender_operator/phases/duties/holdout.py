"""What the recommender gains over its fallbacks, in the status of the model.

It is read and written once an hour: it changes slowly, and each write costs the API server.
"""

from __future__ import annotations

import datetime

from recommender_operator.api.status_holdout import HoldoutGain, HoldoutStatus
from recommender_operator.experiments import holdout as gaining
from recommender_operator.experiments.estimates import MIN_CONTRIBUTORS, MIN_USERS, Comparison
from recommender_operator.experiments.plan import Phase
from recommender_operator.observed import CollectorReading
from recommender_operator.phases.stages.moments import read_phase
from recommender_operator.phases.turn import Turn
from recommender_operator.resources import holdout

EVERY = datetime.timedelta(hours=1)
#: The same if the collector did not say anything of use.
AGAIN = datetime.timedelta(minutes=5)
MAX_MESSAGE = 1024


def step(turn: Turn) -> None:
    """Record what the measure says, if it is time."""
    before, id_ = turn.status.holdout, holdout.measure(turn.model)
    if id_ is None:
        if before is not None:
            turn.set_status(holdout=None)
        return
    if before is None or before.id != id_:
        before = HoldoutStatus(id=id_, since=turn.now)
    passed = EVERY if before.observed_at is None else turn.now - before.observed_at
    if datetime.timedelta() <= passed < EVERY:  # not so after a jump of the clock
        turn.requeue(EVERY - passed)
        return
    turn.requeue(AGAIN)
    turn.set_status(holdout=_read(turn, before))


def _read(turn: Turn, before: HoldoutStatus) -> HoldoutStatus:
    """Return what the collector says; the former numbers stay if it says nothing of use."""
    reading = turn.observed.holdout or CollectorReading(error="nothing was read yet")
    held = turn.spec.serving.holdout
    if reading.error or held is None:
        return _said(before, reading.error)
    try:
        weights = {holdout.HELD: held.percent, holdout.OTHERS: holdout.TIMES * held.percent}
        phase = read_phase(reading.body, before.id, weights, holdout.HELD, holdout.OTHERS)
        found = gaining.gains(phase)
    except (ValueError, ArithmeticError) as error:
        return _said(before, f"the collector's answer is not valid: {error}")
    return before.model_copy(
        update={
            "observed_at": turn.now,
            "users": phase.of(holdout.HELD).users,
            "other_users": phase.of(holdout.OTHERS).users,
            "gains": tuple(map(_gain, found.comparisons)),
            "message": (found.problem or _words(phase, found, reading))[:MAX_MESSAGE],
        }
    )


def _said(before: HoldoutStatus, message: str) -> HoldoutStatus:
    return before.model_copy(update={"message": message[:MAX_MESSAGE]})


def _gain(found: Comparison) -> HoldoutGain:
    return HoldoutGain(
        metric=found.metric,
        holdout=found.champion,
        others=found.candidate,
        difference=found.difference,
        low=found.low,
        high=found.high,
    )


def _words(phase: Phase, found: gaining.Gains, reading: CollectorReading) -> str:
    users = phase.of(holdout.HELD).users
    if reading.body.get("ignored") and not users:
        return "the collector has no room for the measure: nobody is counted"
    if not users:
        return "no user of the holdout was measured yet: requests need a user id"
    ended = "; new users are not counted any more: set another period" * bool(
        reading.body.get("ignored")
    )
    others = phase.of(holdout.OTHERS).users
    told = ", ".join(map(_difference, found.comparisons))
    return f"{others} other users compared with {users} of the holdout: {told}{ended}"


def _difference(found: Comparison) -> str:
    if found.difference is None:
        return f"{found.metric} not known"
    if found.low is None or found.high is None:
        needed = f"{MIN_USERS} users in each group and {MIN_CONTRIBUTORS} who make the value"
        return f"{found.metric} {found.difference:+.1%} (no interval: it needs {needed})"
    return f"{found.metric} {found.difference:+.1%} ({found.low:+.1%} to {found.high:+.1%})"
