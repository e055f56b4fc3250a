"""Scheduled snapshots of the data: `spec.data.snapshots`."""

from __future__ import annotations

import enum

from pydantic import Field

from recommender_contract.resource.base import ApiModel

#: Form of a data version: Delta versions of the tables and a digest of their rows
#: (`recommender_training.data.data_versions`).
DATA_VERSION = r"^i[0-9]+\.u[0-9]+\.t[0-9]+(\.e[0-9]+)?-[0-9a-f]{16}$"


class SnapshotPeriod(enum.StrEnum):
    HOURLY = "Hourly"
    DAILY = "Daily"


class DataSnapshots(ApiModel):
    every: SnapshotPeriod = Field(
        default=SnapshotPeriod.DAILY,
        description="Take one snapshot per hour or per day (UTC): new rows of the source are "
        "added to the tables, and the result gets a data version.",
    )
    keep: int = Field(
        default=30,
        ge=1,
        le=10000,
        description="Number of newest snapshots to keep. Files that no kept snapshot, artifact "
        "or training needs are deleted after a week.",
    )
