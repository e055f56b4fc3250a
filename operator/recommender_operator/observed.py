"""What one look at the cluster saw: the only input of `decide` beside the spec and the time.

All values are frozen and plain, so that a test writes them by hand and a property-based test
generates them. `observe.py` fills them in.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
from collections.abc import Mapping
from typing import Literal

from recommender_operator.api import host_names
from recommender_operator.api.spec import RecommenderModelSpec
from recommender_operator.api.status import RecommenderModelStatus
from recommender_operator.api.version import ModelVersionSpec, ModelVersionStatus, Smoke

#: Cumulative counters of one pod: canonical series text (`name{label="value"}`) to value.
PodCounters = Mapping[str, float]
#: Cumulative counters of one version: pod name to its counters.
Sample = Mapping[str, PodCounters]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelObject:
    """The `RecommenderModel` as last read, with its spec parsed."""

    name: str
    namespace: str
    uid: str
    generation: int
    spec: RecommenderModelSpec
    status: RecommenderModelStatus
    #: Annotations of the own prefix, without it: `{"promote": "2026-01-01T10:00"}`.
    annotations: Mapping[str, str] = dataclasses.field(default_factory=dict)
    deleting: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class VersionObject:
    name: str
    uid: str
    spec: ModelVersionSpec
    status: ModelVersionStatus


class JobKind(enum.StrEnum):
    CHECK = "check"
    TRAIN = "train"
    PUBLISH = "publish"
    REMOVE = "remove"
    SNAPSHOT = "snapshot"


@dataclasses.dataclass(frozen=True, kw_only=True)
class JobState:
    """A Job of the pipeline, as far as it matters.

    `report` is the JSON object that the container wrote as its termination message. A Job that
    `failed` has a `reason` (from the report, or from Kubernetes: OOMKilled, DeadlineExceeded,
    BackoffLimitExceeded, ImagePullBackOff) and a `message` with the end of the log.
    """

    kind: JobKind
    version: str
    attempt: int
    phase: Literal["Running", "Succeeded", "Failed"]
    report: Mapping[str, object] | None = None
    reason: str = ""
    message: str = ""
    #: Of a removal: whose files it removes (`names.incarnation` of the uid).
    incarnation: str = ""
    #: A TrainJob, that is several pods.
    group: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServiceState:
    """What serves one version: an InferenceService, or a revision of one."""

    version: str
    ready: bool
    reason: str = ""
    message: str = ""
    #: Pods that are Ready and not being deleted.
    ready_pods: int = 0
    #: Of the object that serves it: a service that was made anew has another one.
    uid: str = ""
    #: Restarts of the containers of its pods, and why the last one ended.
    restarts: int = 0
    restart_reason: str = ""
    #: What keeps it from being ready comes from outside: an eviction, a drain, no room.
    disrupted: bool = False
    #: Its manifest is not what the spec asks for now (replicas, resources): it is applied again.
    outdated: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrafficState:
    """The split that the data plane reports: percent by version; empty when there is no route."""

    weights: Mapping[str, int] = dataclasses.field(default_factory=dict)
    #: Whether the data plane has taken the split over (route accepted and references resolved).
    accepted: bool = False
    message: str = ""
    #: Host name of requests: that of the route, or the one that the data plane gives.
    host: str = ""
    #: Since when the route exists.
    created_at: datetime.datetime | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rival:
    """A route of somebody else, or of another model, on the Gateway of the models."""

    kind: str
    namespace: str
    name: str
    #: Its host names; one may begin with `*.`.
    hosts: tuple[str, ...]
    created_at: datetime.datetime


@dataclasses.dataclass(frozen=True, kw_only=True)
class Baseline:
    """Cumulative counters at the start of a window, kept in an object between looks.

    `error` says why they could not be kept; then the samples are those that this process
    remembers, without features, or none.
    """

    key: str
    taken_at: datetime.datetime
    samples: Mapping[str, Sample]
    error: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Platform:
    """What the cluster offers; a missing piece is named with its remedy in a condition."""

    missing: tuple[str, ...] = ()
    #: What a training with several workers needs beside that; looked up for no other.
    missing_for_workers: tuple[str, ...] = ()
    #: Domain of host names (`<name>.<namespace>.<domain>`) where the spec names no host.
    domain: str = ""
    #: Suffixes of host names by namespaces, beside each namespace's own part of the domain.
    host_policy: host_names.Policy = ()
    #: Normalised base addresses of the Prometheus servers that may be asked.
    prometheus_urls: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim:
    """A PersistentVolumeClaim that the spec names."""

    phase: str
    deleting: bool = False
    access_modes: tuple[str, ...] = ()
    block: bool = False
    #: Its owner gives the volume to the operator (`recommender.dev/storage: "true"`).
    labelled: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Observed:
    model: ModelObject
    versions: tuple[VersionObject, ...] = ()
    jobs: tuple[JobState, ...] = ()
    services: Mapping[str, ServiceState] = dataclasses.field(default_factory=dict)
    traffic: TrafficState = TrafficState()
    #: Present for versions whose pods answered; a version without an entry gave no data.
    samples: Mapping[str, Sample] = dataclasses.field(default_factory=dict)
    #: Why a version gave no data, when asking failed.
    sample_errors: Mapping[str, str] = dataclasses.field(default_factory=dict)
    baselines: Mapping[str, Baseline] = dataclasses.field(default_factory=dict)
    platform: Platform = Platform()
    #: The claims that the spec names, None for one that does not exist.
    claims: Mapping[str, Claim | None] = dataclasses.field(default_factory=dict)
    #: Other routes that have the host that the model asks for, or has.
    rivals: tuple[Rival, ...] = ()
    #: What versions answered to a smoke inference of this look; no status has it yet.
    smokes: Mapping[str, Smoke] = dataclasses.field(default_factory=dict)
