"""Deletion of finished versions beyond `history.limit`, oldest first, with their artifacts."""

from __future__ import annotations

from recommender_operator.actions import DeleteVersion, StartJob
from recommender_operator.api.conditions import Reason
from recommender_operator.api.version import TERMINAL, VersionStage
from recommender_operator.context import routing, stored_recalibrations
from recommender_operator.context.reconcile_context import Turn
from recommender_operator.lifecycle import pipeline_jobs
from recommender_operator.observed import JobKind, JobState, VersionObject
from recommender_operator.resources import names

#: Maximum number of attempts whose staged folders are removed.
MAX_STAGED = 20
#: Nothing is removed while a candidate may publish: equal artifacts share a folder.
_PUBLISHING = (VersionStage.EVALUATING, VersionStage.PUBLISHING)


def step(turn: Turn) -> None:
    """Remove the artifacts of each version beyond the limit, then the version."""
    candidate = turn.candidate
    busy = candidate is not None and candidate.status.stage in _PUBLISHING
    if turn.spec.paused or busy:
        return
    for version in _surplus(turn):
        working = any(j.version == version.name and j.phase == "Running" for j in _pipeline(turn))
        if version.name in turn.observed.services or working:
            continue
        _remove(turn, version)


def _pipeline(turn: Turn) -> list[JobState]:
    return [job for job in turn.observed.jobs if job.kind is not JobKind.REMOVE]


def _surplus(turn: Turn) -> list[VersionObject]:
    spared = {turn.desired, turn.specified, turn.target, turn.spec.rollback_to}
    spared |= {v.name for v in (turn.champion, turn.previous) if v is not None}
    wanted = turn.spec.experiment
    spared |= {arm.version for arm in wanted.arms} if wanted is not None else set()
    spared |= set(routing.further(turn.candidate))
    # What was tried on the champion is not tried again.
    spared |= {v.name for v in stored_recalibrations.of(turn.champion, turn.versions.values())}
    finished = [
        v for v in turn.versions.values() if v.status.stage in TERMINAL and v.name not in spared
    ]
    newest_first = sorted(finished, key=lambda v: (_ended(v), v.name), reverse=True)
    return newest_first[turn.spec.history.limit :]


def _ended(version: VersionObject) -> int:
    decision = version.status.decision
    return decision.sequence if decision else 0


def _remove(turn: Turn, version: VersionObject) -> None:
    paths = _own_paths(turn, version)
    if not paths:
        turn.do(DeleteVersion(name=version.name))
        return
    attempt = version.status.attempt
    job = pipeline_jobs.removal(turn, version.name, attempt, version.uid)
    if job is None:
        inputs = {"paths": ",".join(paths)}
        turn.do(
            StartJob(kind=JobKind.REMOVE, version=version.name, attempt=attempt, inputs=inputs)
        )
    elif job.phase != "Running":
        if job.phase == "Failed":
            message = f"{', '.join(paths)} could not be removed: {job.reason} {job.message}"
            turn.warn(Reason.ARTIFACTS_LEFT_BEHIND, message.strip(), version=version.name)
        turn.do(DeleteVersion(name=version.name))


def _own_paths(turn: Turn, version: VersionObject) -> list[str]:
    """Return the folders that no other version uses: artifact, attempts, checkpoints."""
    status = version.status
    mine = [artifact.path for artifact in (status.artifact, status.staged) if artifact]
    if status.lineage is not None or status.attempt > 0:
        attempts = range(max(0, status.attempt - MAX_STAGED), status.attempt + 1)
        for attempt in attempts:
            mine.append(names.staged_path(turn.model.name, version.name, attempt))
            mine.append(names.unfinished_path(turn.model.name, version.name, attempt))
        mine.append(names.checkpoints_path(turn.model.name, version.name))
    shared = {
        other.status.artifact.path
        for other in turn.versions.values()
        if other.name != version.name and other.status.artifact is not None
    }
    return [path for path in dict.fromkeys(mine) if path not in shared]
