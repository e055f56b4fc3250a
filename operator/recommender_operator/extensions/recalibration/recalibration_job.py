"""A version with the network of another one and a new calibration: a Job writes it, none trains.

It reads no data: the operator has fitted the calibration to what the collector counted.
"""

from __future__ import annotations

from recommender_contract.resource.recalibration import Recalibration
from recommender_operator.api.conditions import Reason
from recommender_operator.api.report import RecalibrateReport
from recommender_operator.api.version import Artifact, VersionStage
from recommender_operator.context import Context, Outcome
from recommender_operator.lifecycle import pipeline_jobs
from recommender_operator.observed import JobKind, VersionObject
from recommender_operator.resources import names


def inherit(out: Outcome, version: VersionObject, wanted: Recalibration) -> None:
    """Pending: its data is that of the other version, so that it is as old as that."""
    source = out.versions.get(wanted.of)
    if source is None or source.status.lineage is None:
        _fail(out, version, wanted)
        return
    status = source.status
    out.move(
        version.name,
        VersionStage.TRAINING,
        lineage=source.status.lineage.model_copy(update={"recalibrated_from": wanted.of}),
        data_checks=status.data_checks,
        data_read=status.data_read,
        data_read_at=status.data_read_at,
        failure=None,
        decision=None,
    )


def recalibrate_version(
    ctx: Context, out: Outcome, version: VersionObject, wanted: Recalibration
) -> None:
    """Training: run the recalibrate Job; its report has the staged artifact."""
    source = ctx.versions.get(wanted.of)
    if source is None or source.status.artifact is None:
        _fail(out, version, wanted)
        return
    inputs = {
        "source_path": source.status.artifact.path,
        "source_digest": source.status.artifact.digest,
    }
    made = pipeline_jobs.result(ctx, out, version, JobKind.RECALIBRATE, RecalibrateReport, inputs)
    if made is None:
        return
    folder = names.staged_path(ctx.model.name, version.name, version.status.attempt)
    if not pipeline_jobs.reports_folder(
        out, version, JobKind.RECALIBRATE, "stagedPath", made.staged_path, folder
    ):
        return
    out.move(
        version.name,
        VersionStage.EVALUATING,
        # Its lists are those of the other version, and no probability was measured offline.
        metrics=source.status.metrics,
        staged=Artifact(path=made.staged_path, digest=made.digest),
    )


def _fail(out: Outcome, version: VersionObject, wanted: Recalibration) -> None:
    message = f"{wanted.of}, whose calibration it replaces, has no artifact any more"
    pipeline_jobs.fail(out, version, Reason.SOURCE_MISSING, message)
