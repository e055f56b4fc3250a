"""The section retrain of the spec: drift, and what follows from it."""

from __future__ import annotations

import enum

from pydantic import Field

from recommender_contract.resource.base import ApiModel


class RetrainMode(enum.StrEnum):
    """What happens without a person after a drift or new snapshots."""

    MANUAL = "Manual"
    PROPOSE = "Propose"
    AUTO = "Auto"


class DriftSpec(ApiModel):
    enabled: bool = Field(default=True, description="Monitor the served sessions for drift.")
    window_sessions: int = Field(
        default=500,
        ge=20,
        le=1000000,
        description="Sessions per window; with fewer the verdict is Inconclusive.",
    )
    alpha: float = Field(
        default=0.01,
        gt=0,
        le=0.2,
        description="Family-wise error rate of one window (Holm). The segments of the labels "
        "share half as much beside it, and so do those of the sessions.",
    )
    effect_floor: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Smallest total variation distance (0..1) that counts as a shift. Also the "
        "smallest rise of the loss, relative to the champion's first week, and the smallest "
        "change of the calibration, as a share of the expected positive labels.",
    )
    consecutive_windows: int = Field(
        default=3,
        ge=1,
        le=20,
        description="Number of shifted windows in a row before the operator acts.",
    )
    cooldown_seconds: int = Field(
        default=86400, ge=0, le=2592000, description="Minimum time between two reactions to drift."
    )


class RetrainSpec(ApiModel):
    mode: RetrainMode = Field(
        default=RetrainMode.PROPOSE,
        description="What the operator does by itself after a confirmed drift or enough "
        "snapshots: nothing (Manual); set the condition RetrainProposed, which the annotation "
        "recommender.dev/retrain accepts (Propose); or retrain, recalibrate, and go back to the "
        "previous version where that is better on the same rows (Auto). A first version and a "
        "changed spec are trained, and a bad candidate is rolled back, in every mode.",
    )
    on_drift: bool = Field(
        default=True,
        description="Propose or start a retraining or a recalibration after confirmed drift.",
    )
    after_snapshots: int | None = Field(
        default=None,
        ge=1,
        le=10000,
        description="Propose or start a retraining after this many snapshots with new rows since "
        "the last one (data.snapshots); never if absent.",
    )
    lock_after_rollbacks: int = Field(
        default=2,
        ge=1,
        le=20,
        description="Number of automatic rollbacks in a row that locks the model until the "
        "annotation recommender.dev/retry is set.",
    )
    drift: DriftSpec = Field(
        default=DriftSpec(),
        description="How the served data is monitored for drift, whatever the mode.",
    )
