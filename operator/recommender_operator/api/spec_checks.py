"""What the data are held against before anything is trained on them: `spec.data.checks`.

The other side of this contract is `recommender_training.data_checks.policy`; a test holds the two
together.
"""

from __future__ import annotations

import enum

from pydantic import Field

from recommender_operator.api.base import ApiModel


class CheckLevel(enum.StrEnum):
    IGNORE = "Ignore"
    WARN = "Warn"
    BLOCK = "Block"


class CheckLevels(ApiModel):
    users: CheckLevel = Field(
        default=CheckLevel.BLOCK, description="The window has one user alone."
    )
    items: CheckLevel = Field(
        default=CheckLevel.BLOCK, description="The window has one item alone."
    )
    labels: CheckLevel = Field(
        default=CheckLevel.BLOCK,
        description="A part of the window (train, validation, test) has positive responses alone, "
        "or none. Training refuses it in any case.",
    )
    cold: CheckLevel = Field(
        default=CheckLevel.WARN,
        description="No user of the validation part is known from the training part.",
    )
    schema_: CheckLevel = Field(
        default=CheckLevel.BLOCK,
        alias="schema",
        description="A column is gone or has another type.",
    )
    lost: CheckLevel = Field(
        default=CheckLevel.BLOCK, description="A column that had values has none any more."
    )
    nulls: CheckLevel = Field(
        default=CheckLevel.WARN, description="A column or feature is null more often."
    )
    ranges: CheckLevel = Field(
        default=CheckLevel.WARN,
        description="A hundredth of the values lies beyond all that were seen before.",
    )
    categories: CheckLevel = Field(
        default=CheckLevel.WARN, description="There are new categories, or one is gone."
    )
    volume: CheckLevel = Field(
        default=CheckLevel.BLOCK, description="The window has far fewer rows, users or items."
    )
    quarantine: CheckLevel = Field(
        default=CheckLevel.WARN, description="A larger share of the rows was put aside."
    )
    duplicates: CheckLevel = Field(
        default=CheckLevel.WARN, description="A larger share of the rows are duplicates."
    )
    shift: CheckLevel = Field(
        default=CheckLevel.WARN,
        description="Sessions have another distribution. Training on what is new is what a "
        "retraining is for, so this warns.",
    )


class DataChecks(ApiModel):
    max_volume_drop: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Share of the rows, users or items of the window that may be missing.",
    )
    max_null_increase: float = Field(
        default=0.05, ge=0, le=1, description="What a share of nulls may rise by."
    )
    max_quarantine_increase: float = Field(
        default=0.005,
        ge=0,
        le=1,
        description="What the share of rows put aside, or of duplicates, may rise by.",
    )
    effect_floor: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Smaller distances of distributions (total variation) are no shift.",
    )
    alpha: float = Field(
        default=0.01,
        gt=0,
        lt=1,
        description="Level of the tests of a check, corrected for their number.",
    )
    levels: CheckLevels = Field(
        default=CheckLevels(), description="What each check leads to: Ignore, Warn or Block."
    )
