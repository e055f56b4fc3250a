"""Trainings with several pods: their requirements, and the deletion of unneeded ones."""

from __future__ import annotations

import datetime

from recommender_operator.actions import DeleteGroup
from recommender_operator.api.version import VersionStage
from recommender_operator.context import Context, Outcome
from recommender_operator.observed import JobState, VersionObject

#: Lifetime of the cached platform check.
_LOOK = datetime.timedelta(seconds=30)


def missing(ctx: Context, version: VersionObject) -> str:
    """Return which APIs a version's workers lack, and the remedy; empty if none."""
    count = version.spec.training.workers
    apis = ctx.observed.platform.missing_for_workers
    if count == 1 or not apis:
        return ""
    return (
        f"{version.name}: training.workers is {count}, which requires Kubeflow Trainer v2 and "
        f"JobSet, but the cluster lacks {', '.join(apis)}. Install them, or set "
        "training.workers to 1; the training starts once they are installed"
    )


def wait(out: Outcome) -> None:
    """Check the platform again later."""
    out.requeue(_LOOK)


def delete_unneeded_workers(ctx: Context, out: Outcome) -> None:
    """Delete every running group whose version has ended or started another attempt.

    A single Job may finish unused, but a group uses the memory of many pods, or waits in a queue.
    """
    for job in ctx.observed.jobs:
        if job.group and job.phase == "Running" and not _is_needed(ctx, job):
            out.do(DeleteGroup(version=job.version, attempt=job.attempt))


def _is_needed(ctx: Context, job: JobState) -> bool:
    version = ctx.versions.get(job.version)
    if version is None:
        return True  # Garbage collection deletes it, or the list of versions is older.
    status = version.status
    # Also before the training: a version that starts again uses its existing group.
    early = (VersionStage.PENDING, VersionStage.CHECKING_DATA, VersionStage.TRAINING)
    return status.stage in early and status.attempt == job.attempt
