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
from recommender_operator.context import Context, Outcome
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


def roll_back_to(ctx: Context, out: Outcome) -> None:
    """Bring the requested version back, or report why that is impossible."""
    pin, token = ctx.spec.rollback_to, ctx.pending(ACTION)
    if pin is None and token is None:
        out.set_status(restoring_since=None)
        _forget_pin(ctx, out)
    if pin is not None:
        out.hold()
        if token is not None:
            _refuse(out, token, f"spec.rollbackTo pins {pin}: change or remove it instead")
        _pursue(ctx, out, _Goal(target=pin, token=None))
    elif token is not None:
        _pursue(ctx, out, _Goal(target=token.split("#", 1)[0], token=token))


def _pursue(ctx: Context, out: Outcome, goal: _Goal) -> None:
    obstacle = _obstacle(ctx, goal.target)
    if obstacle is not None:
        _give_up(out, goal, Reason.UNKNOWN_VERSION, obstacle)
        return
    out.restore(goal.target)
    _end_candidate(ctx, out, goal)
    champion = ctx.champion
    if champion is not None and champion.name == goal.target:
        _conclude(out, goal, f"{goal.target} is the champion")
        return
    out.hold()
    match _fitness(ctx, out, goal):
        case _Fitness.FIT:
            _switch(ctx, out, goal)
        case _Fitness.COMING:
            message = f"{goal.target} takes over after its service passes the smoke inference"
            out.condition(ConditionType.REQUESTS_HONORED, "Unknown", Reason.UNDER_WAY, message)
            out.requeue(_LOOK)
        case _Fitness.UNFIT:
            out.requeue(_LOOK)


def _obstacle(ctx: Context, target: str) -> str | None:
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


def _end_candidate(ctx: Context, out: Outcome, goal: _Goal) -> None:
    for version in ctx.unfinished:
        if goal.token is None:
            stage, automatic = VersionStage.SUPERSEDED, True
        else:
            stage, automatic = VersionStage.ROLLED_BACK, False
        message = f"rollbackTo {goal.target} was requested"
        out.end(version.name, stage, goal.reason, message, automatic=automatic)


def _fitness(ctx: Context, out: Outcome, goal: _Goal) -> _Fitness:
    """Return whether the target is ready and its service answered; deploy and test it if not."""
    service = ctx.service(goal.target)
    if service is None or not service.ready:
        return _serve(ctx, out, goal, service)
    smoke = ctx.versions[goal.target].status.smoke
    if smoke is None or smoke.service != service.uid:
        out.do(RunSmoke(version=goal.target))
        return _Fitness.COMING
    if not smoke.passed:
        message = f"{goal.target} failed the smoke inference: {smoke.message}"
        _give_up(out, goal, Reason.SMOKE_FAILED, message)
        return _Fitness.UNFIT
    return _Fitness.FIT


def _serve(ctx: Context, out: Outcome, goal: _Goal, service: ServiceState | None) -> _Fitness:
    """Deploy the target if it has no service; give up if it is not ready in time."""
    if service is None and ctx.pod_templates.serving:
        refused = ctx.pod_templates.serving
        _give_up(out, goal, refused.reason, refused.message)
        return _Fitness.UNFIT
    if service is None:
        out.do(EnsureService(version=goal.target))
        return _Fitness.COMING
    request = find(ctx.model.status.conditions, ConditionType.REQUESTS_HONORED)
    gave_up = request is not None and request.reason == Reason.NOT_READY_IN_TIME
    limit = datetime.timedelta(seconds=ctx.spec.serving.ready_deadline_seconds)
    since = ctx.status.restoring_since or ctx.time
    if not (gave_up and goal.token is None) and not out.due(since, limit, _LOOK):
        out.set_status(restoring_since=since)
        return _Fitness.COMING
    state = f"{service.reason} {service.message}".strip()
    message = f"{goal.target} is not ready after {limit.total_seconds():.0f} s: {state}"
    _give_up(out, goal, Reason.NOT_READY_IN_TIME, message)
    return _Fitness.UNFIT


def _switch(ctx: Context, out: Outcome, goal: _Goal) -> None:
    former = ctx.champion
    out.route_first()
    out.change(goal.target, replaced=former.name if former else None)
    how = "the pin spec.rollbackTo" if goal.token is None else f"annotation {goal.token!r}"
    message = f"restored by {how}" + (f", replacing {former.name}" if former else "")
    out.end(goal.target, VersionStage.PROMOTED, goal.reason, message, automatic=False)
    if former is not None and goal.token is not None:
        out.end(former.name, VersionStage.ROLLED_BACK, goal.reason, message, automatic=False)
    _conclude(out, goal, f"{goal.target} receives all requests")


def _conclude(out: Outcome, goal: _Goal, result: str) -> None:
    out.set_status(restoring_since=None)
    out.condition(ConditionType.REQUESTS_HONORED, "True", Reason.DONE, f"rollbackTo: {result}")
    if goal.token is not None:
        out.handled(ACTION, goal.token, result)


def _give_up(out: Outcome, goal: _Goal, reason: Reason, message: str) -> None:
    """Report why the rollback failed, and change nothing. A pin is tried again."""
    out.set_status(restoring_since=None)
    text = f"rollbackTo: {message}"
    if out.condition(ConditionType.REQUESTS_HONORED, "False", reason, text):
        out.warn(reason, text)
    if goal.token is not None:
        out.restore(None)
        out.handled(ACTION, goal.token, f"{_REFUSED}{message}")


def _forget_pin(ctx: Context, out: Outcome) -> None:
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
        out.condition(ConditionType.REQUESTS_HONORED, "True", Reason.NONE, text)


def _refuse(out: Outcome, token: str, message: str) -> None:
    out.warn(Reason.REFUSED, f"{ACTION}: {message}")
    out.handled(ACTION, token, f"{_REFUSED}{message}")
