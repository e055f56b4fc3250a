"""The gain of the recommender over its fallbacks, in the status of the model.

It is read and written once an hour: it changes slowly, and each write costs the API server. A new
measure is read more often, so that whoever sets a holdout soon sees that it works.
"""

from __future__ import annotations

import datetime

from recommender_contract.events import HELD, OTHERS
from recommender_operator.api.spec_rollout import TrafficMode
from recommender_operator.api.status_holdout import HoldoutGain, HoldoutStatus
from recommender_operator.context import Context, Outcome
from recommender_operator.context.extension import Extension
from recommender_operator.experiments.estimates import MIN_CONTRIBUTORS, MIN_USERS, Comparison
from recommender_operator.experiments.plan import Phase
from recommender_operator.extensions.holdout import holdout_effect as gaining
from recommender_operator.observed import CollectorReading, ModelObject
from recommender_operator.resources import holdout_users
from recommender_operator.rollout.collected_moments import read_phase, since

EVERY = datetime.timedelta(hours=1)
#: The least time between two reads, and the part of the age of a measure that is one: two dozen
#: reads in the first four hours, and then one an hour.
SOONEST, PART = datetime.timedelta(minutes=1), 4
#: The same if the collector did not say anything of use.
AGAIN = datetime.timedelta(minutes=5)
MAX_MESSAGE = 1024
ENDED = (
    "new users are not counted: the measure has a million, had no impression for two weeks, or "
    "half of the collector's store is in use; set another period, or give the store more memory"
)
_NOW = datetime.timedelta()


def after(before: HoldoutStatus | None, id_: str, now: datetime.datetime) -> datetime.timedelta:
    """Return the time until a measure is to be read; zero if it is now."""
    if before is None or before.id != id_ or before.observed_at is None:
        return _NOW
    passed, every = now - before.observed_at, _between(before.observed_at - before.since)
    return every - passed if _NOW <= passed < every else _NOW  # not so after a jump of the clock


def _between(age: datetime.timedelta) -> datetime.timedelta:
    """Return the time between two reads of a measure of this age."""
    return min(EVERY, max(SOONEST, age / PART))


class Holdout(Extension):
    """The measure of the holdout."""

    def settle(self, ctx: Context, out: Outcome) -> None:
        """Record what the measure says, if it is time."""
        before, id_ = ctx.status.holdout, holdout_users.measure(ctx.model)
        if id_ is None:
            if before is not None:
                out.set_status(holdout=None)
            return
        if before is None or before.id != id_:
            before = HoldoutStatus(id=id_, since=ctx.now)
        if wait := after(before, id_, ctx.now):
            out.requeue(wait)
            return
        found = _read(ctx, before)
        out.requeue(min(AGAIN, after(found, id_, ctx.now) or AGAIN))
        out.set_status(holdout=found)

    def measured(self, model: ModelObject, now: datetime.datetime | None) -> str | None:
        """Return the id of the measure; None if its numbers are new enough at `now`."""
        id_ = holdout_users.measure(model)
        is_late = id_ is None or now is None or not after(model.status.holdout, id_, now)
        return id_ if is_late else None


def _read(ctx: Context, before: HoldoutStatus) -> HoldoutStatus:
    """Return the collector's numbers; the former ones stay if it has none of use."""
    reading = ctx.observed.holdout
    if reading is None:  # it was not time when the pass began
        return before if before.message else _said(before, "nothing was read yet")
    held = ctx.spec.events.holdout
    if reading.error or held is None:
        return _said(before, reading.error)
    try:
        weights = {HELD: held.percent, OTHERS: holdout_users.TIMES * held.percent}
        phase = read_phase(reading.body, before.id, weights, HELD, OTHERS)
        found = gaining.holdout_gains(phase)
        began = since(reading.body)
        start = before.since if began is None else _at(began)
    except (ValueError, ArithmeticError) as error:
        return _said(before, f"the collector's answer is not valid: {error}")
    return before.model_copy(
        update={
            "since": start,
            "observed_at": ctx.now,
            "users": phase.of(HELD).users,
            "other_users": phase.of(OTHERS).users,
            "gains": tuple(map(_gain, found.comparisons)),
            "message": ((found.problem or _words(phase, found, reading)) + _mode(ctx))[
                :MAX_MESSAGE
            ],
        }
    )


def _at(seconds: float) -> datetime.datetime:
    """Return a time.

    Raises:
        ArithmeticError, ValueError: no date has it.
    """
    return datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(seconds=seconds)


def _mode(ctx: Context) -> str:
    """Return the difference in Knative mode, where only the newest revision has pods to change."""
    if ctx.spec.rollout.traffic is not TrafficMode.KNATIVE or ctx.candidate is None:
        return ""
    return "; in Knative mode the champion gets a changed setting when the rollout has ended"


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
    users = phase.of(HELD).users
    if reading.body.get("ignored") and not users:
        return "the collector has no room for the measure: nobody is counted"
    if not users:
        return "no user of the holdout was measured yet: requests need a user id"
    ended = f"; {ENDED}" * bool(reading.body.get("ignored"))
    others = phase.of(OTHERS).users
    told = ", ".join(map(_difference, found.comparisons))
    return f"{others} other users compared with {users} of the holdout: {told}{ended}"


def _difference(found: Comparison) -> str:
    if found.difference is None:
        return f"{found.metric} not known"
    if found.low is None or found.high is None:
        needed = f"{MIN_USERS} users in each group and {MIN_CONTRIBUTORS} who make the value"
        return f"{found.metric} {found.difference:+.1%} (no interval: it needs {needed})"
    return f"{found.metric} {found.difference:+.1%} ({found.low:+.1%} to {found.high:+.1%})"
