"""The observed state of the cluster: the only input of `decide` besides the time.

All values are frozen and plain, so that tests can write them by hand and generate them.
`reconcile/observer.py` reads them from the cluster.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
from collections.abc import Mapping
from typing import Literal

from recommender_operator.api import host_names, service_accounts
from recommender_operator.api.spec import RecommenderModelSpec
from recommender_operator.api.status import RecommenderModelStatus
from recommender_operator.api.version import ModelVersionSpec, ModelVersionStatus, Smoke

#: Cumulative counters of one pod: canonical series text (`name{label="value"}`) to value.
PodCounters = Mapping[str, float]
#: Cumulative counters of one version, by pod.
Sample = Mapping[str, PodCounters]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelObject:
    """A `RecommenderModel` with its parsed spec."""

    name: str
    namespace: str
    uid: str
    generation: int
    spec: RecommenderModelSpec
    status: RecommenderModelStatus
    #: Annotations with the operator's prefix, without the prefix:
    #: `{"promote": "2026-01-01T10:00"}`.
    annotations: Mapping[str, str] = dataclasses.field(default_factory=dict)
    deleting: bool = False
    created_at: datetime.datetime | None = None
    deleting_since: datetime.datetime | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class VersionObject:
    name: str
    uid: str
    spec: ModelVersionSpec
    status: ModelVersionStatus
    created_at: datetime.datetime | None = None
    #: Whether the operator's finalizer keeps it, and whether somebody has deleted it.
    held: bool = False
    deleting: bool = False

    @property
    def was_published(self) -> bool:
        """True if it passed its gates and its artifact is there, so that it can serve again."""
        gates_held = bool(self.status.gates) and all(gate.passed for gate in self.status.gates)
        return self.status.artifact is not None and gates_held

    @property
    def data_version(self) -> str | None:
        """The data version that it is trained on; None until its data is checked."""
        return self.status.lineage.data_version if self.status.lineage is not None else None


class JobKind(enum.StrEnum):
    CHECK = "check"
    TRAIN = "train"
    RECALIBRATE = "recalibrate"
    PUBLISH = "publish"
    REMOVE = "remove"
    SNAPSHOT = "snapshot"


@dataclasses.dataclass(frozen=True, kw_only=True)
class JobState:
    """The state of a pipeline Job.

    `report` is the JSON object that the container wrote as its termination message. A failed Job
    has a `reason` (from the report, or from Kubernetes: OOMKilled, DeadlineExceeded,
    BackoffLimitExceeded, ImagePullBackOff) and a `message` with the end of the log.
    """

    kind: JobKind
    version: str
    attempt: int
    phase: Literal["Running", "Succeeded", "Failed"]
    report: Mapping[str, object] | None = None
    reason: str = ""
    message: str = ""
    #: For a removal, the owner of the files (`names.incarnation` of its uid).
    incarnation: str = ""
    #: Whether it is a TrainJob with several pods.
    group: bool = False
    #: When it succeeded or failed; None while it runs.
    finished_at: datetime.datetime | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServiceState:
    """The state of a version's InferenceService, or of its revision in Knative mode."""

    version: str
    ready: bool
    reason: str = ""
    message: str = ""
    #: Number of pods that are Ready and not being deleted, of the component that has the fewest.
    ready_pods: int = 0
    #: Whether requests are answered, at least from the fallbacks.
    answers: bool = False
    #: uid of the serving object; it changes if the service is created again.
    uid: str = ""
    #: Restarts of its containers, and why the last one terminated.
    restarts: int = 0
    restart_reason: str = ""
    #: Whether it is not ready for an external cause: an eviction, a drain, no capacity.
    disrupted: bool = False
    #: A pod that fits on no node, and why, as the scheduler says; others may be ready.
    unscheduled: str = ""
    #: Whether its manifest differs from the spec (replicas, resources) and is applied again.
    outdated: bool = False
    #: Bytes of memory that it requests with its minimum number of pods.
    requested_memory: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Routing:
    """Split of the requests by a route, besides the weights."""

    #: Header that assigns users to versions; if it is empty, requests are split.
    experiment: str = ""
    #: Value of the testers' header and the version that answers them; empty if there is none.
    tester: str = ""
    tested: str = ""
    #: Header that names the candidate that gets copies of requests; empty if none does.
    shadow: str = ""
    #: Header that says whose lists are mixed with those of the candidate; empty if nobody's are.
    interleaving: str = ""
    #: The champion's fresh deployment, and its percent of what the route sends to the champion and
    #: the candidate; it is part of the champion's weight. Empty if there is none.
    fresh: str = ""
    fresh_weight: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scaling:
    """The ScaledObjects of KEDA: what is wrong with them, and what to do.

    `waits` is whether time alone changes what is done: for KEDA, or until it is tried again.
    """

    problems: tuple[str, ...] = ()
    #: Triggers that do not work, although KEDA scales.
    failing_triggers: tuple[str, ...] = ()
    waits: bool = False


#: Requests are split by weight only.
PLAIN = Routing()


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrafficState:
    """The split that the data plane reports: percent by version; empty if there is no route.

    During an experiment it is the percent of the users.
    """

    weights: Mapping[str, int] = dataclasses.field(default_factory=dict)
    #: Whether the data plane has applied the split (route accepted and references resolved).
    accepted: bool = False
    message: str = ""
    #: Host name of requests: from the route, or assigned by the data plane.
    host: str = ""
    #: Creation time of the route.
    created_at: datetime.datetime | None = None
    #: Whether an earlier release wrote the route, with other paths; it is written again.
    outdated: bool = False
    routing: Routing = PLAIN
    #: Why the API server refused fresh deployments, by name.
    refused: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rival:
    """A foreign route, or one of another model, on the models' Gateway."""

    kind: str
    namespace: str
    name: str
    #: Its host names; they may start with `*.`.
    hosts: tuple[str, ...]
    created_at: datetime.datetime


@dataclasses.dataclass(frozen=True, kw_only=True)
class Baseline:
    """Cumulative counters at the start of a window, stored in an object.

    If they could not be stored, `error` has the cause, and the samples are those in the memory of
    this process, without features, or none.
    """

    key: str
    taken_at: datetime.datetime
    samples: Mapping[str, Sample]
    error: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CollectorReading:
    """An answer of the collector, unchecked, or why there is none."""

    body: Mapping[str, object] = dataclasses.field(default_factory=dict)
    error: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Platform:
    """The APIs that the cluster lacks, each with a remedy, and settings of the installation."""

    missing: tuple[str, ...] = ()
    #: Missing APIs that only trainings with several workers need.
    missing_for_workers: tuple[str, ...] = ()
    #: Missing APIs that only models with the engine KEDA need; whether the installation allows
    #: that engine, and the Prometheus server that KEDA asks.
    missing_for_scaling: tuple[str, ...] = ()
    keda: bool = False
    keda_prometheus_url: str = ""
    #: Domain of default host names (`<name>.<namespace>.<domain>`).
    domain: str = ""
    #: Host name suffixes by namespace, in addition to each namespace's subdomain.
    host_policy: host_names.Policy = ()
    #: Normalized base URLs of the allowed Prometheus servers.
    prometheus_urls: tuple[str, ...] = ()
    #: Service accounts that models may use, by namespace.
    service_accounts: service_accounts.Policy = ()
    #: Whether served versions of the models of one namespace report to a collector and read its
    #: store, and which namespace that is.
    collector: bool = False
    store: bool = False
    collector_namespace: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim:
    """A PersistentVolumeClaim that the spec names."""

    phase: str
    deleting: bool = False
    access_modes: tuple[str, ...] = ()
    block: bool = False
    #: Whether its owner allows changing the group of the volume's files
    #: (`recommender.dev/storage: "true"`).
    labelled: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Observed:
    """The observed state of one model and its objects."""

    model: ModelObject
    versions: tuple[VersionObject, ...] = ()
    jobs: tuple[JobState, ...] = ()
    services: Mapping[str, ServiceState] = dataclasses.field(default_factory=dict)
    traffic: TrafficState = TrafficState()
    scaling: Scaling = Scaling()
    #: Counters by version; a version without an entry gave no data.
    samples: Mapping[str, Sample] = dataclasses.field(default_factory=dict)
    #: Errors by version, if reading the counters failed.
    sample_errors: Mapping[str, str] = dataclasses.field(default_factory=dict)
    baselines: Mapping[str, Baseline] = dataclasses.field(default_factory=dict)
    platform: Platform = Platform()
    #: What users did in the experiment of the rollout, or in the interleaving before it.
    experiment: CollectorReading | None = None
    #: What became of the champion's predictions; None if nothing is compared with labels.
    outcomes: CollectorReading | None = None
    #: What the holdout and the others did; None without a holdout.
    holdout: CollectorReading | None = None
    #: How far the erasures of its users are.
    erasures: CollectorReading | None = None
    #: Pods of a model that is being deleted, but for its removals, which still may use its files.
    running_pods: tuple[str, ...] = ()
    #: Why no retraining may start by itself, because of other models; empty if one may.
    retrainings_full: str = ""
    #: The claims that the spec names; None if a claim does not exist.
    claims: Mapping[str, Claim | None] = dataclasses.field(default_factory=dict)
    #: Other routes with the model's current or desired host.
    rivals: tuple[Rival, ...] = ()
    #: What versions answered to a smoke inference of this pass; no status has it yet.
    smokes: Mapping[str, Smoke] = dataclasses.field(default_factory=dict)
