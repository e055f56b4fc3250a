"""What `decide` may ask for: a closed set of idempotent actions, executed in order.

Each is safe to repeat: names come from hashes, applies are server-side, and a repeated delete of
what is gone succeeds. After a crash between two actions the next look decides the rest.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Literal

from recommender_operator.analysis.filling import Filling
from recommender_operator.api.status import RecommenderModelStatus
from recommender_operator.api.version import ModelVersionSpec, ModelVersionStatus
from recommender_operator.observed import JobKind, Sample


@dataclasses.dataclass(frozen=True, kw_only=True)
class CreateVersion:
    """Create the ModelVersion object; nothing happens if it exists."""

    name: str
    spec: ModelVersionSpec


@dataclasses.dataclass(frozen=True, kw_only=True)
class UpdateVersion:
    """Write the status of a ModelVersion."""

    name: str
    status: ModelVersionStatus


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeleteVersion:
    """Delete a ModelVersion; its Jobs and its InferenceService go with it."""

    name: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class StartJob:
    """Create a Job of the pipeline for a version, named by version, kind and attempt.

    `inputs` carries what earlier Jobs reported and this one needs:
    TRAIN: data_version; PUBLISH: staged_path, digest; REMOVE: paths (comma-separated, relative to
    the claim's root); SNAPSHOT: keep (data versions, comma-separated). A SNAPSHOT, and a REMOVE
    that clears up after a deleted RecommenderModel, have the model's own name as the version: no
    ModelVersion of that name exists.
    """

    kind: JobKind
    version: str
    attempt: int
    inputs: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CancelGroup:
    """Delete the TrainJob of a version, with its pods: nobody waits for it any more."""

    version: str
    attempt: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class CancelJob:
    """Delete a Job of the pipeline, with its pods: nobody waits for it any more."""

    kind: JobKind
    version: str
    attempt: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class EnsureService:
    """Serve a version (create its InferenceService, or in Knative mode its revision)."""

    version: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeleteService:
    version: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunSmoke:
    """Ask a served version directly for recommendations; the same look decides on the answer."""

    version: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class SetTraffic:
    """Percent of requests by version; sums to 100."""

    weights: Mapping[str, int]
    #: Host name of the route; empty where the data plane names it.
    host: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RemoveTraffic:
    """Take the route away: no version is fit to serve (the first one failed in its rollout)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SaveBaseline:
    """Keep the counters at a window's start under a key; replaces what had the key."""

    key: str
    taken_at: datetime.datetime
    samples: Mapping[str, Sample]


@dataclasses.dataclass(frozen=True, kw_only=True)
class DropBaseline:
    key: str


Action = (
    CreateVersion
    | UpdateVersion
    | DeleteVersion
    | StartJob
    | CancelGroup
    | CancelJob
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
    """A Kubernetes Event on the RecommenderModel."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str
    #: Version whose creation, deletion or status it reports: once that is written, no later
    #: decision makes the Event again. Empty where the status of the model records it.
    version: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decision:
    """What to do, what to say, and when to look again."""

    actions: tuple[Action, ...]
    status: RecommenderModelStatus
    events: tuple[Event, ...] = ()
    requeue_after: datetime.timedelta | None = None
    #: A resource being deleted needs nothing more: its finalizer may go.
    finished: bool = False
    #: All that is waited for, but for `filling.rest`, is that this window fills.
    filling: Filling | None = None
