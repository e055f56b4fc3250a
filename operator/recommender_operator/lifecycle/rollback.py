"""rollbackTo: by the pin `spec.rollbackTo`, or by the annotation rollback-to.

A warm version takes over with one write of the route. Any other version is deployed first, and
must pass the smoke inference. No version starts meanwhile, nor while a pin is set.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum

from recommender_operator.actions import EnsureService, RunSmoke
from recommender_operator.api.conditions import ConditionType, Reason, find
from recommender_operator.api.version import TERMINAL, VersionStage
from recommender_operator.context.reconcile_context import ReconcileContext
from recommender_operator.observed import ServiceState

ACTION = "rollback-to"
_LOOK = datetime.timedelta(seconds=5)
_REFUSED = "Refused: "


class _Fitness(enum.Enum):
    FIT = enum.auto()
    COMING = enum.auto()
    UNFIT = enum.auto()


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Goal:
    target: str
    #: Value of the annotation; None for the pin.
    token: str | None

    @property
    def reason(self) -> Reason:
        return Reason.PINNED if self.token is None else Reason.ROLLED_BACK_TO


def roll_back_to(ctx: ReconcileContext) -> None:
    """Bring the requested version back, or report why that is impossible."""
    pin, token = ctx.spec.rollback_to, ctx.pending(ACTION)
    if pin is None and token is None:
        ctx.set_status(restoring_since=None)
        _forget_pin(ctx)
    if pin is not None:
        ctx.held = True
        if token is not None:
            _refuse(ctx, token, f"spec.rollbackTo pins {pin}: change or remove it instead")
        _pursue(ctx, _Goal(target=pin, token=None))
    elif token is not None:
        _pursue(ctx, _Goal(target=token.split("#", 1)[0], token=token))


def _pursue(ctx: ReconcileContext, goal: _Goal) -> None:
    obstacle = _obstacle(ctx, goal.target)
    if obstacle is not None:
        _give_up(ctx, goal, Reason.UNKNOWN_VERSION, obstacle)
        return
    ctx.target = goal.target
    _end_candidate(ctx, goal)
    champion = ctx.champion
    if champion is not None and champion.name == goal.target:
        _conclude(ctx, goal, f"{goal.target} is the champion")
        return
    ctx.held = True
    match _fitness(ctx, goal):
        case _Fitness.FIT:
            _switch(ctx, goal)
        case _Fitness.COMING:
            message = f"{goal.target} takes over after its service passes the smoke inference"
            ctx.condition(ConditionType.REQUESTS_HONORED, "Unknown", Reason.UNDER_WAY, message)
            ctx.requeue(_LOOK)
        case _Fitness.UNFIT:
            ctx.requeue(_LOOK)


def _obstacle(ctx: ReconcileContext, target: str) -> str | None:
    """Return why a version cannot be brought back; None if it can."""
    version = ctx.versions.get(target)
    fit = sorted(name for name, v in ctx.versions.items() if v.was_published)
    choice = f"published versions: {', '.join(fit) or 'none'} (kubectl get mver)"
    if version is None:
        return f"there is no version {target!r}; {choice}"
    if not version.was_published:
        stage = version.status.stage.value
        return f"{target} ({stage}) has not passed its gates or is not published; {choice}"
    if version.status.stage not in TERMINAL:
        return f"{target} is already the candidate; annotate recommender.dev/promote instead"
    return None


def _end_candidate(ctx: ReconcileContext, goal: _Goal) -> None:
    for version in ctx.unfinished:
        if goal.token is None:
            stage, automatic = VersionStage.SUPERSEDED, True
        else:
            stage, automatic = VersionStage.ROLLED_BACK, False
        message = f"rollbackTo {goal.target} was requested"
        ctx.end(version.name, stage, goal.reason, message, automatic=automatic)


def _fitness(ctx: ReconcileContext, goal: _Goal) -> _Fitness:
    """Return whether the target is ready and its service answered; deploy and test it if not."""
    service = ctx.service(goal.target)
    if service is None or not service.ready:
        return _serve(ctx, goal, service)
    smoke = ctx.versions[goal.target].status.smoke
    if smoke is None or smoke.service != service.uid:
        ctx.do(RunSmoke(version=goal.target))
        return _Fitness.COMING
    if not smoke.passed:
        message = f"{goal.target} failed the smoke inference: {smoke.message}"
        _give_up(ctx, goal, Reason.SMOKE_FAILED, message)
        return _Fitness.UNFIT
    return _Fitness.FIT


def _serve(ctx: ReconcileContext, goal: _Goal, service: ServiceState | None) -> _Fitness:
    """Deploy the target if it has no service; give up if it is not ready in time."""
    if service is None and ctx.pod_templates.serving:
        refused = ctx.pod_templates.serving
        _give_up(ctx, goal, refused.reason, refused.message)
        return _Fitness.UNFIT
    if service is None:
        ctx.do(EnsureService(version=goal.target))
        return _Fitness.COMING
    request = find(ctx.model.status.conditions, ConditionType.REQUESTS_HONORED)
    gave_up = request is not None and request.reason == Reason.NOT_READY_IN_TIME
    limit = datetime.timedelta(seconds=ctx.spec.serving.ready_deadline_seconds)
    since = ctx.status.restoring_since or ctx.time
    if not (gave_up and goal.token is None) and not ctx.due(since, limit, _LOOK):
        ctx.set_status(restoring_since=since)
        return _Fitness.COMING
    state = f"{service.reason} {service.message}".strip()
    message = f"{goal.target} is not ready after {limit.total_seconds():.0f} s: {state}"
    _give_up(ctx, goal, Reason.NOT_READY_IN_TIME, message)
    return _Fitness.UNFIT


def _switch(ctx: ReconcileContext, goal: _Goal) -> None:
    former = ctx.champion
    ctx.route_first()
    ctx.change(goal.target, replaced=former.name if former else None)
    how = "the pin spec.rollbackTo" if goal.token is None else f"annotation {goal.token!r}"
    message = f"restored by {how}" + (f", replacing {former.name}" if former else "")
    ctx.end(goal.target, VersionStage.PROMOTED, goal.reason, message, automatic=False)
    if former is not None and goal.token is not None:
        ctx.end(former.name, VersionStage.ROLLED_BACK, goal.reason, message, automatic=False)
    _conclude(ctx, goal, f"{goal.target} receives all requests")


def _conclude(ctx: ReconcileContext, goal: _Goal, result: str) -> None:
    ctx.set_status(restoring_since=None)
    ctx.condition(ConditionType.REQUESTS_HONORED, "True", Reason.DONE, f"rollbackTo: {result}")
    if goal.token is not None:
        ctx.handled(ACTION, goal.token, result)


def _give_up(ctx: ReconcileContext, goal: _Goal, reason: Reason, message: str) -> None:
    """Report why the rollback failed, and change nothing. A pin is tried again."""
    ctx.set_status(restoring_since=None)
    text = f"rollbackTo: {message}"
    if ctx.condition(ConditionType.REQUESTS_HONORED, "False", reason, text):
        ctx.warn(reason, text)
    if goal.token is not None:
        ctx.target = None
        ctx.handled(ACTION, goal.token, f"{_REFUSED}{message}")


def _forget_pin(ctx: ReconcileContext) -> None:
    """A pin that was removed before it was carried out asks for nothing."""
    last = find(ctx.status.conditions, ConditionType.REQUESTS_HONORED)
    if last is None or last.status == "True" or last.reason == Reason.REFUSED:
        return
    # An answer to an annotation is kept in `handled`, where a long one is cut.
    answers = (
        f"rollbackTo: {each.result.removeprefix(_REFUSED)}"
        for each in ctx.status.handled
        if each.action == ACTION
    )
    if not any(map(last.message.startswith, answers)):
        text = "spec.rollbackTo was removed before it was carried out"
        ctx.condition(ConditionType.REQUESTS_HONORED, "True", Reason.NONE, text)


def _refuse(ctx: ReconcileContext, token: str, message: str) -> None:
    ctx.warn(Reason.REFUSED, f"{ACTION}: {message}")
    ctx.handled(ACTION, token, f"{_REFUSED}{message}")
