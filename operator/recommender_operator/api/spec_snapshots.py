"""Snapshots of the data on a schedule, and which of them a version is trained on."""

from __future__ import annotations

import enum

from pydantic import Field

from recommender_operator.api.base import ApiModel

#: Delta versions of the tables and a digest of their rows (`recommender_training.data.lake`).
DATA_VERSION = r"^i[0-9]+\.u[0-9]+\.t[0-9]+-[0-9a-f]{16}$"


class SnapshotPeriod(enum.StrEnum):
    HOURLY = "Hourly"
    DAILY = "Daily"


class DataSnapshots(ApiModel):
    every: SnapshotPeriod = Field(
        default=SnapshotPeriod.DAILY,
        description="One snapshot in each hour, or in each day (UTC). What is new in the source "
        "is taken into the tables, and their state gets a data version.",
    )
    keep: int = Field(
        default=30,
        ge=1,
        le=10000,
        description="Newest snapshots that stay readable. Files that no kept snapshot, no "
        "artifact and no training needs are removed after a week.",
    )
