"""Common steps of the stages with Jobs: start, wait, read the report, report failures."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from recommender_operator.actions import StartJob
from recommender_operator.api import report
from recommender_operator.api.conditions import Reason
from recommender_operator.api.version import VersionStage
from recommender_operator.context import Context, Outcome
from recommender_operator.observed import JobKind, JobState, VersionObject
from recommender_operator.resources import names

#: Only a safety net: the watch reports the finished Job.
_POLL = datetime.timedelta(seconds=20)
_SOON = datetime.timedelta(seconds=2)


def find_job(ctx: Context, kind: JobKind, version: str, attempt: int) -> JobState | None:
    """Return a Job; None if it does not exist."""
    return next(
        (
            job
            for job in ctx.observed.jobs
            if (job.kind, job.version, job.attempt) == (kind, version, attempt)
        ),
        None,
    )


def removal(ctx: Context, name: str, attempt: int, uid: str) -> JobState | None:
    """Return the Job that removes the files of the object with a uid; None if there is none."""
    own = names.incarnation(uid)
    wanted = (JobKind.REMOVE, name, attempt, own)
    return next(
        (
            job
            for job in ctx.observed.jobs
            if (job.kind, job.version, job.attempt, job.incarnation) == wanted
        ),
        None,
    )


def result(
    ctx: Context,
    out: Outcome,
    version: VersionObject,
    kind: JobKind,
    model: type[report.ReportT],
    inputs: Mapping[str, str],
) -> report.ReportT | None:
    """Return the report of a version's Job once it has succeeded, else None.

    A missing Job (new, or deleted) is started; its name makes that idempotent. The version fails
    if the Job fails or its report is invalid.
    """
    job = find_job(ctx, kind, version.name, version.status.attempt)
    if job is None:
        attempt = version.status.attempt
        out.do(StartJob(kind=kind, version=version.name, attempt=attempt, inputs=dict(inputs)))
        if kind is JobKind.TRAIN and version.spec.training.workers > 1:
            out.change(version.name, group_since=ctx.time)
            out.due(ctx.time, _deadline(version), _POLL)
        out.requeue(_POLL if version.spec.training.workers == 1 else _SOON)
        return None
    if job.phase == "Running":
        if overdue := _overdue(out, version, job):
            fail(out, version, "DeadlineExceeded", overdue)
        # Not the TrainJob but its pods are watched; it ends soon after its first worker.
        ends = job.group and job.report is not None
        out.requeue(_SOON if ends else _POLL)
        return None
    if job.phase == "Failed":
        fail(out, version, job.reason or Reason.FAILED, job.message or "the Job failed")
        return None
    try:
        return report.parse(model, job.report)
    except report.ReportError as error:
        fail(out, version, Reason.INVALID_REPORT, f"report of the Job {kind.value}: {error}")
        return None


def reports_folder(
    out: Outcome, version: VersionObject, kind: JobKind, field: str, path: str, folder: str
) -> bool:
    """Return whether a report names the version's own folder; the version fails if it does not.

    The operator passes the path on, and later removes it.
    """
    if path == folder:
        return True
    message = (
        f"report of the Job {kind.value}: field '{field}' is {path!r}, but must be {folder!r}: "
        "use the training image of this release"
    )
    fail(out, version, Reason.INVALID_REPORT, message)
    return False


def _overdue(out: Outcome, version: VersionObject, job: JobState) -> str:
    """Return a message if a group exceeded its deadline, else an empty text.

    Kubernetes ends a single Job itself. JobSet restarts the deadline with every restart of the
    group, and does not count the time without pods.
    """
    since = version.status.group_since or version.status.stage_since or out.time
    if not job.group or not out.due(since, _deadline(version), _POLL):
        return ""
    details = f": {job.message}" if job.message else ""
    return (
        "the TrainJob did not finish within training.deadlineSeconds "
        f"({version.spec.training.deadline_seconds}), including restarts{details}"
    )


def _deadline(version: VersionObject) -> datetime.timedelta:
    return datetime.timedelta(seconds=version.spec.training.deadline_seconds)


def fail(out: Outcome, version: VersionObject, reason: str, message: str) -> None:
    """Mark a version as failed; the champion continues to serve."""
    out.change(version.name, failure=message[-8192:])
    out.end(version.name, VersionStage.FAILED, reason, message)
