"""Deletion of finished versions beyond `history.limit`, oldest first, with their artifacts."""

from __future__ import annotations

from recommender_operator.actions import DeleteVersion, StartJob
from recommender_operator.api.conditions import Reason
from recommender_operator.api.version import TERMINAL, VersionStage
from recommender_operator.context import Context, Outcome
from recommender_operator.lifecycle import pipeline_jobs
from recommender_operator.observed import JobKind, JobState, VersionObject
from recommender_operator.resources import names

#: Maximum number of attempts whose staged folders are removed.
MAX_STAGED = 20
#: Nothing is removed while a candidate may publish: equal artifacts share a folder.
_PUBLISHING = (VersionStage.EVALUATING, VersionStage.PUBLISHING)


def delete_old_versions(ctx: Context, out: Outcome) -> None:
    """Remove the artifacts of each version beyond the limit, then the version."""
    candidate = ctx.candidate
    busy = candidate is not None and candidate.status.stage in _PUBLISHING
    if ctx.spec.paused or busy:
        return
    for version in _surplus(ctx):
        working = any(j.version == version.name and j.phase == "Running" for j in _pipeline(ctx))
        if version.name in ctx.observed.services or working:
            continue
        _remove(ctx, out, version)


def _pipeline(ctx: Context) -> list[JobState]:
    return [job for job in ctx.observed.jobs if job.kind is not JobKind.REMOVE]


def _surplus(ctx: Context) -> list[VersionObject]:
    spared = {ctx.desired, ctx.specified, ctx.target, ctx.spec.rollback_to}
    spared |= {v.name for v in (ctx.champion, ctx.previous) if v is not None}
    for extension in ctx.extensions:
        spared |= {*extension.spares(ctx), *(each.version for each in extension.deployments(ctx))}
    finished = [
        v for v in ctx.versions.values() if v.status.stage in TERMINAL and v.name not in spared
    ]
    newest_first = sorted(finished, key=lambda v: (_ended(v), v.name), reverse=True)
    return newest_first[ctx.spec.history.limit :]


def _ended(version: VersionObject) -> int:
    decision = version.status.decision
    return decision.sequence if decision else 0


def _remove(ctx: Context, out: Outcome, version: VersionObject) -> None:
    paths = _own_paths(ctx, version)
    if not paths:
        out.do(DeleteVersion(name=version.name))
        return
    attempt = version.status.attempt
    job = pipeline_jobs.removal(ctx, version.name, attempt, version.uid)
    if job is None:
        inputs = {"paths": ",".join(paths)}
        out.do(StartJob(kind=JobKind.REMOVE, version=version.name, attempt=attempt, inputs=inputs))
    elif job.phase != "Running":
        if job.phase == "Failed":
            message = f"{', '.join(paths)} could not be removed: {job.reason} {job.message}"
            out.warn(Reason.ARTIFACTS_LEFT_BEHIND, message.strip(), version=version.name)
        out.do(DeleteVersion(name=version.name))


def _own_paths(ctx: Context, version: VersionObject) -> list[str]:
    """Return the folders that no other version uses: artifact, attempts, checkpoints."""
    status = version.status
    mine = [artifact.path for artifact in (status.artifact, status.staged) if artifact]
    if status.lineage is not None or status.attempt > 0:
        attempts = range(max(0, status.attempt - MAX_STAGED), status.attempt + 1)
        for attempt in attempts:
            mine.append(names.staged_path(ctx.model.name, version.name, attempt))
            mine.append(names.unfinished_path(ctx.model.name, version.name, attempt))
        mine.append(names.checkpoints_path(ctx.model.name, version.name))
    shared = {
        other.status.artifact.path
        for other in ctx.versions.values()
        if other.name != version.name and other.status.artifact is not None
    }
    return [path for path in dict.fromkeys(mine) if path not in shared]
