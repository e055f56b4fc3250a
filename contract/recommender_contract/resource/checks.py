"""Checks of the data before a training: `spec.data.checks`."""

from __future__ import annotations

import enum

from pydantic import Field

from recommender_contract.resource.base import ApiModel


class CheckLevel(enum.StrEnum):
    IGNORE = "Ignore"
    WARN = "Warn"
    BLOCK = "Block"


class CheckLevels(ApiModel):
    users: CheckLevel = Field(
        default=CheckLevel.BLOCK, description="The window has only one user."
    )
    items: CheckLevel = Field(
        default=CheckLevel.BLOCK, description="The window has only one item."
    )
    labels: CheckLevel = Field(
        default=CheckLevel.BLOCK,
        description="A part of the window (train, validation, test) has only positive responses, "
        "or none. Training fails on it in any case.",
    )
    cold: CheckLevel = Field(
        default=CheckLevel.WARN,
        description="No user of the validation part is in the training part.",
    )
    concentration: CheckLevel = Field(
        default=CheckLevel.WARN,
        description="One user has a large share of the positive responses of a part of the "
        "window, as a bot has.",
    )
    features: CheckLevel = Field(
        default=CheckLevel.WARN,
        description="A declared feature has no values, or more categories than its maxCategories.",
    )
    schema_: CheckLevel = Field(
        default=CheckLevel.BLOCK,
        alias="schema",
        description="A column is missing or has another type.",
    )
    lost: CheckLevel = Field(
        default=CheckLevel.BLOCK, description="A column that had values has none now."
    )
    nulls: CheckLevel = Field(
        default=CheckLevel.WARN, description="A column or feature is null more often."
    )
    ranges: CheckLevel = Field(
        default=CheckLevel.WARN,
        description="At least 1 % of the values are outside the range of the earlier data.",
    )
    categories: CheckLevel = Field(
        default=CheckLevel.WARN, description="There are new categories, or one is missing."
    )
    volume: CheckLevel = Field(
        default=CheckLevel.BLOCK, description="The window has far fewer rows, users or items."
    )
    quarantine: CheckLevel = Field(
        default=CheckLevel.WARN, description="A larger share of the rows is quarantined."
    )
    duplicates: CheckLevel = Field(
        default=CheckLevel.WARN, description="A larger share of the rows are duplicates."
    )
    shift: CheckLevel = Field(
        default=CheckLevel.WARN,
        description="Sessions have a different distribution. This only warns by default, because "
        "a retraining is meant to learn from new data.",
    )
    segments: CheckLevel = Field(
        default=CheckLevel.WARN,
        description="Since the compared data version, a feature has another distribution in the "
        "sessions of one segment, in several windows in a row.",
    )

    def of(self, check: str) -> CheckLevel:
        """Return the level of a check."""
        level: CheckLevel = getattr(self, "schema_" if check == "schema" else check)
        return level


class DataChecks(ApiModel):
    max_volume_drop: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Maximum share by which the rows, users or items of the window may drop.",
    )
    max_null_increase: float = Field(
        default=0.05, ge=0, le=1, description="Maximum increase of a share of nulls."
    )
    max_quarantine_increase: float = Field(
        default=0.005,
        ge=0,
        le=1,
        description="Maximum increase of the share of quarantined rows, or of duplicates.",
    )
    effect_floor: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Minimum total variation distance that counts as a shift.",
    )
    alpha: float = Field(
        default=0.01,
        gt=0,
        lt=1,
        description="Significance level of each check, corrected for its number of tests.",
    )
    levels: CheckLevels = Field(
        default=CheckLevels(),
        description="What each check does if it fails: Ignore, Warn or Block.",
    )
