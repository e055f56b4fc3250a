"""The rollout of a candidate: its weights step by step, and a verdict at each look.

A step starts when the data plane reports its weight, and passes with the verdict Pass after
`stepSeconds`. Fail rolls the candidate back in the same decision, even while paused: a pause stops
progress, not the protection of users. After Inconclusive and Error, `onDeadline` decides.
"""

from __future__ import annotations

import datetime

from recommender_operator.analysis.step_verdict import StepVerdict, Verdict
from recommender_operator.api.conditions import ConditionType, Reason, find
from recommender_operator.api.spec import ConditionStatus, OnDeadline, PromotionGate
from recommender_operator.api.version import StepRecord, VersionStage
from recommender_operator.context import drift_causes, routing
from recommender_operator.context.reconcile_context import Turn
from recommender_operator.observed import VersionObject
from recommender_operator.rollout import (
    baseline_deployment,
    counter_windows,
    experiment,
    extra_arms,
    input_breakage,
    interleaving,
    readiness,
    shadow,
    step_window,
    steps,
)
from recommender_operator.rollout.experiment import Look

_ROUTE = datetime.timedelta(seconds=1)
_UNROUTED = datetime.timedelta(seconds=30)


def step(turn: Turn) -> None:
    """Canary: evaluate the candidate, and change its weight."""
    version = turn.candidate
    if version is None:
        return
    frozen = turn.spec.paused or turn.held
    interleaving.check(turn, version, frozen=frozen)
    if not readiness.holds(turn, turn.versions[version.name]):
        return
    if turn.hosting.host is None:
        # No requests are routed (context/host_check.py), so there is nothing to evaluate.
        turn.requeue(_UNROUTED)
        return
    waits = frozen or turn.standby is not None
    if baseline_deployment.step(turn, version, frozen=waits):
        return
    if extra_arms.step(turn, version, frozen=waits):
        return
    version = turn.versions[version.name]
    if turn.champion is None or version.status.approved_at is not None:
        if not frozen:
            _take_all(turn, version)
        return
    # A candidate must be better than the champion, which receives no requests now; it may fail.
    held = turn.standby is not None
    record = steps.current(version.status)
    if record is not None and record.is_shadow:
        if shadow.look(turn, version, record, frozen=frozen or held):
            _first(turn, turn.versions[version.name])
    elif record is not None:
        _look(turn, version, record, frozen=frozen or held)
    elif interleaving.runs(version):
        if interleaving.look(turn, version, frozen=frozen or held):
            _next(turn, turn.versions[version.name])
    elif frozen or (held and version.status.weight == 0):
        return
    elif not shadow.begin(turn, version):
        _first(turn, version)


def _first(turn: Turn, version: VersionObject) -> None:
    """Begin what comes after the shadow phase: mixed lists, or the next step."""
    if not interleaving.begin(turn, version):
        _next(turn, turn.versions[version.name])


def _take_all(turn: Turn, version: VersionObject) -> None:
    """Promote the first version, or an approved one, once the route reports weight 100."""
    if version.status.weight != 100:
        turn.change(version.name, weight=100)
    if not turn.route_agrees:
        turn.requeue(_ROUTE)
    elif turn.champion is None:
        _promote(turn, version, Reason.INITIAL_ROLLOUT, "the first version receives all requests")
    else:
        message = "a person skipped the remaining steps after gates and smoke inference"
        _promote(turn, version, Reason.PROMOTED_BY_HAND, message, automatic=False)


def _next(turn: Turn, version: VersionObject) -> None:
    """Set the next weight, or start its step once the data plane reports it."""
    weight = steps.next_weight(turn, version.status)
    if weight is None:
        _promote_if_allowed(turn, version, "all steps passed")
        return
    if extra_arms.delay(turn, version) or baseline_deployment.delays(turn, version, weight):
        return
    if version.status.weight != weight:
        turn.change(version.name, weight=weight)
        what = routing.split(version.status.experiment, weight)
        message = f"{version.name} receives {weight} % of the {what}"
        turn.info(Reason.ROLLING_OUT, message, version=version.name)
        turn.requeue(_ROUTE)
    elif turn.route_agrees:
        steps.begin(turn, version.name, weight)
        step_window.start(turn, turn.versions[version.name])
        turn.due(turn.time, _least(turn), steps.interval(turn))
        turn.requeue(steps.interval(turn))
    else:
        turn.requeue(_ROUTE)


def _look(turn: Turn, version: VersionObject, record: StepRecord, *, frozen: bool) -> None:
    turn.requeue(steps.interval(turn))
    seen = step_window.evaluate(turn, version, record)
    is_recorded = step_window.note(turn, version, record, seen)
    users = experiment.look(turn, version, record)
    loss = _loss(turn, version, record, seen, users, frozen=frozen)
    if loss is not None:
        steps.roll_back(turn, version, loss[0], f"at {record.weight} %: {loss[1]}")
        return
    suspected = input_breakage.suspicion(turn)
    if is_recorded:
        _report(turn, record, seen, suspected, users)
    if frozen:
        return
    if users is not None and users.withdrew:
        # The route is written first, so it must not give the candidate more in this look.
        turn.requeue(_ROUTE)
        return
    baseline = turn.observed.baselines.get(counter_windows.step_key(version))
    since = baseline.taken_at if baseline is not None else turn.time
    watched = turn.due(since, _least(turn), steps.interval(turn))
    if seen.verdict is Verdict.PASS and suspected is None and (users is None or users.passes):
        if watched:
            _pass(turn, version, record, seen, users)
    else:
        _check_deadline(turn, version, record, seen, users)


def _loss(
    turn: Turn,
    version: VersionObject,
    record: StepRecord,
    seen: StepVerdict,
    users: Look | None,
    *,
    frozen: bool,
) -> tuple[Reason, str] | None:
    """Return why the candidate is rolled back; None if it is not."""
    if seen.verdict is Verdict.FAIL:
        return Reason.ANALYSIS_FAILED, seen.message
    broken = input_breakage.watch_candidate(turn, version) if record.weight < 100 else None
    if broken is not None:
        return Reason.CANDIDATE_BROKEN, broken
    if users is not None and users.rolls_back is not None and (users.at_once or not frozen):
        return users.rolls_back, users.message
    return None


def _pass(
    turn: Turn, version: VersionObject, record: StepRecord, seen: StepVerdict, users: Look | None
) -> None:
    numbers = seen.message if users is None else f"{seen.message}; {users.message}"
    if steps.is_last(turn, version.status, record.weight):
        if record.weight >= 100 and not turn.route_agrees:
            turn.requeue(_ROUTE)
            return
        _promote_if_allowed(turn, version, numbers)
        return
    steps.close(turn, version.name, str(Verdict.PASS))
    message = f"{version.name} passed {record.weight} %: {numbers}"
    turn.info(Reason.PASSED, message, version=version.name)
    _next(turn, turn.versions[version.name])


def _promote_if_allowed(turn: Turn, version: VersionObject, numbers: str) -> None:
    drifted = find(turn.status.conditions, ConditionType.DRIFTED)
    if drifted is not None and drifted.status == "True" and drift_causes.blocks(turn, version):
        message = (
            f"{version.name} passed its steps, but its data is older than a drift: "
            f"{drifted.message}. To decide at once, annotate recommender.dev/promote or "
            "recommender.dev/abort with a new token"
        )
        _hold(turn, "True", Reason.PROMOTION_BLOCKED_BY_DRIFT, message)
        return
    if turn.spec.rollout.promotion is PromotionGate.MANUAL:
        message = (
            f"{version.name} passed its steps: {numbers}. rollout.promotion is Manual: annotate "
            "recommender.dev/promote or recommender.dev/abort with a new token"
        )
        _hold(turn, "True", Reason.AWAITING_PROMOTION, message)
        return
    _promote(turn, version, Reason.STEPS_PASSED, numbers)


def _promote(
    turn: Turn, version: VersionObject, reason: Reason, message: str, *, automatic: bool = True
) -> None:
    steps.close(turn, version.name, steps.verdict_of(turn.versions[version.name].status))
    former = turn.champion
    turn.change(version.name, replaced=former.name if former else None)
    turn.end(version.name, VersionStage.PROMOTED, reason, message, automatic=automatic)


def _check_deadline(
    turn: Turn, version: VersionObject, record: StepRecord, seen: StepVerdict, users: Look | None
) -> None:
    limit = datetime.timedelta(seconds=turn.spec.analysis.deadline_seconds)
    won_at = users.won_at if users is not None else None
    # A step that passed may have waited for a person for days: one bad look must not end it.
    noted = steps.current(turn.versions[version.name].status) or record
    passed = noted.passed_until or record.started_at
    if users is not None and won_at is not None:
        if not turn.due(max(won_at, passed), limit, steps.interval(turn)):
            return
        message = (
            f"the users decided at {record.weight} %, but the analysis did not pass within "
            f"{limit.total_seconds():.0f} s after that: {seen.message}; {users.message}"
        )
    elif users is not None and users.measures:
        if not users.overdue:
            return
        message = f"no verdict at {record.weight} %: {users.message}; {seen.message}"
    elif turn.due(passed, limit, steps.interval(turn)):
        message = f"no verdict within {limit.total_seconds():.0f} s at {record.weight} %: "
        message += seen.message if users is None else f"{seen.message}; {users.message}"
    else:
        return
    match turn.spec.analysis.on_deadline:
        case OnDeadline.ROLL_BACK:
            steps.roll_back(turn, version, Reason.INCONCLUSIVE_AT_DEADLINE, message)
        case OnDeadline.HOLD:
            measured = users is None or won_at is not None
            more = "Send more requests" if measured else "Change spec.experiment and retry"
            remedy = (
                f". {more}, or annotate recommender.dev/promote or recommender.dev/abort with a "
                "new token"
            )
            _hold(turn, "Unknown", Reason.HELD_AT_DEADLINE, message + remedy)


def _hold(turn: Turn, status: ConditionStatus, reason: Reason, message: str) -> None:
    if turn.condition(ConditionType.ANALYSIS_PASSED, status, reason, message):
        turn.warn(reason, message)


def _report(
    turn: Turn, record: StepRecord, seen: StepVerdict, suspected: str | None, users: Look | None
) -> None:
    message = f"at {record.weight} %: {seen.message}"
    if suspected is not None:
        message += f"; the step cannot pass: {suspected}"
    reason = step_window.REASONS[seen.verdict]
    if users is not None:
        message += f"; {users.message}"
        if seen.verdict is Verdict.PASS and not users.passes:
            reason = users.reason
    turn.condition(ConditionType.ANALYSIS_PASSED, "Unknown", reason, message)


def _least(turn: Turn) -> datetime.timedelta:
    return datetime.timedelta(seconds=turn.spec.analysis.step_seconds)
