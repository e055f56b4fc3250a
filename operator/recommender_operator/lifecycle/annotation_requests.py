"""Annotation requests: abort, retry, promote and retrain. Each token is handled once.

rollback-to has its own module. While the model is paused, abort is allowed, because it only moves
traffic back; the others are refused.
"""

from __future__ import annotations

from recommender_operator.api.conditions import ConditionType, Reason
from recommender_operator.api.version import VersionStage
from recommender_operator.context import Context, Outcome
from recommender_operator.monitoring import retrain_proposal, retraining

#: Why requests are refused while paused, and the remedy.
PAUSED = "the model is paused; unset spec.paused, then annotate a new token"
_RETRYABLE = (VersionStage.FAILED, VersionStage.REJECTED, VersionStage.ROLLED_BACK)


def handle_requests(ctx: Context, out: Outcome) -> None:
    """Handle the requests since the last pass."""
    for action, handle in (
        ("abort", _abort),
        ("retry", _retry),
        ("promote", _promote),
        ("retrain", _retrain),
    ):
        token = ctx.pending(action)
        if token is None:
            continue
        refusal, result = handle(ctx, out, token)
        answer(out, action, token, result, refused=refusal)


def answer(out: Outcome, action: str, token: str, result: str, *, refused: bool) -> None:
    """Report the result of a request in a condition and an Event, and mark it as handled."""
    text = f"{action} {token!r}: {result}"
    if refused:
        out.condition(ConditionType.REQUESTS_HONORED, "False", Reason.REFUSED, text)
        out.warn(Reason.REFUSED, text)
    else:
        out.condition(ConditionType.REQUESTS_HONORED, "True", Reason.DONE, text)
        out.info(Reason.DONE, text)
    out.handled(action, token, f"Refused: {result}" if refused else result)


def _abort(ctx: Context, out: Outcome, token: str) -> tuple[bool, str]:
    candidate = ctx.candidate
    if candidate is None:
        return True, "there is no candidate"
    message = f"aborted by annotation {token!r}; annotate recommender.dev/retry to start it again"
    out.end(candidate.name, VersionStage.ROLLED_BACK, Reason.ABORTED, message, automatic=False)
    return False, f"{candidate.name} was rolled back"


def _retry(ctx: Context, out: Outcome, token: str) -> tuple[bool, str]:
    if ctx.spec.paused:
        return True, PAUSED
    done = []
    if ctx.status.locked:
        out.set_status(
            locked=False,
            consecutive_rollbacks=0,
            rollbacks_counted_through=out.next_number() - 1,
        )
        message = f"unlocked by annotation retry {token!r}"
        out.condition(ConditionType.LOCKED, "False", Reason.UNLOCKED, message)
        done.append("unlocked")
    version = ctx.versions.get(ctx.specified)
    if version is not None and version.status.stage in _RETRYABLE and not ctx.held:
        _supersede_stand_in(ctx, out, version.name)
        out.restart(version.name)
        done.append(f"{version.name} starts again (attempt {version.status.attempt + 1})")
    if done:
        return False, " and ".join(done)
    return True, "the version of the spec has not failed, and the model is not locked"


def _supersede_stand_in(ctx: Context, out: Outcome, original: str) -> None:
    """End a stand-in that is in progress, because its original is retried."""
    for version in ctx.unfinished:
        message = f"{original} is retried (recommender.dev/retry)"
        out.end(version.name, VersionStage.SUPERSEDED, Reason.SUPERSEDED, message)


def _promote(ctx: Context, out: Outcome, token: str) -> tuple[bool, str]:
    if ctx.spec.paused:
        return True, PAUSED
    candidate = ctx.candidate
    if candidate is None:
        return True, "there is no candidate"
    status = candidate.status
    gates_held = bool(status.gates) and all(gate.passed for gate in status.gates)
    smoke_held = status.smoke is not None and status.smoke.passed
    if status.stage is not VersionStage.CANARY or not gates_held or not smoke_held:
        return (
            True,
            f"{candidate.name} ({status.stage}) has not passed gates and smoke inference yet",
        )
    out.change(candidate.name, approved_at=ctx.now)
    return False, f"{candidate.name} receives all requests, without its other steps ({token!r})"


def _retrain(ctx: Context, out: Outcome, token: str) -> tuple[bool, str]:
    champion, candidate = ctx.champion, ctx.candidate
    if champion is None:
        return True, "there is no champion yet, whose spec a retraining repeats"
    if candidate is not None:
        return True, f"{candidate.name} ({candidate.status.stage}) is in progress; abort it first"
    obstacle = retraining.obstacle(ctx, champion)
    if obstacle is not None:
        return True, f"no retraining{obstacle.removeprefix('none')}"
    return retrain_proposal.accept(ctx, out, champion, token)
