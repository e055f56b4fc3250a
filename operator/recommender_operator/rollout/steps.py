"""The steps of a rollout: the one in progress, and the next one."""

from __future__ import annotations

import datetime

from recommender_operator.api.conditions import Reason
from recommender_operator.api.version import ModelVersionStatus, StepRecord, VersionStage
from recommender_operator.context import Context, Outcome
from recommender_operator.observed import VersionObject

#: Maximum number of steps in the status; a version with more interruptions drops the oldest.
MAX_RECORDS = 40


def current(status: ModelVersionStatus) -> StepRecord | None:
    """Return the step in progress; it started when the route reported its weight."""
    if status.steps and status.steps[-1].ended_at is None:
        return status.steps[-1]
    return None


def weights(ctx: Context, status: ModelVersionStatus) -> list[int]:
    """Return the weights of a version's steps, with those of extensions."""
    listed = {step.weight for step in ctx.spec.rollout.steps}
    return sorted(listed.union(*(extension.weights(status) for extension in ctx.extensions)))


def next_weight(ctx: Context, status: ModelVersionStatus) -> int | None:
    """Return the weight after the last one that passed; None after the last step."""
    passed = max(
        (s.weight for s in status.steps if s.ended_at is not None and s.verdict == "Pass"),
        default=0,
    )
    widest = max((extension.widest(status) for extension in ctx.extensions), default=0)
    left = [w for w in weights(ctx, status) if w > passed and w >= widest]
    return min(left, default=None)


def is_last(ctx: Context, status: ModelVersionStatus, weight: int) -> bool:
    """Return whether no step comes after a weight."""
    return weight >= weights(ctx, status)[-1]


def verdict_of(status: ModelVersionStatus) -> str:
    """Return the last recorded verdict."""
    return status.steps[-1].verdict if status.steps else "Inconclusive"


def interval(ctx: Context) -> datetime.timedelta:
    """Return the time between two evaluations."""
    return datetime.timedelta(seconds=ctx.spec.rollout.analysis.interval_seconds)


def begin(out: Outcome, name: str, weight: int) -> None:
    """Start a step."""
    record = StepRecord(number=out.next_number(), weight=weight, started_at=out.time)
    steps = out.versions[name].status.steps
    out.change(name, steps=(*steps, record)[-MAX_RECORDS:])


def note(out: Outcome, name: str, **values: object) -> None:
    """Change the record of the step in progress."""
    steps = out.versions[name].status.steps
    if steps:
        out.change(name, steps=(*steps[:-1], steps[-1].model_copy(update=values)))


def close(out: Outcome, name: str, verdict: str) -> None:
    """End the step in progress, if there is one."""
    if current(out.versions[name].status) is not None:
        note(out, name, ended_at=out.time, verdict=verdict)


def roll_back(out: Outcome, version: VersionObject, reason: Reason, message: str) -> None:
    """End the rollout of a candidate, whose traffic leaves it before anything else is written."""
    close(out, version.name, verdict_of(out.versions[version.name].status))
    out.route_first()
    out.end(version.name, VersionStage.ROLLED_BACK, reason, message)
