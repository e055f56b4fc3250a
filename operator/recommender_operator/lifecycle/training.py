"""Training on the data version of the check."""

from __future__ import annotations

from recommender_contract.job_reports import ChampionReport
from recommender_operator.analysis.drift_reactions import Reaction
from recommender_operator.api.conditions import Reason
from recommender_operator.api.report import TrainReport
from recommender_operator.api.spec import AT_EXPLORED_PLACES
from recommender_operator.api.version import Artifact, Comparison, VersionStage
from recommender_operator.api.version_previous import PreviousComparison
from recommender_operator.context import Context, Outcome, drift_causes
from recommender_operator.lifecycle import pipeline_jobs, workers
from recommender_operator.observed import JobKind
from recommender_operator.resources import names


def train_version(ctx: Context, out: Outcome) -> None:
    """Training: run the train Job; its report has lineage, metrics and the staged artifact."""
    version = ctx.candidate
    if version is None:
        return
    lineage = version.status.lineage
    if lineage is None:
        out.move(version.name, VersionStage.CHECKING_DATA)
        return
    if workers.missing(ctx, version):
        workers.wait(out)
        return
    warm = version.spec.training.warm_start is not None
    inputs = {"data_version": lineage.data_version, **_champion(ctx, warm=warm)}
    trained = pipeline_jobs.result(ctx, out, version, JobKind.TRAIN, TrainReport, inputs)
    if trained is None:
        return
    if trained.data_version != lineage.data_version:
        message = f"trained on {trained.data_version}, but {lineage.data_version} was checked"
        pipeline_jobs.fail(out, version, Reason.DATA_VERSION_MISMATCH, message)
        return
    folder = names.staged_path(ctx.model.name, version.name, version.status.attempt)
    if not pipeline_jobs.reports_folder(
        out, version, JobKind.TRAIN, "stagedPath", trained.staged_path, folder
    ):
        return
    out.move(
        version.name,
        VersionStage.EVALUATING,
        lineage=lineage.model_copy(
            update={"code_version": trained.code_version, "seed": trained.seed}
        ),
        metrics=trained.finite_metrics,
        comparison=_comparison(trained.champion),
        previous=_previous_comparison(trained.champion),
        search=trained.search,
        staged=Artifact(path=trained.staged_path, digest=trained.digest),
    )


def _champion(ctx: Context, *, warm: bool) -> dict[str, str]:
    """Return path and digest of the champion's artifact if anything compares with it.

    That is a gate, a warm start, or the previous version, whose artifact follows then.
    """
    champion = ctx.champion
    artifact = champion.status.artifact if champion is not None else None
    previous = _previous(ctx)
    compares = any(
        gate.champion_margin is not None or gate.metric in AT_EXPLORED_PLACES
        for gate in ctx.spec.evaluation.gates
    )
    if artifact is None or not (compares or warm or previous):
        return {}
    return {"champion_path": artifact.path, "champion_digest": artifact.digest, **previous}


def _previous(ctx: Context) -> dict[str, str]:
    """Return path and digest of the previous version's artifact while it may be better."""
    previous = ctx.previous
    artifact = previous.status.artifact if previous is not None else None
    if artifact is None or Reaction.ROLL_BACK_IF_BETTER not in drift_causes.wanted(ctx):
        return {}
    return {"previous_path": artifact.path, "previous_digest": artifact.digest}


def _comparison(reported: ChampionReport | None) -> Comparison | None:
    if reported is None:
        return None
    return Comparison(
        digest=reported.digest,
        compared=reported.compared,
        saw_test_rows=reported.saw_test_rows,
        message=reported.message[:1024],
    )


def _previous_comparison(reported: ChampionReport | None) -> PreviousComparison | None:
    if reported is None or reported.previous is None:
        return None
    return PreviousComparison(
        champion_digest=reported.digest, **reported.previous.model_dump(by_alias=False)
    )
