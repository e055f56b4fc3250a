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
from recommender_operator.context.reconcile_context import Turn
from recommender_operator.observed import VersionObject

#: Time that a champion must be ready before it returns, after the first takeover; it doubles with
#: each one that follows within `CALM`, at most this number of times, to 16 minutes.
HOLD = datetime.timedelta(seconds=30)
DOUBLINGS = 5
LONGEST_HOLD = HOLD * 2**DOUBLINGS
CALM = datetime.timedelta(hours=1)
_LOOK = datetime.timedelta(seconds=5)


def step(turn: Turn) -> None:
    """Let the standby take over, or let the champion return."""
    champion = turn.champion
    if champion is None:
        return
    last = champion.status.standby
    works = _works(turn, champion.name)
    if last is None or not last.active:
        if not works and _has_standby(turn):
            _take_over(turn, champion, last)
    elif not _has_standby(turn):
        _return(turn, champion, last, "there is no standby any more")
    elif works:
        _hold(turn, champion, last)
    else:
        _endure(turn, champion, last)


def _has_standby(turn: Turn) -> bool:
    gateway = turn.spec.rollout.traffic is TrafficMode.GATEWAY
    return gateway and turn.spec.serving.keep_previous and turn.previous is not None


def _works(turn: Turn, version: str) -> bool:
    """Return whether a version has the pods to answer by its model.

    KServe's conditions do not count: they follow the pods late, and fail for other reasons.
    """
    service = turn.service(version)
    return service is not None and service.ready_pods > 0


def _take_over(turn: Turn, champion: VersionObject, last: Standby | None) -> None:
    standby = turn.previous
    if standby is None or not _works(turn, standby.name):
        return
    again = last is not None and last.until is not None and turn.time - last.until < CALM
    count = last.count + 1 if last is not None and again else 1
    record = Standby(version=standby.name, since=turn.time, count=count)
    turn.change(champion.name, standby=record)
    turn.route_first()
    service = turn.service(champion.name)
    state = f"{service.reason} {service.message}".strip() if service else "it has no service"
    message = f"{standby.name} answers in place of {champion.name}, which is not ready: {state}"
    turn.warn(Reason.STANDBY_SERVES, message, version=champion.name)
    turn.requeue(_LOOK)


def _hold(turn: Turn, champion: VersionObject, record: Standby) -> None:
    """Return to the champion after it has been ready for long enough."""
    ready_since = record.ready_since or turn.time
    hold = HOLD * 2 ** min(record.count - 1, DOUBLINGS)
    if turn.due(ready_since, hold, _LOOK):
        _return(turn, champion, record, f"it has been ready for {hold.total_seconds():.0f} s")
        return
    turn.change(champion.name, standby=record.model_copy(update={"ready_since": ready_since}))
    turn.requeue(_LOOK)


def _endure(turn: Turn, champion: VersionObject, record: Standby) -> None:
    """Stay with the standby, unless it fails too and the champion at least answers."""
    service = turn.service(champion.name)
    if not _works(turn, record.version) and service is not None and service.answers:
        _return(turn, champion, record, f"{record.version} is not ready either")
        return
    turn.change(champion.name, standby=record.model_copy(update={"ready_since": None}))
    turn.requeue(_LOOK)


def _return(turn: Turn, champion: VersionObject, record: Standby, why: str) -> None:
    turn.change(champion.name, standby=record.model_copy(update={"until": turn.time}))
    turn.route_first()
    message = f"{champion.name} receives the requests again: {why}"
    turn.info(Reason.CHAMPION_RETURNED, message, version=champion.name)
