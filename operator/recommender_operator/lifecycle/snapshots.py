"""Hourly or daily snapshots of the data: one Job each, one at a time.

A snapshot adds new rows of the source to the tables and gives their state a data version, so that
a version can be trained on it later (`data.version`, `data.asOf`). The number of its Job is the
start of its period in minutes since 1970: a restarted operator finds it, and no snapshot is taken
twice. Missed periods are not repeated, because the source has changed. An annotation requests an
additional snapshot.
"""

from __future__ import annotations

import datetime

from recommender_contract.job_reports import SegmentShifts
from recommender_operator.actions import StartJob
from recommender_operator.api import report
from recommender_operator.api.conditions import ConditionType, Reason, find
from recommender_operator.api.report import ReportError, SnapshotReport
from recommender_operator.api.spec import RetrainMode
from recommender_operator.api.spec_snapshots import SnapshotPeriod
from recommender_operator.api.status import SnapshotStatus
from recommender_operator.api.version import VersionStage
from recommender_operator.context import Context, Outcome
from recommender_operator.lifecycle import annotation_requests
from recommender_operator.monitoring import retraining
from recommender_operator.observed import JobKind, JobState
from recommender_operator.resources import names

_KIND = ConditionType.SNAPSHOT_TAKEN
ACTION = "snapshot"
#: Only a safety net: the watch reports the finished Job.
_POLL = datetime.timedelta(seconds=20)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_LENGTHS = {
    SnapshotPeriod.HOURLY: datetime.timedelta(hours=1),
    SnapshotPeriod.DAILY: datetime.timedelta(days=1),
}


def take_snapshots(ctx: Context, out: Outcome) -> None:
    """Read the finished snapshots, start the one that is due, and retrain after enough of them."""
    schedule = ctx.spec.data.snapshots
    if schedule is None:
        out.set_status(snapshots=None)
        if ctx.status.drift.segments is not None:  # nothing would ever renew it
            out.set_status(drift=ctx.status.drift.model_copy(update={"segments": None}))
        _refuse(ctx, out, "data.snapshots is not set; set it, then annotate a new token")
        out.condition(_KIND, "Unknown", Reason.DISABLED, "data.snapshots is not set")
        return
    condition = find(ctx.status.conditions, _KIND)
    if condition is None or condition.status == "Unknown":
        out.condition(_KIND, "Unknown", Reason.SCHEDULED, "the first snapshot is in progress")
    start = _period_start(ctx.now, _LENGTHS[schedule.every])
    for job in _ended(ctx):
        _record(ctx, out, job)
    _start(ctx, out, start, start + _LENGTHS[schedule.every])
    _retrain(ctx, out)


def running(ctx: Context) -> list[JobState]:
    """Return the running snapshot Jobs."""
    return [job for job in _jobs(ctx) if job.phase == "Running"]


def _jobs(ctx: Context) -> list[JobState]:
    found = [job for job in ctx.observed.jobs if job.kind is JobKind.SNAPSHOT]
    return sorted(found, key=lambda job: job.attempt)


def _state(ctx: Context) -> SnapshotStatus:
    return ctx.status.snapshots or SnapshotStatus()


def _period_start(now: datetime.datetime, length: datetime.timedelta) -> datetime.datetime:
    """Return the start of the hour or day (UTC) that contains a time."""
    return _EPOCH + (now - _EPOCH) // length * length


def _number(start: datetime.datetime) -> int:
    return (start - _EPOCH) // datetime.timedelta(minutes=1)


def _ended(ctx: Context) -> list[JobState]:
    """Return the finished Jobs that are not read yet, oldest first."""
    read = read_until(_state(ctx))
    return [job for job in _jobs(ctx) if job.phase != "Running" and job.attempt > read]


def read_until(state: SnapshotStatus | None) -> int:
    """Return the number of the newest Job that was read; -1 if there is none."""
    period = state.period if state is not None else None
    return -1 if period is None else _number(period)


def _record(ctx: Context, out: Outcome, job: JobState) -> None:
    period = _EPOCH + datetime.timedelta(minutes=job.attempt)
    out.set_status(snapshots=_state(ctx).model_copy(update={"period": period}))
    if job.phase == "Failed":
        _failed(out, job.reason or Reason.FAILED, job.message or "the Job failed")
        return
    try:
        result = report.parse(SnapshotReport, job.report)
    except ReportError as error:
        _failed(out, Reason.INVALID_REPORT, f"report of the Job: {error}")
        return
    before = _state(ctx)
    taken = before.model_copy(
        update={
            "taken_at": result.taken_at,
            "data_version": result.data_version,
            "rows": result.rows,
            "new_rows": result.new_rows,
            "quarantined_rows": result.quarantined_rows,
            "kept": result.snapshots,
            "oldest": result.oldest,
            "since_retraining": before.since_retraining + (result.new_rows > 0),
        }
    )
    out.set_status(snapshots=taken)
    _note_segments(ctx, out, result.segments)
    message = (
        f"{result.data_version}: {result.rows} interactions, {result.new_rows} of them new, "
        f"{result.quarantined_rows} rows quarantined; {result.snapshots} snapshots are kept, the "
        f"oldest from {result.oldest.isoformat(timespec='seconds')}"
    )
    if result.segments is not None and result.segments.message:
        message += f"; not compared by segment: {result.segments.message}"
    out.condition(_KIND, "True", Reason.SNAPSHOT_TAKEN, message)
    out.info(Reason.SNAPSHOT_TAKEN, message)


def _note_segments(ctx: Context, out: Outcome, seen: SegmentShifts | None) -> None:
    """Keep the comparison by segment.

    One with the training of a former champion, which began before the promotion, is not kept. One
    that was not possible changes nothing that is known.
    """
    drift, champion = ctx.status.drift, ctx.champion
    if not ctx.spec.retrain.drift.enabled:
        return
    if seen is not None:
        if champion is None or seen.compared_with != champion.data_version:
            return
        before = drift.segments
        if seen.message and before is not None and before.compared_with == seen.compared_with:
            return
    out.set_status(drift=drift.model_copy(update={"segments": seen}))


def _failed(out: Outcome, reason: str, message: str) -> None:
    """Report a failure; the next period tries again, and nothing else depends on a snapshot."""
    message = f"{message[:2048]}. The next period tries again; serving continues"
    out.condition(_KIND, "False", reason, message)
    out.warn(reason, f"snapshot failed: {message}")


def _start(ctx: Context, out: Outcome, start: datetime.datetime, end: datetime.datetime) -> None:
    if ctx.spec.paused:
        _refuse(ctx, out, annotation_requests.PAUSED)
        return
    period, token = _state(ctx).period, ctx.pending(ACTION)
    if period is not None and period >= start and token is None:
        out.requeue(end - ctx.now)
        return
    out.requeue(_POLL)
    # Two writers would wait for one lock, and a check ingests the same rows.
    if running(ctx) or _is_checking(ctx):
        return
    model, number = ctx.model.name, _number(start)
    if token is not None:
        number = max(_number(ctx.now), read_until(_state(ctx)) + 1)
        result = f"{names.job_name(model, JobKind.SNAPSHOT, number)} starts"
        annotation_requests.answer(out, ACTION, token, result, refused=False)
    inputs = {"keep": ",".join(_needed(ctx)), **_watched(ctx)}
    out.do(StartJob(kind=JobKind.SNAPSHOT, version=model, attempt=number, inputs=inputs))


def _watched(ctx: Context) -> dict[str, str]:
    """Return the champion's data version and window, for the comparison by segment."""
    champion = ctx.champion
    if champion is None or champion.data_version is None or not ctx.spec.retrain.drift.enabled:
        return {}
    mapping = ctx.spec.data.source.mapping
    if mapping is None or not mapping.dividing:
        return {}
    days = champion.spec.data.window.days
    window = {} if days is None else {"window_days": str(days)}
    return {"against": champion.data_version, **window}


def _refuse(ctx: Context, out: Outcome, result: str) -> None:
    """Refuse a pending request for a snapshot."""
    token = ctx.pending(ACTION)
    if token is not None:
        annotation_requests.answer(out, ACTION, token, result, refused=True)


def _is_checking(ctx: Context) -> bool:
    candidate = ctx.candidate
    if candidate is None:
        # A missing version is created in this pass, and checks the data soon after.
        return ctx.desired not in ctx.versions and not (ctx.status.locked or ctx.held)
    return candidate.status.stage in (VersionStage.PENDING, VersionStage.CHECKING_DATA)


def _needed(ctx: Context) -> list[str]:
    """Return the data versions to keep: those of existing versions, and the pinned one."""
    found = (version.data_version for version in ctx.versions.values())
    needed = {each for each in found if each is not None}
    if ctx.spec.data.version is not None:
        needed.add(ctx.spec.data.version)
    return sorted(needed)


def _retrain(ctx: Context, out: Outcome) -> None:
    """Start or propose a retraining after enough new snapshots, unless there is a candidate."""
    wanted, seen = ctx.spec.retrain.after_snapshots, _state(ctx).since_retraining
    champion, mode = ctx.champion, ctx.spec.retrain.mode
    if wanted is None or seen < wanted or champion is None or ctx.candidate is not None:
        return
    if mode is RetrainMode.MANUAL or retraining.is_requested(ctx):
        return
    full = ctx.observed.retrainings_full if mode is RetrainMode.AUTO else ""
    waits = retraining.frozen(ctx) or full or retraining.obstacle(ctx, champion) or ""
    if waits != _state(ctx).waits:
        out.set_status(snapshots=_state(ctx).model_copy(update={"waits": waits[:1024]}))
    if waits:
        return
    why = f"{'a snapshot' if seen == 1 else f'{seen} snapshots'} with new rows"
    if mode is RetrainMode.PROPOSE:
        out.propose(Reason.NEW_SNAPSHOTS, "a retraining", why)
        return
    out.set_status(snapshots=_state(ctx).model_copy(update={"since_retraining": 0}))
    retraining.start(ctx, out, "snapshot", why)
