"""The fresh champion: a new deployment of the champion's version beside the candidate.

Pods that have served for weeks have warm caches, and a candidate's have not. With
`rollout.freshChampion` another deployment of the champion starts with the rollout and gets as many
requests as the candidate, so both are equally new. It is no version: its share is part of the
champion's.

It serves for whole steps only: it joins at the start of one, and if it fails, its share returns to
the champion's other pods, with which that step begins again. So no window has requests of a time
in which another arm was beside the candidate.
"""

from __future__ import annotations

import datetime

from recommender_operator.actions import DropBaseline
from recommender_operator.api.conditions import Reason
from recommender_operator.api.version import FreshChampion
from recommender_operator.context.reconcile_context import ReconcileContext
from recommender_operator.observed import VersionObject
from recommender_operator.resources import baseline_deployment_names
from recommender_operator.rollout import auxiliary_deployments, counter_windows, readiness, steps

_ROUTE = datetime.timedelta(seconds=1)
_POLL = datetime.timedelta(seconds=5)
#: Time that its counters may be missing while those of the candidate are read. A Prometheus server
#: knows new pods after a few scrapes only.
UNREAD = datetime.timedelta(minutes=2)


def deploy_baseline(ctx: ReconcileContext, version: VersionObject, *, frozen: bool) -> bool:
    """Follow the fresh champion of a rollout; return whether nothing else happens in this pass.

    That is so if the route is written first, which must not give the candidate more, and if the
    window of the step begins again.
    A rollout that is `frozen` neither gets one nor stops waiting for it, but users are protected.
    At weight 100 it has no requests that could be lost or compared.
    """
    champion, record = ctx.champion, version.status.fresh_champion
    if champion is None or not ctx.spec.rollout.has_fresh_champion:
        ctx.change(version.name, fresh_champion=None)
        return record is not None and record.serves and _restart(ctx, version)
    if record is None or record.version != champion.name:
        if not frozen:
            new = FreshChampion(version=champion.name, unready_since=ctx.time)
            ctx.change(version.name, fresh_champion=new)
            ctx.requeue(_POLL)
        return False
    if record.given_up or version.status.weight >= 100:
        return False
    if record.unready_since is not None:
        if not frozen:
            _wait(ctx, version, record, record.unready_since)
        return False
    return _check(ctx, version, record)


def delays(ctx: ReconcileContext, version: VersionObject, weight: int) -> bool:
    """Let it serve from the next step on; return whether the first step waits for it.

    Later ones do not: between two steps nothing would protect the users of the candidate.
    """
    record = ctx.versions[version.name].status.fresh_champion
    if ctx.fresh is None or record is None or record.serves or weight >= 100:
        return False
    if ctx.is_ready(ctx.fresh):
        ready = record.model_copy(update={"unready_since": None})
        ctx.change(version.name, fresh_champion=ready)
        message = (
            f"{ctx.fresh}, a fresh deployment of {record.version}, gets requests beside "
            f"{version.name}, which is compared with it"
        )
        ctx.info(Reason.FRESH_CHAMPION_SERVES, message, version=version.name)
        return False
    if version.status.weight > 0:
        return False
    ctx.requeue(_POLL)
    return True


def _wait(
    ctx: ReconcileContext, version: VersionObject, record: FreshChampion, since: datetime.datetime
) -> None:
    """Give it up if it does not become ready; no step in progress is compared with it."""
    name = baseline_deployment_names.deployment(record.version)
    if ctx.is_ready(name):
        return
    since, why = auxiliary_deployments.wait(ctx, name, since)
    if why:
        _give_up(ctx, version, record, why)
        return
    waits = record.model_copy(update={"unready_since": since})
    ctx.change(version.name, fresh_champion=waits)


def _check(ctx: ReconcileContext, version: VersionObject, record: FreshChampion) -> bool:
    """Withdraw one that serves and fails; one that answers partly has the candidate's grace."""
    name = baseline_deployment_names.deployment(record.version)
    service = ctx.service(name)
    if service is None or service.ready_pods == 0:
        return _lose(ctx, version, record, auxiliary_deployments.state(ctx, name))
    if (error := _unkept(ctx, version, name)) is not None:
        ctx.route_first()
        ctx.requeue(_ROUTE)
        why = f"the counters at the start of the step could not be stored with its own: {error}"
        _give_up(ctx, version, record, why)
        _restart(ctx, version)
        return True
    partly, unread = not service.ready, _is_unread(ctx, version, name)
    if not partly and not unread:
        _note(ctx, version, record, None)
        return False
    since = record.impaired_since or ctx.time
    _note(ctx, version, record, since)
    ctx.requeue(_POLL)
    if not ctx.due(since, readiness.GRACE if partly else UNREAD, _POLL):
        return False
    cause = ctx.observed.sample_errors.get(name, "no pod answered")
    what = (
        auxiliary_deployments.state(ctx, name) if partly else f"{name} has no counters ({cause})"
    )
    return _lose(ctx, version, record, what)


def _note(
    ctx: ReconcileContext,
    version: VersionObject,
    record: FreshChampion,
    since: datetime.datetime | None,
) -> None:
    noted = record.model_copy(update={"impaired_since": since})
    ctx.change(version.name, fresh_champion=noted)


def _is_unread(ctx: ReconcileContext, version: VersionObject, name: str) -> bool:
    """Return whether its counters alone are missing in a step."""
    samples = ctx.observed.samples
    in_step = steps.current(version.status) is not None and version.status.weight > 0
    return in_step and version.name in samples and name not in samples


def _unkept(ctx: ReconcileContext, version: VersionObject, name: str) -> str | None:
    """Return why the start of a window with its counters could not be stored."""
    for key in (counter_windows.step_key(version), counter_windows.rollout_key(version)):
        baseline = ctx.observed.baselines.get(key)
        # The largest ones are not even in memory: they have an error and no counters at all.
        known = baseline is not None and (name in baseline.samples or not baseline.samples)
        if baseline is not None and baseline.error and known:
            return baseline.error
    return None


def _lose(ctx: ReconcileContext, version: VersionObject, record: FreshChampion, what: str) -> bool:
    """Let its requests return to the champion's other pods at once, and begin the step again."""
    ctx.route_first()
    ctx.requeue(_ROUTE)
    most = ctx.spec.analysis.max_interruptions
    lost = record.model_copy(
        update={
            "unready_since": ctx.time,
            "impaired_since": None,
            "outages": record.outages + 1,
        }
    )
    if lost.outages > most:
        why = f"it failed {lost.outages} times, analysis.maxInterruptions is {most}"
        _give_up(ctx, version, lost, f"{why}; {what}")
    else:
        ctx.change(version.name, fresh_champion=lost)
        message = (
            f"{what}: its requests return to {record.version}, with whose other pods the step "
            f"compares {version.name} until its end"
        )
        ctx.warn(Reason.FRESH_CHAMPION_UNAVAILABLE, message, version=version.name)
    _restart(ctx, version)
    return True


def _give_up(
    ctx: ReconcileContext, version: VersionObject, record: FreshChampion, why: str
) -> None:
    message = f"the rollout goes on without a fresh champion: {why}"[:1024]
    ended = record.model_copy(
        update={"unready_since": None, "impaired_since": None, "given_up": message}
    )
    ctx.change(version.name, fresh_champion=ended)
    ctx.warn(
        Reason.FRESH_CHAMPION_UNAVAILABLE,
        f"{message}. {version.name} is compared with the other pods of {record.version}",
        version=version.name,
    )


def _restart(ctx: ReconcileContext, version: VersionObject) -> bool:
    """Begin the window of the step, and its deadline, again: its measure is another one now."""
    record = steps.current(version.status)
    if record is None or record.is_shadow or record.weight >= 100:
        return False
    ctx.do(DropBaseline(key=counter_windows.step_key(version)))
    if counter_windows.error(ctx, counter_windows.rollout_key(version)):
        ctx.do(DropBaseline(key=counter_windows.rollout_key(version)))
    steps.note(ctx, version.name, passed_until=ctx.time)
    ctx.requeue(_POLL)
    return True
