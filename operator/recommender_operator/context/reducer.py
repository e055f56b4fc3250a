"""From the outcome of a pass to its decision: the order of the actions, and the clock.

The actions are ordered so that every prefix is safe, because the operator may die between any two:
first, traffic leaves a bad version; then, decisions are recorded; Jobs, services and baselines
follow; traffic moves to a new version last.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping

from recommender_operator.actions import (
    Action,
    Decision,
    RemoveTraffic,
    SetTraffic,
    StartJob,
    UpdateVersion,
)
from recommender_operator.api.status import RecommenderModelStatus
from recommender_operator.api.version import TERMINAL, VersionStage
from recommender_operator.context import model_time
from recommender_operator.context.outcome import IDLE, Outcome
from recommender_operator.context.reconcile_context import Context


def reduce(ctx: Context, out: Outcome) -> Decision:
    """Return the decision, with its actions in the safe order; `ctx` reads the same outcome."""
    status, wait = _with_clock(ctx, out)
    filling, after = out.filling, wait
    if filling is not None:
        filling = dataclasses.replace(filling, rest=wait.total_seconds())
        after = min(wait, datetime.timedelta(seconds=filling.pause))
    first, last = _route(ctx, out, ctx.desired_weights)
    updates = [UpdateVersion(name=name, status=out.versions[name].status) for name in out.changed]
    others = [action for action in out.actions if not _must_wait(ctx, action)]
    return Decision(
        actions=(*first, *updates, *others, *last),
        status=status,
        events=tuple(out.events),
        requeue_after=None if out.finished else after,
        finished=out.finished,
        filling=filling,
    )


def _must_wait(ctx: Context, action: Action) -> bool:
    """Return whether an action waits for usable claims or for an allowed pod template.

    Later passes try again.
    """
    is_stopped = isinstance(action, StartJob) and ctx.storage.stops(action.kind)
    return is_stopped or ctx.pod_templates.stop(action)


def _with_clock(ctx: Context, out: Outcome) -> tuple[RecommenderModelStatus, datetime.timedelta]:
    """Return the status with the clock while a deadline is running, and the time until then.

    Model time advances only with passes, and stops while paused.
    """
    status, wait = out.status, out.requeue_after
    if ctx.time_stands_still and not out.paces:
        return status, wait
    # A failed data check is repeated; the pause before it starts now.
    failed = any(out.versions[n].status.stage is VersionStage.FAILED for n in out.changed)
    paces = [*out.paces, IDLE] if ctx.rolls_out or failed else out.paces
    if ctx.model.deleting or not paces:
        return status.model_copy(update={"clock": None}), wait
    clock = model_time.kept(
        ctx.model.status.clock,
        wall=out.now,
        time=out.time,
        pace=min(paces),
        written=status != ctx.model.status,
    )
    return status.model_copy(update={"clock": clock}), min(wait, IDLE)


def _route(
    ctx: Context, out: Outcome, desired: Mapping[str, int]
) -> tuple[list[Action], list[Action]]:
    """Return the route's actions that come first, and those that come last."""
    if ctx.model.deleting or ctx.observed.platform.missing:
        return [], []
    if ctx.hosting.host is None:
        return ([RemoveTraffic()], []) if ctx.observed.traffic.weights else ([], [])
    traffic = ctx.observed.traffic
    renamed = traffic.host != ctx.hosting.host and bool(ctx.hosting.host)
    routing = ctx.desired_routing
    again = out.routes_first or renamed or traffic.outdated or traffic.routing != routing
    if ctx.route_weights == desired and not (desired and again):
        return [], []
    if not desired:
        return [], ([RemoveTraffic()] if _route_is_orphaned(ctx) else [])
    action = SetTraffic(weights=dict(desired), host=ctx.hosting.host, routing=routing)
    return ([action], []) if out.routes_first else ([], [action])


def _route_is_orphaned(ctx: Context) -> bool:
    """Return whether all versions of the route are known and have ended without promotion.

    A version that is missing in the list may still exist.
    """
    return all(
        name in ctx.versions
        and ctx.versions[name].status.stage in TERMINAL - {VersionStage.PROMOTED}
        for name in ctx.route_weights
    )
