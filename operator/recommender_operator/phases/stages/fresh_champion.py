"""The fresh champion: a new deployment of the champion's version beside the candidate.

Pods that have served for weeks have warm caches, and a candidate's have not. With
`rollout.freshChampion` another deployment of the champion starts with the rollout and gets as many
requests as the candidate, so both are equally new. It is no version: its share is part of the
champion's, to whose other pods it returns as soon as the fresh one is not ready. Its failure is no
fault of the candidate: the step waits for it for a bounded time, and then goes on without it.
"""

from __future__ import annotations

import datetime

from recommender_operator.actions import DropBaseline
from recommender_operator.api.conditions import Reason
from recommender_operator.api.version import FreshChampion
from recommender_operator.observed import VersionObject
from recommender_operator.phases.stages import steps, windows
from recommender_operator.phases.turn import Turn
from recommender_operator.resources import fresh

_ROUTE = datetime.timedelta(seconds=1)
_POLL = datetime.timedelta(seconds=5)


def step(turn: Turn, version: VersionObject, *, frozen: bool) -> bool:
    """Follow the fresh champion of a rollout; return whether nothing else happens in this look.

    That is so if the route is written first, which must not give the candidate more, and if the
    window of the step begins again.
    A rollout that is `frozen` neither gets one nor stops waiting for it, but users are protected.
    At weight 100 it has no requests that could be lost or compared.
    """
    champion, record = turn.champion, version.status.fresh_champion
    if champion is None or not turn.spec.rollout.has_fresh_champion:
        turn.change(version.name, fresh_champion=None)
        return record is not None and not record.given_up and _restart(turn, version)
    if record is None or record.version != champion.name:
        if not frozen:
            new = FreshChampion(version=champion.name, unready_since=turn.time)
            turn.change(version.name, fresh_champion=new)
            turn.requeue(_POLL)
        return False
    if record.given_up or version.status.weight >= 100:
        return False
    if record.unready_since is None:
        return not _works(turn, record) and _lose(turn, version, record)
    return _wait(turn, version, record, record.unready_since, frozen=frozen)


def delays(turn: Turn) -> bool:
    """Return whether the first step waits for it, so that users reach both at the same time."""
    if turn.fresh is None or turn.fresh_answers:
        return False
    turn.requeue(_POLL)
    return True


def _works(turn: Turn, record: FreshChampion) -> bool:
    """Return whether it has the pods to answer by its model."""
    service = turn.service(fresh.deployment(record.version))
    return service is not None and service.ready_pods > 0


def _wait(
    turn: Turn,
    version: VersionObject,
    record: FreshChampion,
    since: datetime.datetime,
    *,
    frozen: bool,
) -> bool:
    """Begin to use it once it is ready, or give it up."""
    name = fresh.deployment(record.version)
    if turn.is_ready(name):
        ready = record.model_copy(update={"unready_since": None})
        turn.change(version.name, fresh_champion=ready)
        message = (
            f"{name}, a fresh deployment of {record.version}, gets as many requests as "
            f"{version.name}, which is compared with it"
        )
        turn.info(Reason.FRESH_CHAMPION_SERVES, message, version=version.name)
        return False
    turn.requeue(_POLL)
    limit = datetime.timedelta(seconds=turn.spec.serving.ready_deadline_seconds)
    if frozen or not turn.due(since, limit, _POLL):
        return False
    return _give_up(turn, version, record, f"it was not ready for {limit.total_seconds():.0f} s")


def _lose(turn: Turn, version: VersionObject, record: FreshChampion) -> bool:
    """Let its requests return to the champion's other pods at once."""
    turn.route_first()
    turn.requeue(_ROUTE)
    most = turn.spec.analysis.max_interruptions
    counted = {"unready_since": turn.time, "outages": record.outages + 1}
    lost = record.model_copy(update=counted)
    if lost.outages > most:
        why = f"it was not ready {lost.outages} times, analysis.maxInterruptions is {most}"
        _give_up(turn, version, lost, why)
        return True
    turn.change(version.name, fresh_champion=lost)
    what = _what(turn, record)
    message = f"{what}: its requests return to {record.version}, and the step waits for it"
    turn.warn(Reason.FRESH_CHAMPION_UNAVAILABLE, message, version=version.name)
    return True


def _give_up(turn: Turn, version: VersionObject, record: FreshChampion, why: str) -> bool:
    state = _what(turn, record)
    message = f"the rollout goes on without a fresh champion: {why}; {state}"[:1024]
    ended = record.model_copy(update={"unready_since": None, "given_up": message})
    turn.change(version.name, fresh_champion=ended)
    turn.warn(
        Reason.FRESH_CHAMPION_UNAVAILABLE,
        f"{message}. {version.name} is compared with the other pods of {record.version}",
        version=version.name,
    )
    return _restart(turn, version)


def _what(turn: Turn, record: FreshChampion) -> str:
    name = fresh.deployment(record.version)
    service = turn.service(name)
    state = f"{service.reason} {service.message}".strip() if service else "it does not exist"
    return f"{name} is not ready" + (f" ({state})" if state else "")


def _restart(turn: Turn, version: VersionObject) -> bool:
    """Forget the window of the step: the champion's other pods may have had no requests in it."""
    record = steps.current(version.status)
    if record is None or record.is_shadow or record.weight >= 100:
        return False
    turn.do(DropBaseline(key=windows.step_key(version)))
    turn.requeue(_POLL)
    return True
