"""The result of one poll by `watch`: a line, and whether the rollout has ended."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence

from recommender_kubectl import progress
from recommender_kubectl.objects import Model, Version
from recommender_kubectl.views.status import progress_line

#: Seconds in which the operator takes up a request. It reconciles a changed model within a second;
#: another leader needs about 15 s.
TAKEN_UP = 60.0
#: Time in which the version of a retraining is there. Later it may have been deleted again.
_MADE = datetime.timedelta(seconds=60)
#: Requests that are answered in the reconcile that sees them. A rollback is, once it is complete.
_AT_ONCE = ("retrain", "retry", "promote", "abort")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Poll:
    """The result of one poll."""

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
    #: Action and token of a request that the operator has yet to take up.
    asked: tuple[str, str] | None = None


def poll(
    model: Model,
    versions: Sequence[Version],
    followed: str | None,
    now: datetime.datetime,
    *,
    waited: float = 0.0,
    asked: tuple[str, str] | None = None,
) -> Poll:
    """Follow the candidate; after one that was superseded, the next one.

    Args:
        model: as read now, like its versions.
        versions: of the model.
        followed: the version of the last poll.
        now: by the wall clock.
        waited: seconds since the first poll.
        asked: the request that the last poll waited for.
    """
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
    return _requested(model, named, now, waited, asked) or _settled(model)


def _requested(
    model: Model,
    versions: Mapping[str, Version],
    now: datetime.datetime,
    waited: float,
    asked: tuple[str, str] | None,
) -> Poll | None:
    """Return the reason that a request waits; None if the model's state is the answer to it.

    The status stays old until the operator has handled the annotation, and a retraining has its
    version one reconcile later.
    """
    known = {(one.action, one.token): one for one in model.handled}
    refused = known.get(asked) if asked is not None else None
    if refused is not None and refused.refused:
        return _glance(None, f"{refused.action} of {model.name}: {refused.result}", end=1)
    waiting = next(
        (a for a in _AT_ONCE if a in model.asked and (a, model.asked[a]) not in known), ""
    )
    if waiting and waited < TAKEN_UP:
        request = (waiting, model.asked[waiting])
        line = f"{model.name}: the operator has not taken up {waiting} yet"
        return dataclasses.replace(_glance(None, line), asked=request)
    if waiting:
        line = (
            f"{model.name}: the operator has not taken up {waiting} within {TAKEN_UP:.0f} s; the "
            "request stands: check that the operator runs and watches this namespace"
        )
        return _glance(None, line, end=1)
    made = model.retraining
    if made is not None and made.version not in versions and now - made.at < _MADE:
        return _glance(None, f"{model.name}: {made.version} is about to start")
    return None


def _on_its_way(
    model: Model, version: Version, versions: Sequence[Version], now: datetime.datetime
) -> Poll:
    others = [one for one in versions if one is not version]
    seen = progress.of_version(model, version, others, now)
    step = version.step
    judged = f" {step.verdict}" if step else ""
    paused = ", paused" if model.paused else ""
    weight = model.candidate_weight or 0
    in_shadow = step is not None and step.is_shadow
    gets = (
        "copies of requests (shadow phase)"
        if in_shadow
        else f"{weight} % of the {version.split(weight)}"
    )
    if model.mixes(version):
        gets = "lists mixed with those of the champion"
    users = version.experiment.verdict if version.experiment is not None else ""
    decides = f", experiment {users}" if users else ""
    what = f"{version.name} {version.stage}{judged}, {gets}{decides}{paused}"
    return _glance(
        version.name,
        f"{what}   {progress_line(seen)}",
        share=seen.share,
        seconds_left=seen.seconds_left,
        milestone=(
            version.name,
            version.stage,
            weight,
            step.verdict if step else "",
            users,
            paused,
        ),
    )


def _ended(model: Model, version: Version) -> Poll:
    decision = version.decision
    assert decision is not None
    good = decision.outcome == "Promoted"
    line = f"{version.name} {decision.outcome}: {decision.reason}: {decision.message}"
    if not good:
        line += f" (`kubectl recommender why {model.name}` has the numbers)"
    return _glance(version.name, line, end=0 if good else 1, share=1.0 if good else 0.0)


def _settled(model: Model) -> Poll:
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
) -> Poll:
    return Poll(
        followed=followed,
        line=line,
        end=end,
        share=share,
        seconds_left=seconds_left,
        milestone=milestone if milestone is not None else (line,),
    )
