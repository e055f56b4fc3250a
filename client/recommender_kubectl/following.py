"""What `watch` makes of one look at a model: a line, and whether the rollout has ended."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence

from recommender_kubectl import progress
from recommender_kubectl.objects import Model, Version
from recommender_kubectl.views.status import progress_line


@dataclasses.dataclass(frozen=True, kw_only=True)
class Glance:
    """One look."""

    #: Version that is followed; None before there is one.
    followed: str | None
    line: str
    #: Exit code if the rollout has ended; None while it goes on.
    end: int | None
    #: Share of the steps that is done, from 0 to 1.
    share: float
    seconds_left: float | None
    #: What a log should show: version, stage, weight and verdict of the step.
    milestone: tuple[object, ...]


def look(
    model: Model, versions: Sequence[Version], followed: str | None, now: datetime.datetime
) -> Glance:
    """Follow the candidate; after one that was superseded, the next one."""
    named = {version.name: version for version in versions}
    before = named.get(followed or "")
    if before is not None and before.decision is not None and before.stage != "Superseded":
        return _ended(model, before)
    if followed is not None and before is None:
        return _glance(followed, f"{followed} was deleted", end=1)
    candidate = named.get(model.candidate or "")
    if candidate is not None:
        return _on_its_way(model, candidate, versions, now)
    if model.observed_generation < model.generation:
        return _glance(None, f"{model.name}: the operator has not acted on the spec yet")
    return _settled(model)


def _on_its_way(
    model: Model, version: Version, versions: Sequence[Version], now: datetime.datetime
) -> Glance:
    others = [one for one in versions if one is not version]
    seen = progress.of_version(model, version, others, now)
    step = version.step
    judged = f" {step.verdict}" if step else ""
    paused = ", paused" if model.paused else ""
    weight = model.candidate_weight or 0
    in_shadow = step is not None and step.is_shadow
    gets = "copies of requests (shadow phase)" if in_shadow else f"{weight} % of the requests"
    if version.mixed is not None:
        gets = "lists mixed with those of the champion"
    what = f"{version.name} {version.stage}{judged}, {gets}{paused}"
    return _glance(
        version.name,
        f"{what}   {progress_line(seen)}",
        share=seen.share,
        seconds_left=seen.seconds_left,
        milestone=(version.name, version.stage, weight, step.verdict if step else "", paused),
    )


def _ended(model: Model, version: Version) -> Glance:
    decision = version.decision
    assert decision is not None
    good = decision.outcome == "Promoted"
    line = f"{version.name} {decision.outcome}: {decision.reason}: {decision.message}"
    if not good:
        line += f" (`kubectl recommender why {model.name}` has the numbers)"
    return _glance(version.name, line, end=0 if good else 1, share=1.0 if good else 0.0)


def _settled(model: Model) -> Glance:
    """Without a candidate the answer is whether the champion is what the spec describes."""
    current = model.condition("UpToDate")
    if current is None or current.status == "Unknown":
        return _glance(None, f"{model.name} {model.stage}: no version has started")
    said = f"{current.reason}: {current.message}".rstrip(": ")
    good = current.status == "True"
    return _glance(None, f"{model.name} {model.stage}: {said}", end=0 if good else 1)


def _glance(
    followed: str | None,
    line: str,
    *,
    end: int | None = None,
    share: float = 0.0,
    seconds_left: float | None = None,
    milestone: tuple[object, ...] | None = None,
) -> Glance:
    return Glance(
        followed=followed,
        line=line,
        end=end,
        share=share,
        seconds_left=seconds_left,
        milestone=milestone if milestone is not None else (line,),
    )
