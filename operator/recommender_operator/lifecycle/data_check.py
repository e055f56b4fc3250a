"""The data check before the training."""

from __future__ import annotations

from recommender_contract.job_reports import CheckSummary
from recommender_operator.api.conditions import Reason
from recommender_operator.api.report import CheckReport
from recommender_operator.api.version import DataChecked, DataWarning, Lineage, VersionStage
from recommender_operator.context import Context, Outcome
from recommender_operator.lifecycle import pipeline_jobs
from recommender_operator.observed import JobKind


def check_data(ctx: Context, out: Outcome) -> None:
    """Pending and CheckingData: a passed check determines the data version to train on."""
    version = ctx.candidate
    if version is None:
        return
    if version.status.stage is VersionStage.PENDING:
        out.move(version.name, VersionStage.CHECKING_DATA)
        return
    checked = pipeline_jobs.result(ctx, out, version, JobKind.CHECK, CheckReport, _inputs(ctx))
    if checked is None:
        return
    lineage = Lineage(
        data_version=checked.data_version,
        data_rows=checked.rows,
        quarantined_rows=checked.quarantined_rows,
    )
    data_checks = _data_checks(checked.checks)
    if data_checks is not None and data_checks.warnings:
        out.warn(Reason.DATA_WARNED, f"{version.name}: {words(data_checks)}", version=version.name)
    out.move(
        version.name,
        VersionStage.TRAINING,
        lineage=lineage,
        data_checks=data_checks,
        data_read=out.next_number(),
        data_read_at=ctx.now,
        failure=None,
        decision=None,
    )


def words(checked: DataChecked) -> str:
    """Return the warnings as text, with the features."""
    listed = [f"{each.feature} ({each.check}): {each.value}" for each in checked.warnings]
    if checked.warned > len(listed):
        listed.append(f"and {checked.warned - len(listed)} more")
    total = checked.warned + checked.passed
    return f"{checked.warned} of {total} checks warn: {'; '.join(listed)}"


def _inputs(ctx: Context) -> dict[str, str]:
    """Return the data version to compare with: that of the champion's training."""
    against = ctx.champion.data_version if ctx.champion is not None else None
    return {"against": against} if against is not None else {}


def _data_checks(checks: CheckSummary | None) -> DataChecked | None:
    if checks is None:
        return None
    return DataChecked(
        compared_with=checks.compared_with,
        passed=checks.passed,
        warned=checks.warned,
        warnings=tuple(
            DataWarning(check=f.check, feature=f"{f.table}.{f.feature}", value=f.value)
            for f in checks.findings
        ),
    )
