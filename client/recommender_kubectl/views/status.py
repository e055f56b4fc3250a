"""`status`: where a model is, and who answers its requests."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator, Sequence

from recommender_kubectl import progress, text
from recommender_kubectl.experiment_objects import Experiment
from recommender_kubectl.objects import Condition, Model, Outcome, Version
from recommender_kubectl.progress import Progress
from recommender_kubectl.text import Style
from recommender_kubectl.views import comparisons

#: Conditions of which True needs somebody's attention.
_ALARMS = ("Drifted", "RetrainProposed", "Locked", "Stalled")
#: Conditions of which neither status is good or bad.
_NEUTRAL = ("Progressing", "Reconciling")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arm:
    """A version that receives requests, or will."""

    version: str
    #: Percent of the requests or users; None if it is not in the split.
    weight: int | None
    #: What `weight` is a share of: requests, or users in an experiment.
    split: str
    stage: str
    promoted_at: datetime.datetime | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelStatus:
    """The facts of one model."""

    namespace: str
    name: str
    stage: str
    champion: Arm | None
    candidate: Arm | None
    #: Fresh deployment of the champion beside the candidate, and its part of championWeight.
    fresh_champion: str | None
    fresh_champion_weight: int | None
    holdout: str
    previous: str | None
    progress: Progress | None
    #: Of the step; `experiment` has one of its own, which decides while it runs.
    verdict: str | None
    experiment: Experiment | None
    last_outcome: Outcome | None
    url: str | None
    #: The requested split is not applied since then: weights may differ from what is served.
    route_pending_since: datetime.datetime | None
    #: False while the operator has not acted on the current spec.
    observed: bool
    paused: bool
    pin: str | None
    conditions: tuple[Condition, ...]


def of_model(model: Model, versions: Sequence[Version], now: datetime.datetime) -> ModelStatus:
    """Return the status of a model with its versions."""
    named = {version.name: version for version in versions}
    candidate = named.get(model.candidate or "")
    split = candidate.split(model.candidate_weight) if candidate else "requests"
    others = [version for version in versions if version is not candidate]
    return ModelStatus(
        namespace=model.namespace,
        name=model.name,
        stage=model.stage,
        champion=_arm(model.champion, model.champion_weight, split, named),
        candidate=_arm(model.candidate, model.candidate_weight, split, named),
        fresh_champion=model.fresh_champion,
        fresh_champion_weight=model.fresh_champion_weight,
        holdout=model.holdout,
        previous=model.previous,
        progress=progress.of_version(model, candidate, others, now) if candidate else None,
        verdict=model.verdict,
        experiment=_running(candidate),
        last_outcome=model.last_outcome,
        url=model.url,
        route_pending_since=model.route_pending_since,
        observed=model.observed_generation >= model.generation,
        paused=model.paused,
        pin=model.rollback_to,
        conditions=model.conditions,
    )


def render(seen: ModelStatus, style: Style, now: datetime.datetime) -> list[str]:
    """Return the status as text."""
    pending, outcome = seen.route_pending_since, seen.last_outcome
    title = f"{style.paint(seen.name, text.BOLD)} in {seen.namespace}: {style.word(seen.stage)}"
    lines = [title, ""]
    lines += text.facts(
        [
            ("Champion", _champion(seen.champion, now)),
            ("Candidate", _candidate(seen.candidate, style)),
            ("Fresh champion", _fresh(seen)),
            ("Previous", f"{seen.previous}, kept warm" if seen.previous else ""),
            ("Progress", progress_line(seen.progress) if seen.progress else ""),
            *_verdicts(seen, style, now),
            ("Last outcome", f"{outcome.version} {outcome.summary}" if outcome else ""),
            ("Holdout", seen.holdout),
            ("Host", seen.url or ""),
            ("Paused", "spec.paused: nothing starts; `resume` ends it" if seen.paused else ""),
            ("Pin", f"spec.rollbackTo: {seen.pin}; nothing newer rolls out" if seen.pin else ""),
            ("Route", _route(pending, now)),
            ("Spec", "" if seen.observed else "the operator has not acted on the last change"),
        ],
        style,
    )
    if seen.conditions:
        lines += ["", *text.facts([_condition(one, style) for one in seen.conditions], style)]
    return lines


def progress_line(seen: Progress) -> str:
    """Return the progress of a rollout in one line."""
    parts = [text.bar(seen.share)]
    if seen.steps:
        parts.append(f"step {seen.step} of {seen.steps}")
    if seen.seconds_left is not None:
        parts.append(f"about {text.duration(seen.seconds_left)} left")
    line = parts[0] + " " + ", ".join(parts[1:])
    return line.rstrip() + (f" ({seen.note})" if seen.note else "")


def render_all(seen: Sequence[ModelStatus], style: Style, *, namespaces: bool) -> list[str]:
    """Return a table of models."""
    header = ["NAME", "STAGE", "CHAMPION", "WEIGHT", "CANDIDATE", "WEIGHT", "LEFT", "LAST OUTCOME"]
    rows = []
    for one in seen:
        left = one.progress.seconds_left if one.progress else None
        row = [
            one.name,
            style.word(one.stage),
            *_cells(one.champion),
            *_cells(one.candidate),
            text.duration(left) if left is not None else text.NOTHING,
            one.last_outcome.summary if one.last_outcome else text.NOTHING,
        ]
        rows.append([one.namespace, *row] if namespaces else row)
    return text.table(["NAMESPACE", *header] if namespaces else header, rows, style)


def _arm(
    name: str | None, weight: int | None, split: str, named: dict[str, Version]
) -> Arm | None:
    if name is None:
        return None
    version = named.get(name)
    return Arm(
        version=name,
        weight=weight,
        split=split,
        stage=version.stage if version else "",
        promoted_at=version.promoted_at if version else None,
    )


def _champion(arm: Arm | None, now: datetime.datetime) -> str:
    if arm is None:
        return "none: no version serves yet"
    since = f"promoted {text.ago(arm.promoted_at, now)}" if arm.promoted_at else ""
    return ", ".join(filter(None, (arm.version, _share(arm), since)))


def _candidate(arm: Arm | None, style: Style) -> str:
    if arm is None:
        return ""
    return ", ".join(filter(None, (arm.version, _share(arm), style.word(arm.stage))))


def _running(candidate: Version | None) -> Experiment | None:
    """Return the experiment of a candidate whose users are still measured."""
    seen = candidate.experiment if candidate is not None else None
    return None if seen is None or seen.over else seen


def _verdicts(
    seen: ModelStatus, style: Style, now: datetime.datetime
) -> Iterator[tuple[str, str]]:
    """Yield the basis of a decision: users while an experiment runs, else the step alone."""
    step = style.word(seen.verdict or "") if seen.candidate else ""
    if seen.experiment is None:
        yield "Verdict", step
        return
    yield "Verdict", _of_experiment(seen.experiment, style, now)
    for one in seen.experiment.metrics:
        yield "", comparisons.line(one)
    yield "Step", step


def _of_experiment(seen: Experiment, style: Style, now: datetime.datetime) -> str:
    planned = f" of {seen.planned_users} planned" if seen.planned_users is not None else ""
    left = seen.seconds_left(now)
    parts = [
        f"{style.word(seen.verdict or 'Starting')} by the experiment",
        f"{seen.users}{planned} users",
        "" if left is None else f"about {text.duration(left)} left",
    ]
    return ", ".join(filter(None, parts))


def _fresh(seen: ModelStatus) -> str:
    if seen.fresh_champion is None:
        return ""
    if not seen.fresh_champion_weight:
        return f"{seen.fresh_champion}, gets no requests now"
    part = seen.fresh_champion_weight
    return f"{seen.fresh_champion}, {part} % of the requests, a part of the champion's"


def _share(arm: Arm) -> str:
    return "" if arm.weight is None else f"{arm.weight} % of the {arm.split}"


def _cells(arm: Arm | None) -> tuple[str, str]:
    if arm is None:
        return text.NOTHING, text.NOTHING
    return arm.version, text.NOTHING if arm.weight is None else f"{arm.weight} %"


def _route(pending: datetime.datetime | None, now: datetime.datetime) -> str:
    if pending is None:
        return ""
    waits = text.duration((now - pending).total_seconds())
    return f"the Gateway has not applied these weights for {waits}"


def _condition(one: Condition, style: Style) -> tuple[str, str]:
    good = "False" if one.type in _ALARMS else "True"
    tone = text.DIM if one.type in _NEUTRAL or one.status == "Unknown" else text.GOOD
    if one.status not in (good, "Unknown") and one.type not in _NEUTRAL:
        tone = text.BAD
    said = f"{one.reason}: {one.message}" if one.message else one.reason
    return one.type, f"{style.paint(one.status.ljust(7), tone)}   {said}"
