"""Check the data before anything is spent on training."""

from __future__ import annotations

from recommender_operator.api.report import CheckReport
from recommender_operator.api.version import Lineage, VersionStage
from recommender_operator.observed import JobKind
from recommender_operator.phases import jobs
from recommender_operator.phases.turn import Turn


def step(turn: Turn) -> None:
    """Pending and CheckingData: a good check fixes the data version that training reads."""
    version = turn.candidate
    if version is None:
        return
    if version.status.stage is VersionStage.PENDING:
        turn.move(version.name, VersionStage.CHECKING_DATA)
        return
    checked = jobs.result(turn, version, JobKind.CHECK, CheckReport, {})
    if checked is None:
        return
    lineage = Lineage(
        data_version=checked.data_version,
        data_rows=checked.rows,
        quarantined_rows=checked.quarantined_rows,
    )
    turn.move(version.name, VersionStage.TRAINING, lineage=lineage, failure=None, decision=None)
