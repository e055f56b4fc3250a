"""The standby: the former champion answers while the champion's model cannot.

It is kept warm for `rollbackTo`, so one write of the route sends it all requests. The champion
returns once it has been ready without a break; after each takeover it must hold for longer, so
that a champion that crashes again and again does not receive and lose requests each time. The
promotion is not touched. A rollout waits until the champion is back, because the candidate must
be better than it.

In Knative mode there is no standby: KServe would promote it, and Knative holds requests until a
pod is ready.
"""

from __future__ import annotations

import datetime

from recommender_operator.api.conditions import Reason
from recommender_operator.api.spec import TrafficMode
from recommender_operator.api.version import Standby
from recommender_operator.context import Context, Outcome
from recommender_operator.observed import VersionObject

#: Time that a champion must be ready before it returns, after the first takeover; it doubles with
#: each one that follows within `CALM`, at most this number of times, to 16 minutes.
HOLD = datetime.timedelta(seconds=30)
DOUBLINGS = 5
LONGEST_HOLD = HOLD * 2**DOUBLINGS
CALM = datetime.timedelta(hours=1)
_LOOK = datetime.timedelta(seconds=5)


def choose_standby(ctx: Context, out: Outcome) -> None:
    """Let the standby take over, or let the champion return."""
    champion = ctx.champion
    if champion is None:
        return
    last = champion.status.standby
    works = _works(ctx, champion.name)
    if last is None or not last.active:
        if not works and _has_standby(ctx):
            _take_over(ctx, out, champion, last)
    elif not _has_standby(ctx):
        _return(out, champion, last, "there is no standby any more")
    elif works:
        _hold(ctx, out, champion, last)
    else:
        _endure(ctx, out, champion, last)


def _has_standby(ctx: Context) -> bool:
    gateway = ctx.spec.rollout.traffic is TrafficMode.GATEWAY
    return gateway and ctx.spec.serving.keep_previous and ctx.previous is not None


def _works(ctx: Context, version: str) -> bool:
    """Return whether a version has the pods to answer by its model.

    KServe's conditions do not count: they follow the pods late, and fail for other reasons.
    """
    service = ctx.service(version)
    return service is not None and service.ready_pods > 0


def _take_over(ctx: Context, out: Outcome, champion: VersionObject, last: Standby | None) -> None:
    standby = ctx.previous
    if standby is None or not _works(ctx, standby.name):
        return
    again = last is not None and last.until is not None and ctx.time - last.until < CALM
    count = last.count + 1 if last is not None and again else 1
    record = Standby(version=standby.name, since=ctx.time, count=count)
    out.change(champion.name, standby=record)
    out.route_first()
    service = ctx.service(champion.name)
    state = f"{service.reason} {service.message}".strip() if service else "it has no service"
    message = f"{standby.name} answers in place of {champion.name}, which is not ready: {state}"
    out.warn(Reason.STANDBY_SERVES, message, version=champion.name)
    out.requeue(_LOOK)


def _hold(ctx: Context, out: Outcome, champion: VersionObject, record: Standby) -> None:
    """Return to the champion after it has been ready for long enough."""
    ready_since = record.ready_since or ctx.time
    hold = HOLD * 2 ** min(record.count - 1, DOUBLINGS)
    if out.due(ready_since, hold, _LOOK):
        _return(out, champion, record, f"it has been ready for {hold.total_seconds():.0f} s")
        return
    out.change(champion.name, standby=record.model_copy(update={"ready_since": ready_since}))
    out.requeue(_LOOK)


def _endure(ctx: Context, out: Outcome, champion: VersionObject, record: Standby) -> None:
    """Stay with the standby, unless it fails too and the champion at least answers."""
    service = ctx.service(champion.name)
    if not _works(ctx, record.version) and service is not None and service.answers:
        _return(out, champion, record, f"{record.version} is not ready either")
        return
    out.change(champion.name, standby=record.model_copy(update={"ready_since": None}))
    out.requeue(_LOOK)


def _return(out: Outcome, champion: VersionObject, record: Standby, why: str) -> None:
    out.change(champion.name, standby=record.model_copy(update={"until": out.time}))
    out.route_first()
    message = f"{champion.name} receives the requests again: {why}"
    out.info(Reason.CHAMPION_RETURNED, message, version=champion.name)
