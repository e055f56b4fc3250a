"""Publishing of the staged artifact under its digest; published artifacts never change."""

from __future__ import annotations

import datetime

from recommender_operator.api.conditions import Reason
from recommender_operator.api.report import PublishReport
from recommender_operator.api.version import Artifact, VersionStage
from recommender_operator.context import Context, Outcome
from recommender_operator.lifecycle import pipeline_jobs
from recommender_operator.observed import JobKind
from recommender_operator.resources import names

_LOOK = datetime.timedelta(seconds=5)


def publish_artifact(ctx: Context, out: Outcome) -> None:
    """Publishing: run the publish Job, and verify digest and path in its report."""
    version = ctx.candidate
    if version is None:
        return
    staged = version.status.staged
    if staged is None:
        out.move(version.name, VersionStage.TRAINING)
        return
    if any(job.kind is JobKind.REMOVE and job.phase == "Running" for job in ctx.observed.jobs):
        # Equal artifacts share a folder, so a running removal might delete the published one.
        out.requeue(_LOOK)
        return
    inputs = {"staged_path": staged.path, "digest": staged.digest}
    published = pipeline_jobs.result(ctx, out, version, JobKind.PUBLISH, PublishReport, inputs)
    if published is None:
        return
    if published.digest != staged.digest:
        message = f"published {published.digest}, but training reported {staged.digest}"
        pipeline_jobs.fail(out, version, Reason.DIGEST_MISMATCH, message)
        return
    folder = names.artifact_path(ctx.model.name, staged.digest)
    if not pipeline_jobs.reports_folder(
        out, version, JobKind.PUBLISH, "path", published.path, folder
    ):
        return
    artifact = Artifact(path=published.path, digest=published.digest)
    out.move(version.name, VersionStage.PUBLISHED, artifact=artifact)
