"""The reports that the pipeline's Jobs write as their termination message.

Their fields are those of `recommender_contract.job_reports`, with which training writes them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, TypeVar

import pydantic
from pydantic import Field

from recommender_contract.job_reports import (
    CheckFields,
    PublishFields,
    RecalibrateFields,
    SnapshotFields,
    TrainFields,
)
from recommender_contract.resource.base import ApiModel

#: Mount path of the artifact store's claim in a Job.
STORE_MOUNT = "/store/"
_MAX_PATH = 1024


class ReportError(Exception):
    """A report violates its schema; the message names the first invalid field."""


def _relative_to_claim(path: str) -> str:
    """Return a path relative to the claim's root; a Job reports it below its mount path.

    Raises:
        ValueError: the path is empty, too long, or not below the mount path.
    """
    if not 1 <= len(path) <= _MAX_PATH:
        raise ValueError(f"a path of {len(path)} characters, not of 1 to {_MAX_PATH}")
    inside = path.removeprefix(STORE_MOUNT)
    if inside.startswith("/") or ".." in inside.split("/"):
        raise ValueError(f"{path!r} is not below {STORE_MOUNT}")
    return inside


class _Report(ApiModel):
    schema_: Literal["recommender.dev/report/v1"] = Field(alias="schema")
    ok: Literal[True]


class CheckReport(_Report, CheckFields):
    kind: Literal["check"]


class SnapshotReport(_Report, SnapshotFields):
    kind: Literal["snapshot"]


class TrainReport(_Report, TrainFields):
    kind: Literal["train"]

    _below_the_mount = pydantic.field_validator("staged_path")(_relative_to_claim)

    @property
    def finite_metrics(self) -> dict[str, float]:
        """The finite metrics; the API server's JSON has no NaN."""
        return {
            name: value
            for name, value in self.metrics.items()
            if value is not None and math.isfinite(value)
        }


class RecalibrateReport(_Report, RecalibrateFields):
    kind: Literal["recalibrate"]

    _below_the_mount = pydantic.field_validator("staged_path")(_relative_to_claim)


class PublishReport(_Report, PublishFields):
    kind: Literal["publish"]

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
