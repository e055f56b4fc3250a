"""Deletion of a RecommenderModel: its children by ownership, artifacts by `deletionPolicy`."""

from __future__ import annotations

import datetime

from recommender_operator.actions import CancelJob, DeleteService, DeleteVersion, StartJob
from recommender_operator.api.conditions import ConditionType, Reason
from recommender_operator.api.spec import DeletionPolicy
from recommender_operator.api.status import Stage
from recommender_operator.context.reconcile_context import Turn
from recommender_operator.lifecycle import pipeline_jobs, serving_finalizer, snapshots
from recommender_operator.observed import JobKind
from recommender_operator.resources import names

#: Maximum number of removal Jobs; after that the resource is deleted and its folders stay.
ATTEMPTS = 3
_POLL = datetime.timedelta(seconds=5)
#: Maximum time to wait for pods that may still use the files: on a lost node, they never end.
_PATIENCE = datetime.timedelta(minutes=5)


def step(turn: Turn) -> None:
    """Finish at once with Retain; with Delete, remove services and versions, then the folders."""
    turn.set_status(stage=Stage.DELETING, observed_generation=turn.model.generation)
    if turn.spec.deletion_policy is DeletionPolicy.RETAIN:
        turn.finished = True
        return
    turn.requeue(_POLL)
    message = "services and versions are deleted first, then a Job removes tables and artifacts"
    turn.condition(ConditionType.PROGRESSING, "True", Reason.DELETING, message)
    for name in sorted(turn.observed.services):
        turn.do(DeleteService(version=name))
    for name in sorted(turn.versions):
        serving_finalizer.free(turn, name)
        turn.do(DeleteVersion(name=name))
    writers = snapshots.running(turn)
    for job in writers:
        turn.do(CancelJob(kind=job.kind, version=job.version, attempt=job.attempt))
    if not turn.observed.services and not turn.versions and not writers and not _in_use(turn):
        _remove_artifacts(turn)


def _in_use(turn: Turn) -> bool:
    """Return whether pods may still write files, or create the folders that they mount.

    A check would write new tables behind the removal, and the kubelet creates the folder of a
    missing artifact for a container that starts.
    """
    since = turn.model.deleting_since
    pods = turn.observed.running_pods
    if not pods or since is None or turn.now - since >= _PATIENCE:
        return False
    message = f"the removal of tables and artifacts waits for the end of {', '.join(pods)[:1024]}"
    turn.condition(ConditionType.PROGRESSING, "True", Reason.DELETING, message)
    return True


def _remove_artifacts(turn: Turn) -> None:
    name = turn.model.name
    if turn.storage.store is not None:
        # Without a usable claim no Job can remove anything.
        turn.warn(Reason.ARTIFACTS_LEFT_BEHIND, turn.storage.store[1])
        turn.finished = True
        return
    paths = [names.artifacts_path(name), names.staging_path(name), names.lake_path(name)]
    for attempt in range(ATTEMPTS):
        job = pipeline_jobs.removal(turn, name, attempt, turn.model.uid)
        if job is None:
            inputs = {"paths": ",".join(paths)}
            turn.do(StartJob(kind=JobKind.REMOVE, version=name, attempt=attempt, inputs=inputs))
            return
        if job.phase == "Running":
            return
        if job.phase == "Succeeded":
            turn.finished = True
            return
    message = (
        f"{', '.join(paths)} could not be removed in {ATTEMPTS} attempts: remove them manually"
    )
    turn.warn(Reason.ARTIFACTS_LEFT_BEHIND, message)
    turn.finished = True
