"""The sections drift and retrain of the spec."""

from __future__ import annotations

from pydantic import Field

from recommender_operator.api.base import ApiModel


class DriftSpec(ApiModel):
    enabled: bool = Field(default=True, description="Monitor the served sessions for drift.")
    dry_run: bool = Field(
        default=False,
        description="Report drift, breaks of a candidate and the reactions to them, but do not "
        "retrain, recalibrate, block promotions or roll back because of them.",
    )
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
    roll_back_if_better: bool = Field(
        default=False,
        description="If the champion's loss rose and the previous version is better on the same "
        "rows, which neither was trained on, roll back to it; if false, the operator only "
        "proposes it, with both figures.",
    )


class RetrainSpec(ApiModel):
    on_drift: bool = Field(
        default=True,
        description="Start a retraining or a recalibration after confirmed drift.",
    )
    after_snapshots: int | None = Field(
        default=None,
        ge=1,
        le=10000,
        description="Start a retraining after this many snapshots with new rows since the last "
        "one (data.snapshots); never if absent.",
    )
    lock_after_rollbacks: int = Field(
        default=2,
        ge=1,
        le=20,
        description="Number of automatic rollbacks in a row that locks the model until the "
        "annotation recommender.dev/retry is set.",
    )
