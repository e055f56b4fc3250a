"""The condition PodsScheduled: pods that fit on no node, and what the scheduler says of them."""

from __future__ import annotations

from recommender_operator.api.conditions import ConditionType, Reason
from recommender_operator.context import Context, Outcome
from recommender_operator.observed import JobKind

#: Maximum number of services and Jobs in the message; it has only the number of the others.
MAX_NAMED = 3
#: Begins the scheduler's second sentence, about pods that could make room.
_PREEMPTION = " preemption:"
_SERVING = "lower serving.resources or serving.transformerResources, or change serving.podTemplate"
_TRAINING = "lower training.resources, or change training.podTemplate"
_OTHER_JOB = "change training.podTemplate"


def waits(ctx: Context, version: str) -> str:
    """Return why a pod of a version's service or Jobs has no node; empty if all have one."""
    return next((text for name, text in _found(ctx) if name == version), "")


def set_condition(ctx: Context, out: Outcome) -> None:
    """Set PodsScheduled, and warn when the first pod has no node."""
    kind, found = ConditionType.PODS_SCHEDULED, _found(ctx)
    if not found:
        out.condition(kind, "True", Reason.PODS_HAVE_NODES, "no pod waits for a node")
        return
    more = len(found) - MAX_NAMED
    message = ". ".join(f"{name}: {text}" for name, text in found[:MAX_NAMED])
    message += f"; and {more} more" if more > 0 else ""
    if out.condition(kind, "False", Reason.UNSCHEDULABLE, message):
        out.warn(Reason.UNSCHEDULABLE, message)


def _found(ctx: Context) -> list[tuple[str, str]]:
    """Return the versions that wait for a node: the scheduler's message, and the remedy."""
    serving = [
        (name, _words(service.unscheduled, _SERVING))
        for name, service in sorted(ctx.observed.services.items())
        if service.unscheduled
    ]
    jobs = [
        (
            job.version or ctx.model.name,
            _words(
                f"the Job {job.kind.value}: {job.message}",
                _TRAINING if job.kind is JobKind.TRAIN else _OTHER_JOB,
            ),
        )
        for job in ctx.observed.jobs
        if job.phase == "Running" and job.reason == Reason.UNSCHEDULABLE
    ]
    return serving + jobs


def _words(what: str, remedy: str) -> str:
    said = what.partition(_PREEMPTION)[0].rstrip(". ,")
    return f"no node fits {said}. Add a node, stop something else, {remedy}"
