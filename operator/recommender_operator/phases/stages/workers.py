"""A training of several pods: what it needs of the cluster, and its end when nobody waits."""

from __future__ import annotations

import datetime

from recommender_operator.actions import CancelGroup
from recommender_operator.api.version import VersionStage
from recommender_operator.observed import JobState, VersionObject
from recommender_operator.phases.turn import Turn

#: As long as an answer about the platform counts.
_LOOK = datetime.timedelta(seconds=30)


def wants(turn: Turn, version: VersionObject) -> str:
    """Return what the cluster lacks for the workers of a version, with the remedy; or nothing."""
    count = version.spec.training.workers
    missing = turn.observed.platform.missing_for_workers
    if count == 1 or not missing:
        return ""
    return (
        f"{version.name}: training.workers is {count}, which needs Kubeflow Trainer v2 and "
        f"JobSet, and the cluster has no {', '.join(missing)}. Install them, or set "
        "training.workers to 1; the training starts by itself once they are there"
    )


def wait(turn: Turn) -> None:
    """Look again when the platform may have changed."""
    turn.look_again(_LOOK)


def step(turn: Turn) -> None:
    """Cancel every running group whose version has ended or goes on with another attempt.

    A single Job may finish unused. A group holds the memory of many pods, and one that is
    suspended by a queue would wait for its turn for nothing.
    """
    for job in turn.observed.jobs:
        if job.group and job.phase == "Running" and not _is_waited_for(turn, job):
            turn.do(CancelGroup(version=job.version, attempt=job.attempt))


def _is_waited_for(turn: Turn, job: JobState) -> bool:
    version = turn.versions.get(job.version)
    if version is None:
        return True  # it goes with its owner, or a list was read before the other
    status = version.status
    # Also before the training: an ended version that was asked for anew takes its group up again.
    early = (VersionStage.PENDING, VersionStage.CHECKING_DATA, VersionStage.TRAINING)
    return status.stage in early and status.attempt == job.attempt
