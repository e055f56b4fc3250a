"""Deletion of a RecommenderModel: its children by ownership, artifacts by `deletionPolicy`."""

from __future__ import annotations

import datetime

from recommender_operator.actions import DeleteJob, DeleteService, DeleteVersion, StartJob
from recommender_operator.api.conditions import ConditionType, Reason
from recommender_operator.api.spec import DeletionPolicy
from recommender_operator.api.status import Stage
from recommender_operator.context import Context, Outcome
from recommender_operator.lifecycle import pipeline_jobs, serving_finalizer, snapshots
from recommender_operator.observed import JobKind
from recommender_operator.resources import names

#: Maximum number of removal Jobs; after that the resource is deleted and its folders stay.
ATTEMPTS = 3
_POLL = datetime.timedelta(seconds=5)
#: Maximum time to wait for pods that may still use the files: on a lost node, they never end.
_PATIENCE = datetime.timedelta(minutes=5)


def delete_model(ctx: Context, out: Outcome) -> None:
    """Finish at once with Retain; with Delete, remove services and versions, then the folders."""
    out.set_status(stage=Stage.DELETING, observed_generation=ctx.model.generation)
    if ctx.spec.deletion_policy is DeletionPolicy.RETAIN:
        out.finish()
        return
    out.requeue(_POLL)
    message = "services and versions are deleted first, then a Job removes tables and artifacts"
    out.condition(ConditionType.PROGRESSING, "True", Reason.DELETING, message)
    for name in sorted(ctx.observed.services):
        out.do(DeleteService(version=name))
    for name in sorted(ctx.versions):
        serving_finalizer.free(out, name)
        out.do(DeleteVersion(name=name))
    writers = snapshots.running(ctx)
    for job in writers:
        out.do(DeleteJob(kind=job.kind, version=job.version, attempt=job.attempt))
    if not ctx.observed.services and not ctx.versions and not writers and not _in_use(ctx, out):
        _remove_artifacts(ctx, out)


def _in_use(ctx: Context, out: Outcome) -> bool:
    """Return whether pods may still write files, or create the folders that they mount.

    A check would write new tables behind the removal, and the kubelet creates the folder of a
    missing artifact for a container that starts.
    """
    since = ctx.model.deleting_since
    pods = ctx.observed.running_pods
    if not pods or since is None or ctx.now - since >= _PATIENCE:
        return False
    message = f"the removal of tables and artifacts waits for the end of {', '.join(pods)[:1024]}"
    out.condition(ConditionType.PROGRESSING, "True", Reason.DELETING, message)
    return True


def _remove_artifacts(ctx: Context, out: Outcome) -> None:
    name = ctx.model.name
    if ctx.storage.store is not None:
        # Without a usable claim no Job can remove anything.
        out.warn(Reason.ARTIFACTS_LEFT_BEHIND, ctx.storage.store[1])
        out.finish()
        return
    paths = [names.artifacts_path(name), names.staging_path(name), names.lake_path(name)]
    for attempt in range(ATTEMPTS):
        job = pipeline_jobs.removal(ctx, name, attempt, ctx.model.uid)
        if job is None:
            inputs = {"paths": ",".join(paths)}
            out.do(StartJob(kind=JobKind.REMOVE, version=name, attempt=attempt, inputs=inputs))
            return
        if job.phase == "Running":
            return
        if job.phase == "Succeeded":
            out.finish()
            return
    message = (
        f"{', '.join(paths)} could not be removed in {ATTEMPTS} attempts: remove them manually"
    )
    out.warn(Reason.ARTIFACTS_LEFT_BEHIND, message)
    out.finish()
