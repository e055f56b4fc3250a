"""Reports of Jobs: what training writes as a termination message, and the operator reads.

A report is a head (`schema`, `kind`, `ok`, `reason`, `message`) and the fields of its kind, which
are written in the order of their model. What a status shows as it was reported has descriptions.
"""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field, WithJsonSchema, field_serializer

from recommender_contract.resource.base import ApiModel

SCHEMA: Literal["recommender.dev/report/v1"] = "recommender.dev/report/v1"
#: Limit of a termination message.
MAX_BYTES = 4096

#: A number that is written as it was given, 16 and not 16.0.
Number = Annotated[int | float, WithJsonSchema({"type": "number"})]
Count = Annotated[int, Field(ge=0)]
DataVersion = Annotated[str, Field(min_length=1, max_length=253)]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class Fields(ApiModel):
    """The fields of a kind of report."""

    def fields(self) -> dict[str, Any]:
        """Return those that are set, as in JSON."""
        return self.model_dump(mode="json", exclude_unset=True)


class CheckFinding(ApiModel):
    check: str = Field(max_length=63)
    table: str = Field(max_length=63)
    feature: str = Field(max_length=253)
    level: Literal["warn", "block"]
    value: str = Field(max_length=1024)
    expected: str = ""
    remedy: str = ""


class CheckSummary(ApiModel):
    """Results of the data checks: counts and the first findings."""

    level: str = "pass"  # the worst of all
    compared_with: str | None = Field(default=None, max_length=253)
    passed: Count = 0
    warned: Count = 0
    blocked: Count = 0
    findings: tuple[CheckFinding, ...] = Field(default=(), max_length=50)
    more: Count = 0  # findings that are not listed


class CheckFields(Fields):
    data_version: DataVersion
    rows: Count
    quarantined_rows: Count = 0
    window_start: str = ""
    window_end: str = ""
    checks: CheckSummary | None = None  # absent if nothing was checked


class SegmentShift(ApiModel):
    feature: str = Field(max_length=64, description="Feature that shifted.")
    segment: str = Field(
        max_length=64, description="Feature with segments or fairness that divides the sessions."
    )
    value: str = Field(max_length=64, description="Its value, or band, whose sessions shifted.")
    message: str = Field(
        max_length=320, description="Shares of the newest window and of the training."
    )

    def __str__(self) -> str:
        return f"{self.feature} in {self.segment}={self.value}"


class SegmentShifts(ApiModel):
    compared_with: str = Field(
        max_length=253, description="Data version of the champion's training."
    )
    until: datetime.datetime | None = Field(
        default=None, description="End of the newest day that was looked at."
    )
    segments: int = Field(default=0, ge=0, description="Segments with enough sessions for a test.")
    small: int = Field(default=0, ge=0, description="Segments with too few.")
    shifts: tuple[SegmentShift, ...] = Field(
        default=(),
        max_length=10,
        description="Confirmed shifts: consecutiveWindows windows of the segment in a row.",
    )
    more: int = Field(default=0, ge=0, description="Confirmed shifts that are not listed.")
    message: str = Field(
        default="", max_length=1024, description="Why nothing was compared; empty if it was."
    )


class SnapshotFields(Fields):
    taken_at: pydantic.AwareDatetime
    data_version: DataVersion
    rows: Count
    new_rows: Count
    quarantined_rows: Count = 0
    snapshots: int = Field(ge=1)
    oldest: pydantic.AwareDatetime
    #: Absent without a champion or a feature that divides sessions.
    segments: SegmentShifts | None = None
    files_removed: Count = 0

    @field_serializer("segments")
    def _with_an_offset(self, segments: SegmentShifts) -> dict[str, Any]:
        """Write `until` with +00:00, as all reports do, and not with Z."""
        found = segments.model_dump(mode="json", exclude_unset=True)
        until = {} if segments.until is None else {"until": segments.until.isoformat()}
        return found | until


class SearchResult(ApiModel):
    sampler: str = Field(max_length=32, description="How trials were chosen.")
    trials: int = Field(ge=0, description="Number of trials.")
    pruned: int = Field(default=0, ge=0, description="Trials that were stopped early.")
    failed: int = Field(
        default=0, ge=0, description="Trials whose loss diverged or whose process died."
    )
    folds: int = Field(default=1, ge=1, description="Folds that each trial was evaluated on.")
    best_trial: int = Field(ge=0, description="Number of the best trial.")
    best_log_loss: float = Field(
        description="Its validation log loss, mean over the folds. It is optimistic, because it "
        "is the minimum of all trials."
    )
    given_log_loss: float | None = Field(
        default=None, description="Validation log loss of the settings in the spec."
    )
    hyperparameters: dict[str, Number] = Field(
        default={}, description="Best values of the searched hyperparameters."
    )
    seeds: int = Field(default=1, ge=1, description="Number of fits of the best settings.")
    seed_log_loss_deviation: float | None = Field(
        default=None, description="Standard deviation of their validation log loss."
    )
    seed_auc_deviation: float | None = Field(
        default=None, description="Standard deviation of their validation AUC."
    )


class PreviousReport(ApiModel):
    """The champion and the version before it on the same rows, or why not (`message`)."""

    digest: Digest = Field(description="Digest of the previous version's artifact.")
    message: str = Field(default="", max_length=1024, description="Why they were not compared.")
    rows: int = Field(
        default=0,
        ge=0,
        description="Rows of the test window that neither was trained on; they are compared on "
        "these.",
    )
    users: int = Field(default=0, ge=0, description="Users of these rows.")
    log_loss: float = Field(
        default=0.0, allow_inf_nan=False, description="Log loss of the previous version, in nats."
    )
    champion_log_loss: float = Field(
        default=0.0, allow_inf_nan=False, description="Log loss of the champion."
    )
    gain_low: float = Field(
        default=0.0,
        allow_inf_nan=False,
        description="Lower end of the 98 % interval, over users, of what the previous version's "
        "log loss is below the champion's.",
    )
    gain_high: float = Field(default=0.0, allow_inf_nan=False, description="Upper end of it.")
    auc: float = Field(
        default=0.0, allow_inf_nan=False, description="AUC of the previous version."
    )
    champion_auc: float = Field(
        default=0.0, allow_inf_nan=False, description="AUC of the champion."
    )
    since: pydantic.AwareDatetime | None = Field(
        default=None, description="Time of the first row."
    )
    until: pydantic.AwareDatetime | None = Field(default=None, description="Time of the last row.")


class ChampionReport(ApiModel):
    """The comparison with the champion on the rows of the test window."""

    digest: Digest
    compared: bool
    saw_test_rows: Count | None = None
    unknown_item_rows: Count | None = None
    message: str = ""  # why it was not compared
    previous: PreviousReport | None = None


class TrainFields(Fields):
    data_version: DataVersion
    seed: int | None = None
    rows: Count
    code_version: str = Field(default="", max_length=253)
    metrics: dict[str, Number | None]
    worst_segment: str | None = None
    fault: dict[str, Any] | None = None
    search: SearchResult | None = None
    staged_path: str
    digest: Digest
    champion: ChampionReport | None = None


class RecalibrateFields(Fields):
    staged_path: str
    digest: Digest


class PublishFields(Fields):
    path: str
    digest: Digest


class RemoveFields(Fields):
    removed: tuple[str, ...]
