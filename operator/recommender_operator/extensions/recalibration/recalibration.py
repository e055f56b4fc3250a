"""A new calibration of the champion in place of a retraining, after a drift of the calibration."""

from __future__ import annotations

from collections.abc import Iterable

from recommender_contract.resource.recalibration import Recalibration
from recommender_operator.analysis.drift_reactions import Reaction
from recommender_operator.api.conditions import Reason
from recommender_operator.api.status import RetrainStatus
from recommender_operator.api.version import GateResult, ModelVersionSpec, VersionStage
from recommender_operator.context import Context, Outcome
from recommender_operator.context.extension import Derivation, Extension, Refused
from recommender_operator.extensions.recalibration import (
    recalibrate_champion,
    recalibrated_gates,
    recalibration_job,
    stored_recalibrations,
)
from recommender_operator.observed import VersionObject

_NOUN = "recalibration"


class Recalibrate(Extension):
    """A version with the champion's network and a calibration fitted to served labels."""

    reaction = Reaction.RECALIBRATE
    noun = _NOUN

    def obstacle(self, ctx: Context, champion: VersionObject) -> str | None:
        """Wait for labels that can be used, and for windows to fit and to judge."""
        return recalibrate_champion.obstacle(ctx, champion)

    def plan(self, ctx: Context, champion: VersionObject) -> Derivation | Refused:
        """Fit the calibration to the labels of the windows that failed."""
        found = recalibrate_champion.plan(ctx, champion)
        return found if isinstance(found, Refused) else _derivation(found)

    def is_wanted(self, ctx: Context, retrain: RetrainStatus) -> bool:
        """Drop a new calibration of another champion, or of another time."""
        return stored_recalibrations.is_wanted(
            ctx.model, retrain, ctx.versions, ctx.champion, ctx.now
        )

    def derivation(self, made: RetrainStatus | ModelVersionSpec) -> Derivation | None:
        """Return how a version with a new calibration is made."""
        return None if made.recalibration is None else _derivation(made.recalibration)

    def advance(self, ctx: Context, out: Outcome, version: VersionObject) -> bool:
        """Inherit the data, and run the recalibrate Job in place of a training."""
        made, stage = version.spec.recalibration, version.status.stage
        if made is None:
            return False
        if stage in (VersionStage.PENDING, VersionStage.CHECKING_DATA):
            recalibration_job.inherit(out, version, made)
        elif stage is VersionStage.TRAINING:
            recalibration_job.recalibrate_version(ctx, out, version, made)
        else:
            return False
        return True

    def gates(self, ctx: Context, version: VersionObject) -> tuple[GateResult, ...] | None:
        """Judge the gain, beside the results of the version whose lists it has."""
        made = version.spec.recalibration
        if made is None:
            return None
        source = ctx.versions.get(made.of)
        passed = source.status.gates if source is not None else ()
        asked, metrics = ctx.spec.evaluation.gates, version.status.metrics
        return recalibrated_gates.evaluate(made, asked, metrics, passed)

    def spares(self, ctx: Context) -> Iterable[str]:
        """Keep what was tried on the champion: it is not tried again."""
        found = stored_recalibrations.recalibrations_of(ctx.champion, ctx.versions.values())
        return [version.name for version in found]


def _derivation(made: Recalibration) -> Derivation:
    return Derivation(
        source=made.of,
        fields={"recalibration": made},
        noun=_NOUN,
        trigger="Recalibrate",
        cause="calibration",
        reason=Reason.RECALIBRATION_STARTED,
    )
