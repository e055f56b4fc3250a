"""The actions that `decide` returns: a closed set, executed in order.

Each is idempotent: names are derived from hashes, applies are server-side, and deleting a deleted
object succeeds. After a crash between two actions the next reconcile continues.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Literal

from recommender_operator.analysis.window_filling import Filling
from recommender_operator.api.status import RecommenderModelStatus
from recommender_operator.api.version import ModelVersionSpec, ModelVersionStatus
from recommender_operator.observed import PLAIN, JobKind, Routing, Sample


@dataclasses.dataclass(frozen=True, kw_only=True)
class CreateVersion:
    """Create a ModelVersion, unless it exists."""

    name: str
    spec: ModelVersionSpec


@dataclasses.dataclass(frozen=True, kw_only=True)
class UpdateVersion:
    """Write the status of a ModelVersion."""

    name: str
    status: ModelVersionStatus


@dataclasses.dataclass(frozen=True, kw_only=True)
class HoldVersion:
    """Add the finalizer of a ModelVersion that serves, or remove it: `held`."""

    name: str
    held: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeleteVersion:
    """Delete a ModelVersion, and with it its Jobs and its InferenceService."""

    name: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class StartJob:
    """Create a pipeline Job, named by version, kind and attempt.

    `inputs` has the results of earlier Jobs that this one needs:
    TRAIN: data_version; RECALIBRATE: source_path, source_digest; PUBLISH: staged_path, digest;
    REMOVE: paths (comma-separated, relative to the claim's root); SNAPSHOT: keep (data versions,
    comma-separated). `version` is the name of the model for a SNAPSHOT, and for a REMOVE that
    cleans up after a deleted RecommenderModel.
    """

    kind: JobKind
    version: str
    attempt: int
    inputs: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeleteGroup:
    """Delete the TrainJob of a version and its runtime, with its pods."""

    version: str
    attempt: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeleteJob:
    """Delete a pipeline Job, with its pods."""

    kind: JobKind
    version: str
    attempt: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class EnsureService:
    """Apply the InferenceService of a version, or in Knative mode its revision.

    In Gateway mode `version` may be the name of a version's fresh deployment. A rollout goes on
    without an `optional` one, so a refusal of the API server does not end the pass.
    """

    version: str
    optional: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeleteService:
    """Delete the InferenceService of a version, or of its fresh deployment."""

    version: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunSmoke:
    """Send the smoke inference to a pod of a version; the same pass decides on the response."""

    version: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class SetTraffic:
    """Apply a traffic split: percent of requests by version, 100 in total."""

    weights: Mapping[str, int]
    #: Host name of the route; empty if the data plane assigns it.
    host: str = ""
    routing: Routing = PLAIN


@dataclasses.dataclass(frozen=True, kw_only=True)
class RemoveTraffic:
    """Delete the route, because no version can serve."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SaveBaseline:
    """Save the counters at the start of a window under a key, and replace earlier ones."""

    key: str
    taken_at: datetime.datetime
    samples: Mapping[str, Sample]


@dataclasses.dataclass(frozen=True, kw_only=True)
class DropBaseline:
    """Delete the counters at the start of a window."""

    key: str


Action = (
    CreateVersion
    | UpdateVersion
    | HoldVersion
    | DeleteVersion
    | StartJob
    | DeleteGroup
    | DeleteJob
    | EnsureService
    | DeleteService
    | RunSmoke
    | SetTraffic
    | RemoveTraffic
    | SaveBaseline
    | DropBaseline
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Event:
    """A Kubernetes Event about the RecommenderModel."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str
    #: Version whose creation, deletion or status it reports: once that is written, no later
    #: decision repeats the Event. Empty if the status of the model records it.
    version: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decision:
    """Actions, new status, Events, and when to reconcile again."""

    actions: tuple[Action, ...]
    status: RecommenderModelStatus
    events: tuple[Event, ...] = ()
    requeue_after: datetime.timedelta | None = None
    #: Deletion is complete: the finalizer can be removed.
    finished: bool = False
    #: All that is waited for, but for `filling.rest`, is that this window fills.
    filling: Filling | None = None
