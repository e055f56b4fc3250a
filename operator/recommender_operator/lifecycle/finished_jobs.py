"""Deletion of finished Jobs, with their pods, once nothing reads their result any more.

Not by ttlSecondsAfterFinished: a Job that ended while the operator was down would vanish with its
report, and the next pass would start it again. Removals have it, because they may be repeated.
"""

from __future__ import annotations

import datetime

from recommender_operator.actions import DeleteGroup, DeleteJob
from recommender_operator.api.status import SnapshotStatus
from recommender_operator.api.version import TERMINAL, VersionStage
from recommender_operator.context import Context, Outcome
from recommender_operator.lifecycle import snapshots
from recommender_operator.observed import JobKind, JobState, VersionObject

#: Time to read the logs of a Job that succeeded, and of one that failed or whose version did.
SUCCEEDED = datetime.timedelta(hours=1)
FAILED = datetime.timedelta(days=1)
_SOON = datetime.timedelta(seconds=5)
_TO_CHECK = frozenset({VersionStage.PENDING, VersionStage.CHECKING_DATA})
_TO_TRAIN = _TO_CHECK | {VersionStage.TRAINING}
#: Stages in which a pass reads the result of a version's Job, or will read it.
_READ_IN = {
    JobKind.CHECK: _TO_CHECK,
    JobKind.TRAIN: _TO_TRAIN,
    JobKind.RECALIBRATE: _TO_TRAIN,
    JobKind.PUBLISH: _TO_TRAIN | {VersionStage.EVALUATING, VersionStage.PUBLISHING},
}


def delete_finished_jobs(ctx: Context, out: Outcome) -> None:
    """Delete each finished Job whose result is stored, when its logs have been there long enough.

    A result of this pass is stored after it, so such a Job waits for another pass.
    """
    stored = {version.name: version for version in ctx.observed.versions}
    for job in ctx.observed.jobs:
        if job.kind is JobKind.REMOVE or job.finished_at is None:
            continue
        version = ctx.versions.get(job.version)
        if not _is_read(ctx, job, version, ctx.status.snapshots):
            continue
        left = _kept_until(job, job.finished_at, version) - ctx.now
        if left > datetime.timedelta():
            out.requeue(left)
        elif not _is_read(ctx, job, stored.get(job.version), ctx.model.status.snapshots):
            out.requeue(_SOON)
        elif job.group:
            out.do(DeleteGroup(version=job.version, attempt=job.attempt))
        else:
            out.do(DeleteJob(kind=job.kind, version=job.version, attempt=job.attempt))


def _is_read(
    ctx: Context,
    job: JobState,
    version: VersionObject | None,
    taken: SnapshotStatus | None,
) -> bool:
    """Return whether no pass needs a Job, by these states of its version and of the snapshots."""
    if job.kind is JobKind.SNAPSHOT:
        return ctx.spec.data.snapshots is None or job.attempt <= snapshots.read_until(taken)
    if version is None or job.attempt > version.status.attempt:
        return False  # Its owner is deleted, or the version that was listed is an older one.
    if job.attempt < version.status.attempt:
        return True
    stage = version.status.stage
    if stage is VersionStage.SUPERSEDED:
        # If the spec describes it again, it continues with the Jobs of the same attempt.
        return version.status.artifact is not None
    return stage in TERMINAL or stage not in _READ_IN[job.kind]


def _kept_until(
    job: JobState, finished_at: datetime.datetime, version: VersionObject | None
) -> datetime.datetime:
    if version is not None and version.status.stage is VersionStage.FAILED:
        decision = version.status.decision
        # A person looks for the cause once the decision is there.
        return max(finished_at, decision.at if decision else finished_at) + FAILED
    return finished_at + (FAILED if job.phase == "Failed" else SUCCEEDED)
