"""`experiment`: what users did with the candidate and with the champion, and what follows."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence

from recommender_kubectl import text
from recommender_kubectl.experiment_objects import Experiment, Interleaving
from recommender_kubectl.objects import Model, Version
from recommender_kubectl.text import Style
from recommender_kubectl.views import comparisons
from recommender_kubectl.views.why import NoVersionError

_NEXT = {
    "": "its users are read once the route assigns them",
    "Promote": "the remaining steps follow",
    "RollBack": "the candidate is rolled back",
    "Futile": "the candidate is rolled back",
    "Blocked": "no verdict counts: users were not assigned as planned; find out why, then "
    "`kubectl recommender abort {model}` and `kubectl recommender unlock {model}` start again",
    "Error": "nothing is promoted; the message says what to repair",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shown:
    """An experiment, of a version that may have ended."""

    model: str
    version: str
    stage: str
    experiment: Experiment | None
    #: The mixed lists before its first step.
    interleaving: Interleaving | None
    #: What happens next, or what to do; empty if the version has ended.
    next: str


def of_version(model: Model, versions: Sequence[Version], name: str | None) -> Shown:
    """Return the experiment of the named version, or of the last one that had one.

    Raises:
        NoVersionError: there is none.
    """
    had = [one for one in versions if one.experiment or one.interleaving]
    newest = sorted(had, key=lambda one: (one.name == model.candidate, _begun(one)))
    found = [one for one in newest if name in (None, one.name)][-1:]
    if not found:
        whose = f"version {name!r}" if name else "a version"
        what = f"{model.name} has no experiment of {whose}"
        raise NoVersionError(f"{what}; spec.rollout.experiment starts one with the next rollout")
    version, seen = found[0], found[0].experiment
    return Shown(
        model=model.name,
        version=version.name,
        stage=version.stage,
        experiment=seen,
        interleaving=version.interleaving,
        next=_next(model, seen) if seen is not None and version.name == model.candidate else "",
    )


def render(seen: Shown, style: Style, now: datetime.datetime) -> list[str]:
    """Return an experiment as text."""
    one, mixed = seen.experiment, seen.interleaving
    title = f"{style.paint(seen.version, text.BOLD)}: {style.word(seen.stage)}"
    before = ["", *comparisons.mixed(mixed, style)] if mixed is not None else []
    if one is None:
        return [title, *before]
    lines = [f"{title}, experiment {one.id}: {style.word(one.verdict or 'Starting')}", *before]
    if one.message:
        lines += ["", *text.wrapped(one.message, 0, style)]
    lines += ["", *text.facts(facts(one, now), style)]
    if one.metrics:
        lines += ["", *comparisons.table(one, style)]
    if any(arm.metrics for arm in one.arms):
        lines += ["", *comparisons.arms(one, style)]
    if one.segments:
        lines += ["", *comparisons.segments(one, style)]
    if seen.next:
        lines += ["", *text.wrapped(f"Next: {seen.next}", 6, style)]
    return lines


def facts(seen: Experiment, now: datetime.datetime) -> list[tuple[str, str]]:
    """Return users, phases and plan of an experiment, each with its name."""
    planned = f" of {seen.planned_users} planned" if seen.planned_users is not None else ""
    phases = ", ".join(
        f"{phase.weight} % since {text.ago(phase.since, now)}"
        if phase.until is None
        else f"{phase.weight} %"
        for phase in seen.phases
    )
    counted = seen.counted_until
    ratio = "" if seen.sample_ratio_p is None else f"p = {text.number(seen.sample_ratio_p)}"
    return [
        ("Users", f"{seen.users}{planned}"),
        ("Time left", _left(seen, now)),
        ("Events", f"counted up to {text.ago(counted, now)}" if counted else ""),
        ("Of both versions", str(seen.mixed) if seen.mixed else ""),
        ("Disagreements", str(seen.disagreed) if seen.disagreed else ""),
        ("Sample ratio", ratio),
        ("Phases", phases),
        ("Plan", f"{seen.goal}, {seen.weight} % of the users for {_days(seen)}, {seen.mode}"),
        ("Slow", "" if seen.slower_than is None else f"above {seen.slower_than} ms"),
        ("Item group", seen.item_group),
        *(
            (
                "Further version",
                f"{arm.version}: {comparisons.result(seen, arm)}{_why(arm.withdrawn)}",
            )
            for arm in seen.arms
        ),
        *(("Novelty", one.message) for one in seen.novelty),
        *(("Segments", message) for message in seen.interactions),
        ("Weekdays", seen.seasonality),
    ]


def _left(seen: Experiment, now: datetime.datetime) -> str:
    left = None if seen.over else seen.seconds_left(now)
    return "" if left is None else f"about {text.duration(left)}, at the rate so far"


def _days(seen: Experiment) -> str:
    return f"{seen.min_days:g} to {seen.max_days:g} days"


def _why(reason: str) -> str:
    return f", {reason}" if reason else ""


def _next(model: Model, seen: Experiment) -> str:
    better = _better(seen)
    if better is None or seen.verdict == "Promote":
        return _of_candidate(model, seen)
    verb = f"`kubectl recommender rollback {model.name} --to {better}`"
    return f"{_of_candidate(model, seen)}; {verb} serves the version that passed"


def _better(seen: Experiment) -> str | None:
    """Return the further version to serve: rather one that is ahead of the candidate too."""
    left = {arm.result: arm.version for arm in reversed(seen.arms) if not arm.withdrawn}
    return left.get("Ahead") or left.get("Passed")


def _of_candidate(model: Model, seen: Experiment) -> str:
    choice = "`kubectl recommender {} " + model.name + "`"
    person = f"{choice.format('promote')} or {choice.format('abort')} decides"
    if seen.mode == "Observe":
        return f"rollout.experiment.mode is Observe: {person}"
    if seen.verdict == "Inconclusive":
        return "rollout.analysis.onDeadline applies; " + person
    waits = (
        f"it decides once the planned users were measured, within {_days(seen)}; then "
        "rollout.analysis.onDeadline applies"
    )
    return _NEXT.get(seen.verdict, waits).format(model=model.name)


def _begun(version: Version) -> float:
    phases = version.experiment.phases if version.experiment is not None else ()
    mixed = version.interleaving
    first = phases[0].since if phases else mixed.started_at if mixed is not None else None
    return first.timestamp() if first is not None else 0.0
