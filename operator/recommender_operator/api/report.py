"""The reports that the pipeline's Jobs write as their termination message.

The training package writes them; docs/contracts.md specifies them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, TypeVar

import pydantic
from pydantic import Field

from recommender_contract.resource.base import ApiModel
from recommender_operator.api.status_segments import SegmentShifts
from recommender_operator.api.version import SearchResult
from recommender_operator.api.version_previous import PreviousComparison

SCHEMA: Literal["recommender.dev/report/v1"] = "recommender.dev/report/v1"

#: Mount path of the artifact store's claim in a Job.
STORE_MOUNT = "/store/"


class ReportError(Exception):
    """A report violates its schema; the message names the first invalid field."""


def _relative_to_claim(path: str) -> str:
    """Return a path relative to the claim's root; a Job reports it below its mount path.

    Raises:
        ValueError: the path is not below the mount path.
    """
    inside = path.removeprefix(STORE_MOUNT)
    if inside.startswith("/") or ".." in inside.split("/"):
        raise ValueError(f"{path!r} is not below {STORE_MOUNT}")
    return inside


class _Report(ApiModel):
    schema_: Literal["recommender.dev/report/v1"] = Field(alias="schema")
    ok: Literal[True]


class CheckFinding(ApiModel):
    check: str = Field(max_length=63)
    table: str = Field(max_length=63)
    feature: str = Field(max_length=253)
    level: Literal["warn", "block"]
    value: str = Field(max_length=1024)


class CheckSummary(ApiModel):
    """Results of the data checks: counts and the first findings."""

    compared_with: str | None = Field(default=None, max_length=253)
    passed: int = Field(default=0, ge=0)
    warned: int = Field(default=0, ge=0)
    findings: tuple[CheckFinding, ...] = Field(default=(), max_length=50)


class CheckReport(_Report):
    kind: Literal["check"]
    data_version: str = Field(min_length=1, max_length=253)
    rows: int = Field(ge=0)
    quarantined_rows: int = Field(default=0, ge=0)
    #: Absent in reports of training images without data checks.
    checks: CheckSummary | None = None


class SnapshotReport(_Report):
    kind: Literal["snapshot"]
    data_version: str = Field(min_length=1, max_length=253)
    taken_at: pydantic.AwareDatetime
    rows: int = Field(ge=0)
    new_rows: int = Field(ge=0)
    quarantined_rows: int = Field(default=0, ge=0)
    snapshots: int = Field(ge=1)
    oldest: pydantic.AwareDatetime
    #: Absent without a champion or a feature that divides sessions.
    segments: SegmentShifts | None = None


class PreviousReport(ApiModel):
    """The champion and the version before it on the same rows, or why not (`message`)."""

    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    message: str = ""
    rows: int = Field(default=0, ge=0)
    users: int = Field(default=0, ge=0)
    since: pydantic.AwareDatetime | None = None
    until: pydantic.AwareDatetime | None = None
    log_loss: float = Field(default=0.0, allow_inf_nan=False)
    champion_log_loss: float = Field(default=0.0, allow_inf_nan=False)
    gain_low: float = Field(default=0.0, allow_inf_nan=False)
    gain_high: float = Field(default=0.0, allow_inf_nan=False)
    auc: float = Field(default=0.0, allow_inf_nan=False)
    champion_auc: float = Field(default=0.0, allow_inf_nan=False)

    def of(self, champion_digest: str) -> PreviousComparison:
        """Return it as the status has it."""
        fields = self.model_dump() | {"message": self.message[:1024]}
        return PreviousComparison(champion_digest=champion_digest, **fields)


class ChampionReport(ApiModel):
    """The comparison with the champion on the rows of the test window."""

    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    compared: bool
    saw_test_rows: int | None = Field(default=None, ge=0)
    unknown_item_rows: int | None = Field(default=None, ge=0)
    message: str = ""
    previous: PreviousReport | None = None


class TrainReport(_Report):
    kind: Literal["train"]
    data_version: str = Field(min_length=1, max_length=253)
    rows: int = Field(ge=0)
    code_version: str = Field(default="", max_length=253)
    seed: int | None = None
    metrics: dict[str, float | None]
    search: SearchResult | None = None
    staged_path: str = Field(min_length=1, max_length=1024)
    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    champion: ChampionReport | None = None

    _below_the_mount = pydantic.field_validator("staged_path")(_relative_to_claim)

    @property
    def finite_metrics(self) -> dict[str, float]:
        """The finite metrics; the API server's JSON has no NaN."""
        return {
            name: value
            for name, value in self.metrics.items()
            if value is not None and math.isfinite(value)
        }


class RecalibrateReport(_Report):
    kind: Literal["recalibrate"]
    staged_path: str = Field(min_length=1, max_length=1024)
    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")

    _below_the_mount = pydantic.field_validator("staged_path")(_relative_to_claim)


class PublishReport(_Report):
    kind: Literal["publish"]
    path: str = Field(min_length=1, max_length=1024)
    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")

    _below_the_mount = pydantic.field_validator("path")(_relative_to_claim)


ReportT = TypeVar("ReportT", bound=_Report)


def parse(model: type[ReportT], report: Mapping[str, object] | None) -> ReportT:
    """Return the typed report.

    Raises:
        ReportError: the report is missing or violates its schema.
    """
    if report is None:
        raise ReportError("the Job wrote no report")
    try:
        return model.model_validate(dict(report))
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ReportError(f"field {field!r}: {first['msg']}") from error
