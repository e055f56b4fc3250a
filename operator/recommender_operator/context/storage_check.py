"""Check that the claims of a model are usable: the condition StorageReady.

A Job with a missing claim would wait until its deadline, so no Job starts before its claims are
usable; serving continues. A Pending claim is usable: many storage classes bind a claim when its
first pod is scheduled.
"""

from __future__ import annotations

import dataclasses
import datetime

from recommender_operator.api import sub_paths
from recommender_operator.api.conditions import ConditionType, Reason
from recommender_operator.api.spec import ConditionStatus
from recommender_operator.observed import Claim, JobKind, Observed

_POLL = datetime.timedelta(seconds=15)
_READ_ONLY = frozenset({"ReadOnlyMany"})
Problem = tuple[Reason, str]


@dataclasses.dataclass(frozen=True)
class Storage:
    """Problems that prevent Jobs from starting: all Jobs, or only those that read the source."""

    store: Problem | None = None
    source: Problem | None = None

    @property
    def problem(self) -> Problem | None:
        """The problem of the store, else of the source."""
        return self.store or self.source

    def stops(self, kind: JobKind) -> bool:
        """Return whether a kind of Job must not start."""
        reads = kind in (JobKind.CHECK, JobKind.SNAPSHOT)
        return self.store is not None or (reads and self.source is not None)


def check_storage(observed: Observed) -> Storage:
    """Return the problems of the claims; none for claims that were not read."""
    spec = observed.model.spec
    name = spec.storage.persistent_volume_claim.claim_name
    field = "storage.persistentVolumeClaim.claimName"
    store = _problem(observed, field, name)
    claim = observed.claims.get(name)
    if store is None and claim is not None and set(claim.access_modes) == _READ_ONLY:
        message = (
            f"{field} {name!r} is ReadOnlyMany, but the operator writes tables and "
            "versions to it: create a new model with a claim that is ReadWriteOnce or "
            "ReadWriteMany"
        )
        store = Reason.CLAIM_READ_ONLY, message
    return Storage(store=store, source=None if spec.data.pinned else _source(observed))


def _source(observed: Observed) -> Problem | None:
    spec = observed.model.spec
    source = spec.data.source.persistent_volume_claim
    if not sub_paths.is_sub_path(source.path):
        message = f"{sub_paths.FIELD} {source.path!r} must be {sub_paths.FORM}"
        return Reason.INVALID_PATH, message
    if source.claim_name == spec.storage.persistent_volume_claim.claim_name:
        try:
            sub_paths.outside_of_store(source.path)
        except ValueError as error:
            return Reason.INVALID_PATH, str(error)
        return None
    return _problem(observed, "data.source.persistentVolumeClaim.claimName", source.claim_name)


def _problem(observed: Observed, field: str, name: str) -> Problem | None:
    if name not in observed.claims:
        return None
    claim, namespace = observed.claims[name], observed.model.namespace
    found = _state(claim)
    if found is None:
        return None
    reason, state = found
    return reason, f"{field} {name!r}: the PersistentVolumeClaim {namespace}/{name} {state}"


def _state(claim: Claim | None) -> Problem | None:
    """Return why a claim is not usable, and the remedy; None if it is."""
    if claim is None:
        return Reason.CLAIM_MISSING, "does not exist: create it, or correct the name"
    if claim.deleting:
        return Reason.CLAIM_DELETING, "is being deleted: create it again, or name another"
    if claim.phase == "Lost":
        return Reason.CLAIM_LOST, "has lost its volume (Lost): restore the volume, or replace it"
    if claim.block:
        return (
            Reason.CLAIM_IS_BLOCK,
            "has volumeMode Block: name a claim with volumeMode Filesystem",
        )
    return None


def condition(storage: Storage) -> tuple[ConditionType, ConditionStatus, str, str]:
    """Return type, status, reason and message of the condition."""
    kind = ConditionType.STORAGE_READY
    if storage.problem is None:
        return kind, "True", Reason.CLAIMS_USABLE, "the claims of the spec are usable"
    reason, message = storage.problem
    return kind, "False", reason, f"{message}. No Job starts until then"


def poll() -> datetime.timedelta:
    """Return the interval at which unusable claims are checked again."""
    return _POLL
