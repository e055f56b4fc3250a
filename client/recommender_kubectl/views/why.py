"""`why`: the numbers of a decision, or of the analysis that will lead to one, and what follows."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence

from recommender_kubectl import text
from recommender_kubectl.experiment_objects import Experiment, Interleaving
from recommender_kubectl.objects import Decision, Gate, Model, Step, Version
from recommender_kubectl.text import Style
from recommender_kubectl.views import comparisons

_MIXED = (
    "some users get lists that mix its items with the champion's; if their clicks clearly prefer "
    "the champion it is rolled back at once, else its first step follows"
)
_UNMIXED = (
    "no list is mixed while {}; if that lasts for 15 minutes the phase ends, and its first step "
    "follows"
)
_MANUAL = "rollout.promotion is Manual"


class NoVersionError(Exception):
    """There is no version to explain."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Explanation:
    """The facts on the decision on a version."""

    model: str
    version: str
    stage: str
    decision: Decision | None
    gates: tuple[Gate, ...]
    smoke_passed: bool | None
    smoke_message: str
    steps: tuple[Step, ...]
    experiment: Experiment | None
    interleaving: Interleaving | None
    failure: str
    #: What happens next, or what to do.
    next: str


def of_version(model: Model, versions: Sequence[Version], name: str | None) -> Explanation:
    """Explain a version: the named one, the candidate, or the last one with a decision.

    Raises:
        NoVersionError: there is none, or none of that name.
    """
    last = model.last_outcome.version if model.last_outcome else None
    wanted = name or model.candidate or last or model.champion
    version = next((one for one in versions if one.name == wanted), None)
    if version is None:
        known = ", ".join(sorted(one.name for one in versions)) or "none"
        what = f"there is no version {wanted!r}" if wanted else "no version has started"
        raise NoVersionError(f"{model.name}: {what}; versions: {known}")
    return Explanation(
        model=model.name,
        version=version.name,
        stage=version.stage,
        decision=version.decision,
        gates=version.gates,
        smoke_passed=version.smoke_passed,
        smoke_message=version.smoke_message,
        steps=version.steps,
        experiment=version.experiment,
        interleaving=version.interleaving,
        failure=version.failure,
        next=_next(model, version),
    )


def render(
    seen: Explanation, style: Style, now: datetime.datetime, *, all_steps: bool = False
) -> list[str]:
    """Return an explanation as text; of the steps the last one, or all."""
    lines = [f"{style.paint(seen.version, text.BOLD)}: {style.word(seen.stage)}"]
    if seen.decision is not None:
        decided = seen.decision
        lines += ["", *text.wrapped(f"{decided.reason}: {decided.message}", 0, style)]
        lines += [style.paint(f"decided {text.ago(decided.at, now)}", text.DIM)]
    elif seen.failure:
        lines += ["", *text.wrapped(seen.failure, 0, style)]
    if seen.gates:
        lines += ["", style.paint("Offline gates", text.BOLD), *_gates(seen.gates, style)]
    if seen.smoke_passed is not None:
        verdict = style.word("Pass" if seen.smoke_passed else "Fail")
        said = f": {seen.smoke_message}" if seen.smoke_message else ""
        lines += ["", *text.wrapped(f"Smoke inference {verdict}{said}", 0, style)]
    if seen.interleaving is not None:
        lines += ["", *comparisons.mixed(seen.interleaving, style)]
    for step in seen.steps if all_steps else seen.steps[-1:]:
        lines += ["", *_step(step, style, now)]
    if seen.experiment is not None:
        lines += ["", *_experiment(seen.experiment, style)]
    lines += ["", *text.wrapped(f"Next: {seen.next}", 6, style)]
    return lines


def _experiment(seen: Experiment, style: Style) -> list[str]:
    title = f"{style.paint('Experiment', text.BOLD)} {seen.id}: "
    said = f" {seen.message}" if seen.message else ""
    lines = text.wrapped(title + style.word(seen.verdict or "Starting") + said, 0, style)
    return [*lines, *(comparisons.table(seen, style) if seen.metrics else [])]


def _gates(gates: Sequence[Gate], style: Style) -> list[str]:
    rows = [
        (
            gate.name,
            text.number(gate.value),
            text.interval(gate.low, gate.high),
            gate.threshold,
            style.word("Pass" if gate.passed else "Fail"),
            gate.message,
        )
        for gate in gates
    ]
    header = ["METRIC", "VALUE", "INTERVAL", "LIMIT", "VERDICT", "MESSAGE"]
    return text.table(header, rows, style)


def _step(step: Step, style: Style, now: datetime.datetime) -> list[str]:
    lasted = text.duration(((step.ended_at or now) - step.started_at).total_seconds())
    how = f"lasted {lasted}" if step.ended_at else f"for {lasted}"
    title = f"{style.paint(step.title, text.BOLD)} {how}: "
    rows = [
        (
            one.name,
            text.number(one.value),
            text.interval(one.low, one.high),
            text.number(one.stable),
            one.threshold,
            str(one.samples),
            style.word(one.verdict),
            one.message,
        )
        for one in step.metrics
    ]
    header = [
        "METRIC",
        "CANDIDATE",
        "INTERVAL",
        "STABLE",
        "LIMIT",
        "SAMPLES",
        "VERDICT",
        "MESSAGE",
    ]
    return [title + style.word(step.verdict), *(text.table(header, rows, style) if rows else [])]


def _next(model: Model, version: Version) -> str:
    """Return the next event of a version, or the actions that a person can take."""
    verb = f"`kubectl recommender {{}} {model.name}`"
    if version.name == model.candidate:
        return _of_candidate(model, version, verb)
    if version.name == model.champion:
        return f"it serves; {verb.format('rollback')} brings the version before it back"
    serves = f"{model.champion} serves" if model.champion else "no version serves"
    if version.stage == "Superseded":
        return f"{serves}; the spec describes another version"
    if version.stage == "Promoted":
        return f"{serves}; `kubectl recommender rollback {model.name} --to {version.name}` swaps"
    unlock = verb.format("unlock")
    if model.locked:
        times = model.consecutive_rollbacks
        return (
            f"{serves}, and nothing starts after {times} automatic rollbacks in a row: find the "
            f"cause, then {unlock}"
        )
    return f"{serves}; change the spec, or {unlock} tries the version of the spec again"


def _of_mixed(model: Model, candidate: str, mixed: Interleaving) -> str:
    if model.standby_answers:
        return "no list is mixed while a standby answers in place of the champion"
    if mixed.unmixed_since is not None:
        return _UNMIXED.format(f"{candidate} is not ready with the settings of this release")
    return _MIXED


def _of_analysis(model: Model, version: Version, choice: str) -> str:
    """Return why a candidate waits for a person; empty if it does not."""
    analysis = model.condition("AnalysisPassed")
    if analysis and analysis.reason == "AwaitingPromotion":
        return f"all steps passed, and {_MANUAL}: {choice}"
    if analysis and analysis.reason == "PromotionBlockedByDrift":
        return f"the sessions drifted after its training: {choice}"
    if analysis and analysis.reason == "HeldAtDeadline" and version.experiment is not None:
        return f"the step keeps its weight, and users did not decide in time: {choice}"
    if analysis and analysis.reason == "HeldAtDeadline":
        return f"the step keeps its weight, with too few requests to decide: {choice}"
    return ""


def _of_candidate(model: Model, version: Version, verb: str) -> str:
    choice = f"{verb.format('promote')} or {verb.format('abort')} decides"
    if model.paused:
        return f"nothing starts while paused: {verb.format('resume')}"
    if waits := _of_analysis(model, version, choice):
        return waits
    step, rollout = version.step, model.rollout
    if version.mixed is not None:
        return _of_mixed(model, version.name, version.mixed)
    if version.awaits_mixed:
        return (
            "mixed lists begin once the route reports them, and champion and candidate are ready; "
            "without them its first step follows after 15 minutes"
        )
    if step is None:
        return f"it is {version.stage}; `kubectl recommender watch {model.name}` follows it"
    if step.is_shadow:
        return (
            "it answers copies of users' requests, and nobody sees its answers; after the shadow "
            "phase its first step follows; a broken limit rolls it back at once"
        )
    users = version.experiment
    if users is not None and step.weight == users.weight:
        days = f"{users.min_days:g} to {users.max_days:g} days"
        return (
            f"the step holds until the experiment decides, within {days} "
            f"({verb.format('experiment')}); a broken limit rolls it back at once"
        )
    end = {
        "RollBack": "it is rolled back",
        "Hold": "it keeps its weight and waits for a person",
    }.get(rollout.on_deadline, rollout.on_deadline)
    return (
        f"the step passes after {text.duration(rollout.step_seconds)} with at least "
        f"{rollout.min_requests} requests and every limit held; a broken limit rolls it back at "
        f"once; after {text.duration(rollout.deadline_seconds)} without a verdict {end}"
    )
