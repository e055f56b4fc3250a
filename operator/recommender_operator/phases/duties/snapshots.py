"""Take snapshots of the data by the hour or by the day: one Job each, never two at a time.

A snapshot takes what is new in the source into the tables and names their state, so that a
version can be trained on it later (`data.version`, `data.asOf`). The number of its Job is the
minute, counted from 1970, in which its period begins: a restarted operator finds it, and nothing
is taken twice. Only the period in force is taken; those that passed while nobody looked are not
made up for, since the source is what it is now. One more can be asked for by annotation.
"""

from __future__ import annotations

import datetime

from recommender_operator.actions import StartJob
from recommender_operator.api import report
from recommender_operator.api.conditions import ConditionType, Reason, find
from recommender_operator.api.report import ReportError, SnapshotReport
from recommender_operator.api.spec_snapshots import SnapshotPeriod
from recommender_operator.api.status import SnapshotStatus
from recommender_operator.api.version import VersionStage
from recommender_operator.observed import JobKind, JobState
from recommender_operator.phases.duties import commands, retraining
from recommender_operator.phases.turn import Turn
from recommender_operator.resources import names

_KIND = ConditionType.SNAPSHOT_TAKEN
ACTION = "snapshot"
#: Only a safety net: the event of the finished Job wakes the operator.
_POLL = datetime.timedelta(seconds=20)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_LENGTHS = {
    SnapshotPeriod.HOURLY: datetime.timedelta(hours=1),
    SnapshotPeriod.DAILY: datetime.timedelta(days=1),
}


def step(turn: Turn) -> None:
    """Read the snapshots that have ended, start the one that is due, retrain for them."""
    asked = turn.spec.data.snapshots
    if asked is None:
        turn.set_status(snapshots=None)
        _refuse(turn, "data.snapshots is not set; set it, then annotate a new token")
        turn.condition(_KIND, "Unknown", Reason.DISABLED, "data.snapshots is not set")
        return
    told = find(turn.status.conditions, _KIND)
    if told is None or told.status == "Unknown":
        turn.condition(_KIND, "Unknown", Reason.SCHEDULED, "the first snapshot is being taken")
    begin = _begin(turn.now, _LENGTHS[asked.every])
    for job in _ended(turn):
        _record(turn, job)
    _start(turn, begin, begin + _LENGTHS[asked.every])
    _retrain(turn)


def running(turn: Turn) -> list[JobState]:
    """Return the Jobs that take a snapshot now."""
    return [job for job in _jobs(turn) if job.phase == "Running"]


def _jobs(turn: Turn) -> list[JobState]:
    found = [job for job in turn.observed.jobs if job.kind is JobKind.SNAPSHOT]
    return sorted(found, key=lambda job: job.attempt)


def _state(turn: Turn) -> SnapshotStatus:
    return turn.status.snapshots or SnapshotStatus()


def _begin(now: datetime.datetime, length: datetime.timedelta) -> datetime.datetime:
    """Return the begin of the hour or day (UTC) that a time is in."""
    return _EPOCH + (now - _EPOCH) // length * length


def _number(begin: datetime.datetime) -> int:
    return (begin - _EPOCH) // datetime.timedelta(minutes=1)


def _ended(turn: Turn) -> list[JobState]:
    """Return the Jobs that have ended and were not read yet, the oldest first."""
    read = _read_until(turn)
    return [job for job in _jobs(turn) if job.phase != "Running" and job.attempt > read]


def _read_until(turn: Turn) -> int:
    """Return the number of the newest Job that was read, -1 if none was."""
    period = _state(turn).period
    return -1 if period is None else _number(period)


def _record(turn: Turn, job: JobState) -> None:
    period = _EPOCH + datetime.timedelta(minutes=job.attempt)
    turn.set_status(snapshots=_state(turn).model_copy(update={"period": period}))
    if job.phase == "Failed":
        _failed(turn, job.reason or Reason.FAILED, job.message or "the Job failed")
        return
    try:
        told = report.parse(SnapshotReport, job.report)
    except ReportError as error:
        _failed(turn, Reason.INVALID_REPORT, f"report of the Job: {error}")
        return
    before = _state(turn)
    taken = before.model_copy(
        update={
            "taken_at": told.taken_at,
            "data_version": told.data_version,
            "rows": told.rows,
            "new_rows": told.new_rows,
            "quarantined_rows": told.quarantined_rows,
            "kept": told.snapshots,
            "oldest": told.oldest,
            "since_retraining": before.since_retraining + (told.new_rows > 0),
        }
    )
    turn.set_status(snapshots=taken)
    message = (
        f"{told.data_version}: {told.rows} interactions, {told.new_rows} of them new, "
        f"{told.quarantined_rows} rows quarantined; {told.snapshots} snapshots are kept, the "
        f"oldest of {told.oldest.isoformat(timespec='seconds')}"
    )
    turn.condition(_KIND, "True", Reason.SNAPSHOT_TAKEN, message)
    turn.say(Reason.SNAPSHOT_TAKEN, message)


def _failed(turn: Turn, reason: str, message: str) -> None:
    """The next period tries again; nothing that serves or trains depends on this one."""
    message = f"{message[:2048]}. The next snapshot tries again; versions in place serve on"
    turn.condition(_KIND, "False", reason, message)
    turn.warn(reason, f"no snapshot: {message}")


def _start(turn: Turn, begin: datetime.datetime, end: datetime.datetime) -> None:
    if turn.spec.paused:
        _refuse(turn, commands.PAUSED)
        return
    period, token = _state(turn).period, turn.pending(ACTION)
    if period is not None and period >= begin and token is None:
        turn.look_again(end - turn.now)
        return
    turn.look_again(_POLL)
    # Two writers would wait for each other's lock, and a check takes in the same rows.
    if running(turn) or _is_checking(turn):
        return
    model, number = turn.model.name, _number(begin)
    if token is not None:
        number = max(_number(turn.now), _read_until(turn) + 1)
        result = f"{names.job_name(model, JobKind.SNAPSHOT, number)} starts"
        commands.answer(turn, ACTION, token, result, refused=False)
    inputs = {"keep": ",".join(_needed(turn))}
    turn.do(StartJob(kind=JobKind.SNAPSHOT, version=model, attempt=number, inputs=inputs))


def _refuse(turn: Turn, result: str) -> None:
    """Say why a snapshot that somebody asks for is not taken, if somebody does."""
    token = turn.pending(ACTION)
    if token is not None:
        commands.answer(turn, ACTION, token, result, refused=True)


def _is_checking(turn: Turn) -> bool:
    candidate = turn.candidate
    if candidate is None:
        # What is not there yet is created in this look, and checks the data in one of the next.
        return turn.desired not in turn.versions and not (turn.status.locked or turn.held)
    return candidate.status.stage in (VersionStage.PENDING, VersionStage.CHECKING_DATA)


def _needed(turn: Turn) -> list[str]:
    """Return the data versions whose files must stay: those of trainings, and the pinned one."""
    lineages = [version.status.lineage for version in turn.versions.values()]
    needed = {lineage.data_version for lineage in lineages if lineage is not None}
    if turn.spec.data.version is not None:
        needed.add(turn.spec.data.version)
    return sorted(needed)


def _retrain(turn: Turn) -> None:
    """Enough snapshots with new rows start a retraining, unless a version is on its way."""
    wanted, seen = turn.spec.retrain.after_snapshots, _state(turn).since_retraining
    champion = turn.champion
    if wanted is None or seen < wanted or champion is None or turn.candidate is not None:
        return
    asked_already = turn.status.retrain != turn.model.status.retrain
    if asked_already or retraining.obstacle(turn, champion) is not None:
        return
    turn.set_status(snapshots=_state(turn).model_copy(update={"since_retraining": 0}))
    count = "a snapshot" if seen == 1 else f"{seen} snapshots"
    retraining.start(turn, "snapshot", f"{count} with new rows")
