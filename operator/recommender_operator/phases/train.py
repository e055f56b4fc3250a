"""Train on the data version that was checked, and on no other."""

from __future__ import annotations

from recommender_operator.api.conditions import Reason
from recommender_operator.api.report import TrainReport
from recommender_operator.api.version import Artifact, VersionStage
from recommender_operator.observed import JobKind
from recommender_operator.phases import jobs
from recommender_operator.phases.turn import Turn


def step(turn: Turn) -> None:
    """Training: the report gives lineage, metrics and the staged artifact."""
    version = turn.candidate
    if version is None:
        return
    lineage = version.status.lineage
    if lineage is None:
        turn.move(version.name, VersionStage.CHECKING_DATA)
        return
    inputs = {"data_version": lineage.data_version}
    trained = jobs.result(turn, version, JobKind.TRAIN, TrainReport, inputs)
    if trained is None:
        return
    if trained.data_version != lineage.data_version:
        message = f"trained on {trained.data_version}, but {lineage.data_version} was checked"
        jobs.fail(turn, version, Reason.DATA_VERSION_MISMATCH, message)
        return
    turn.move(
        version.name,
        VersionStage.EVALUATING,
        lineage=lineage.model_copy(
            update={"code_version": trained.code_version, "seed": trained.seed}
        ),
        metrics=trained.finite_metrics,
        search=trained.search,
        staged=Artifact(path=trained.staged_path, digest=trained.digest),
    )
