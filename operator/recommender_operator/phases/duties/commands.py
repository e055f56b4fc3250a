"""Requests by annotation: abort, retry and promote. Each token is handled once, with a result.

rollback-to has a module of its own. Abort is obeyed while paused, for it only moves requests
back; promote and retry move forward and are refused then.
"""

from __future__ import annotations

from recommender_operator.api.conditions import ConditionType, Reason
from recommender_operator.api.version import VersionStage
from recommender_operator.phases.turn import Turn
from recommender_operator.phases.view import fresh_rollout

#: Why nothing that moves forward is done, with the remedy.
PAUSED = "the model is paused; unset spec.paused, then annotate a new token"
_RETRYABLE = (VersionStage.FAILED, VersionStage.REJECTED, VersionStage.ROLLED_BACK)


def step(turn: Turn) -> None:
    """Handle what was asked since the last look."""
    for action, handle in (("abort", _abort), ("retry", _retry), ("promote", _promote)):
        token = turn.pending(action)
        if token is None:
            continue
        refusal, result = handle(turn, token)
        answer(turn, action, token, result, refused=refusal)


def answer(turn: Turn, action: str, token: str, result: str, *, refused: bool) -> None:
    """Say what became of a request, in the condition and an event, and never handle it again."""
    text = f"{action} {token!r}: {result}"
    if refused:
        turn.condition(ConditionType.REQUESTS_HONORED, "False", Reason.REFUSED, text)
        turn.warn(Reason.REFUSED, text)
    else:
        turn.condition(ConditionType.REQUESTS_HONORED, "True", Reason.DONE, text)
        turn.say(Reason.DONE, text)
    turn.handled(action, token, f"Refused: {result}" if refused else result)


def _abort(turn: Turn, token: str) -> tuple[bool, str]:
    candidate = turn.candidate
    if candidate is None:
        return True, "no version is on its way"
    message = f"aborted by annotation {token!r}; it stays so until recommender.dev/retry"
    turn.end(candidate.name, VersionStage.ROLLED_BACK, Reason.ABORTED, message, automatic=False)
    return False, f"{candidate.name} was rolled back"


def _retry(turn: Turn, token: str) -> tuple[bool, str]:
    if turn.spec.paused:
        return True, PAUSED
    done = []
    if turn.status.locked:
        turn.set_status(
            locked=False,
            consecutive_rollbacks=0,
            rollbacks_counted_through=turn.next_number() - 1,
        )
        message = f"unlocked by annotation retry {token!r}"
        turn.condition(ConditionType.LOCKED, "False", Reason.UNLOCKED, message)
        done.append("unlocked")
    version = turn.versions.get(turn.asked)
    if version is not None and version.status.stage in _RETRYABLE and not turn.held:
        _put_stand_in_aside(turn, version.name)
        attempt = version.status.attempt + 1
        turn.change(version.name, **fresh_rollout(version.status), attempt=attempt)
        turn.change(version.name, stage_since=turn.time)
        done.append(f"{version.name} starts again (attempt {attempt})")
    if done:
        return False, " and ".join(done)
    return True, "the version that the spec asks for has not failed, and nothing is locked"


def _put_stand_in_aside(turn: Turn, asked: str) -> None:
    """The baseline that is on its way in place of a version gives way when that is retried."""
    for version in turn.unfinished:
        message = f"{asked} is tried again (recommender.dev/retry)"
        turn.end(version.name, VersionStage.SUPERSEDED, Reason.SUPERSEDED, message)


def _promote(turn: Turn, token: str) -> tuple[bool, str]:
    if turn.spec.paused:
        return True, PAUSED
    candidate = turn.candidate
    if candidate is None:
        return True, "no version is on its way"
    status = candidate.status
    gates_held = bool(status.gates) and all(gate.passed for gate in status.gates)
    smoke_held = status.smoke is not None and status.smoke.passed
    if status.stage is not VersionStage.CANARY or not gates_held or not smoke_held:
        return True, f"{candidate.name} ({status.stage}) has not passed gates and smoke test yet"
    turn.change(candidate.name, approved_at=turn.now)
    return False, f"{candidate.name} takes all requests without the remaining steps ({token!r})"
