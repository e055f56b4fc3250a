"""The section data of the spec: the source, the window and the data version of a training."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from recommender_contract.resource.base import ApiModel
from recommender_contract.resource.checks import DataChecks
from recommender_contract.resource.mapping import DataMapping, Format
from recommender_operator.api.spec_snapshots import DATA_VERSION, DataSnapshots

RELATIVE_PATH = r"^[A-Za-z0-9_][A-Za-z0-9_./-]*$"


class ClaimFolder(ApiModel):
    claim_name: str = Field(
        description="PersistentVolumeClaim that holds the raw data.", max_length=253
    )
    path: str = Field(
        default="data",
        description="Folder in the claim, relative to its root; the claim is mounted read-only. "
        "If it is the claim of the artifact store, the folder must not be in lake, staging or "
        "artifacts.",
        pattern=RELATIVE_PATH,
        max_length=512,
    )


class DataSource(ApiModel):
    persistent_volume_claim: ClaimFolder = Field(
        description="The folder is in a PersistentVolumeClaim."
    )
    format: Format = Field(
        description="Required: the format of the raw files. All need a mapping but MovieLens100K, "
        "the sample. "
        "With Delta, `files` in the mapping names folders of Delta tables, for example those of "
        "an event collector; each check reads the data files that are new in the latest version.",
    )
    mapping: DataMapping | None = Field(
        default=None,
        description="Maps the columns of the raw files to the fields that training uses.",
    )


class DataWindow(ApiModel):
    days: int | None = Field(
        default=None,
        ge=1,
        le=36500,
        description="Train on this many days up to the newest event; on all rows if absent.",
    )


class DataSpec(ApiModel):
    source: DataSource = Field(description="Location of the raw interactions, users and items.")
    window: DataWindow = Field(default=DataWindow(), description="Rolling training window.")
    min_rows: int = Field(
        default=1000,
        ge=1,
        description="Minimum number of usable rows in the window; the data check fails below it.",
    )
    max_quarantined_share: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Maximum share of rows that violate the schema; the data check fails above "
        "it.",
    )
    checks: DataChecks = Field(
        default=DataChecks(),
        description="Checks of the data against the training data of the current champion.",
    )
    snapshots: DataSnapshots | None = Field(
        default=None,
        description="Take snapshots of the data on a schedule; if absent, data is ingested only "
        "when a version is trained. A change here does not create a version.",
    )
    version: str | None = Field(
        default=None,
        pattern=DATA_VERSION,
        max_length=253,
        description="Train on this data version of an earlier check or snapshot, without reading "
        "the source.",
    )
    as_of: AwareDatetime | None = Field(
        default=None,
        description="Train on the newest snapshot taken at or before this time, without reading "
        "the source.",
    )

    @property
    def pinned(self) -> str:
        """The field that pins the data to an earlier state, with its value; empty if none does."""
        if self.version is not None:
            return f"data.version ({self.version})"
        return f"data.asOf ({self.as_of.isoformat()})" if self.as_of is not None else ""
