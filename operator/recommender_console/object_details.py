"""Fields that the console shows and the kubectl plugin does not: names of fields are only here.

As in `recommender_kubectl`, a field has the name of its field in the API, or names it, and
whatever is absent reads as empty.
"""

from __future__ import annotations

import dataclasses
import datetime
import ipaddress
from collections.abc import Mapping
from dataclasses import field

from recommender_contract.api_names import COMPONENT_LABEL, JOB_KIND_LABEL, VERSION_LABEL
from recommender_contract.typed_json import Json, at, read, read_time
from recommender_kubectl import fields
from recommender_kubectl.objects import Model, Version


@dataclasses.dataclass(frozen=True, kw_only=True)
class Effect:
    """Distance of a feature of the served sessions from the training data."""

    feature: str
    effect: float
    limit: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class SegmentLoss:
    """The log loss of a segment by labels, in the last window and in the first week."""

    name: str
    users: int
    loss: float = field(metadata=at("logLoss"))
    before: float = field(metadata=at("referenceLogLoss"))
    breaches_in_a_row: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShiftedSegment:
    """A feature that shifted inside a segment of the sessions since the champion's training."""

    feature: str
    segment: str
    message: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class SegmentsOfSessions:
    """The sessions since the champion's training, compared with it inside each segment."""

    #: Segments that were tested, and those with too few sessions.
    tested: int = field(metadata=at("segments"))
    small: int
    until: datetime.datetime | None
    shifts: tuple[ShiftedSegment, ...]
    #: Shifts that the status does not list.
    more: int
    #: Why nothing was compared; empty if it was.
    message: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drift:
    """The last window of sessions, compared with the champion's training data."""

    windows: int
    breaches_in_a_row: int
    verdict: str = "Inconclusive"
    message: str
    effects: tuple[Effect, ...]
    #: Features that shifted, the worst first.
    shifted: tuple[str, ...] = field(metadata=at("features"))
    window_at: datetime.datetime | None
    segments: tuple[SegmentLoss, ...] = ()
    by_segment: SegmentsOfSessions | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """A request by annotation with the operator's answer."""

    action: str
    at: datetime.datetime | None
    result: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class SeenModel:
    """A model with all that the console shows of it."""

    model: Model
    created_at: datetime.datetime | None
    drift: Drift
    asked: tuple[Asked, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recalibrated:
    """The version whose network another one has, and its new calibration."""

    of: str
    slope: float
    shift: float
    #: Positive labels for each expected one, as served and with the new calibration.
    ratio: float
    ratio_after: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class SeenVersion:
    """A version with all that the console shows of it."""

    version: Version
    artifact_path: str = field(metadata=at("artifact.path"))
    artifact_digest: str = field(metadata=at("artifact.digest"))
    #: Of a training that succeeded, before or without publishing.
    staged_path: str = field(metadata=at("staged.path"))
    quarantined_rows: int | None = field(metadata=at("lineage.quarantinedRows"))
    #: Trials of the hyperparameter search; None without one.
    trials: int | None = field(metadata=at("search.trials"))
    #: None if it was trained.
    recalibrated: Recalibrated | None
    #: The champion that it replaced.
    replaced: str | None
    restarts: int = field(metadata=at("interruptions.restarts"))
    withdrawals: int = field(metadata=at("interruptions.withdrawals"))
    #: False if a person asked for its decision.
    automatic: bool
    #: Limit of each metric of each step, as a number where it has one.
    limits: tuple[Mapping[str, float], ...]
    #: Lower and upper bound of each gate.
    bounds: tuple[tuple[float | None, float | None], ...]


def read_model(body: Json) -> SeenModel:
    """Read a RecommenderModel as the API server returns it."""
    status = body.get("status") or {}
    return SeenModel(
        model=fields.read_model(body),
        created_at=read_time(body["metadata"].get("creationTimestamp")),
        drift=_drift(status.get("drift") or {}),
        asked=tuple(read(Asked, one) for one in status.get("handled", ())),
    )


def read_version(body: Json) -> SeenVersion:
    """Read a ModelVersion as the API server returns it."""
    status = body.get("status") or {}
    recalibration = (body.get("spec") or {}).get("recalibration")
    return read(
        SeenVersion,
        status,
        version=fields.read_version(body),
        recalibrated=None if recalibration is None else read(Recalibrated, recalibration),
        automatic=(status.get("decision") or {}).get("automatic", True),
        limits=tuple(_limits(step) for step in status.get("steps", ())),
        bounds=tuple(
            (gate.get("minimum"), gate.get("maximum")) for gate in status.get("gates", ())
        ),
    )


def pods_of(version: str) -> str:
    """Return the selector of the pods of a version that have a transformer."""
    # Those of Knative mode have Triton too, and no label of a component. Pods of Jobs have none
    # either, and stay as long as the version.
    return f"{VERSION_LABEL}={version},{COMPONENT_LABEL}!=predictor,!{JOB_KIND_LABEL}"


def read_address(body: Json) -> str | None:
    """Return the address of a pod that is ready; else None."""
    status = body.get("status") or {}
    conditions = {one.get("type"): one.get("status") for one in status.get("conditions", ())}
    if conditions.get("Ready") != "True" or body["metadata"].get("deletionTimestamp"):
        return None
    try:
        return str(ipaddress.ip_address(status.get("podIP", "")))
    except ValueError:
        return None


def _drift(body: Json) -> Drift:
    return read(
        Drift,
        body,
        segments=tuple(map(_segment, (body.get("labels") or {}).get("segments", ()))),
        by_segment=_by_segment(body.get("segments")),
    )


def _by_segment(body: Json | None) -> SegmentsOfSessions | None:
    if body is None:
        return None
    return read(SegmentsOfSessions, body, shifts=tuple(map(_shifted, body.get("shifts", ()))))


def _shifted(body: Json) -> ShiftedSegment:
    return read(ShiftedSegment, body, segment=f"{body['segment']}: {body['value']}")


def _segment(body: Json) -> SegmentLoss:
    value = body.get("value")
    name = f"{body['feature']}: {'all others' if value is None else value}"
    return read(SegmentLoss, body, name=name)


def _limits(step: Json) -> dict[str, float]:
    return {
        one["metric"]: one["limit"]
        for one in step.get("metrics", ())
        if one.get("limit") is not None
    }
