"""Names of everything the operator creates: pure functions of what it stands for.

Because a name is a digest of its inputs, creating twice is a no-op, and a restarted operator finds
what it made before.
"""

from __future__ import annotations

import hashlib
import json

from recommender_operator.api.spec import DataSpec, RecommenderModelSpec, TrainingSpec
from recommender_operator.observed import JobKind

HASH_DIGITS = 8
#: Hex digits of a window's key that name its baseline.
BASELINE_DIGITS = 16
#: Hex digits of an artifact's digest that name its folder.
ARTIFACT_DIGITS = 16
#: A TrainJob's name may be no longer, so that `<name>-node-0-15-<5>` fits a DNS label (63).
MAX_GROUP_NAME = 47
GROUP_DIGITS = 10
#: `<model>-<8>-remove-<6>` then fits a DNS label (63).
INCARNATION_DIGITS = 6


def spec_hash(data: DataSpec, training: TrainingSpec, token: str = "") -> str:
    """Return the hex digest (64 digits) of what makes a version: data, training, retrain token.

    When snapshots are taken makes no version; which of them is trained on does.

    Values at their default are left out, so that a release of the operator that adds an optional
    field does not rename, and thereby retrain, every version in the field.
    """
    content = {
        "data": data.model_dump(
            mode="json", by_alias=True, exclude_defaults=True, exclude={"snapshots"}
        ),
        "training": training.model_dump(mode="json", by_alias=True, exclude_defaults=True),
        "token": token,
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def version_name(model: str, digest: str) -> str:
    """Return `<model>-<first 8 hex digits of the spec hash>`."""
    return f"{model}-{digest[:HASH_DIGITS]}"


def desired_version(model: str, spec: RecommenderModelSpec, token: str = "") -> str:
    """Return the name of the version that a spec (and a retraining in force) asks for."""
    return version_name(model, spec_hash(spec.data, spec.training, token))


def job_name(version: str, kind: JobKind, attempt: int) -> str:
    """Return `<version>-<kind>-<attempt>`."""
    return f"{version}-{kind.value}-{attempt}"


def incarnation(uid: str) -> str:
    """Return what tells an object from an earlier one of the same name."""
    return hashlib.sha256(uid.encode()).hexdigest()[:INCARNATION_DIGITS]


def removal_name(name: str, attempt: int, uid: str) -> str:
    """Return the name of the Job that removes the files of a version or of a model.

    A version that is made again has the name and the attempts of the one before, and must not
    take the success of its removal for its own.
    """
    return f"{name}-{JobKind.REMOVE.value}-{incarnation(f'{uid}/{attempt}')}"


def group_name(version: str, attempt: int) -> str:
    """Return the name of the TrainJob: that of the Job in its place, cut to what pods can have.

    JobSet names a pod `<name>-node-0-<worker>` with a random suffix. A digest of the whole name
    takes the place of what is cut off.
    """
    name = job_name(version, JobKind.TRAIN, attempt)
    if len(name) <= MAX_GROUP_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:GROUP_DIGITS]
    return f"{name[: MAX_GROUP_NAME - GROUP_DIGITS - 1].rstrip('-')}-{digest}"


def checkpoints_path(model: str, version: str) -> str:
    """Return the folder, relative to the claim's root, from which a repeated training goes on."""
    return f"{staging_path(model)}/.checkpoints/{version}"


def staged_path(model: str, version: str, attempt: int) -> str:
    """Return the folder, relative to the claim's root, that a training Job writes to."""
    return f"{staging_path(model)}/{version}-{attempt}"


def unfinished_path(model: str, version: str, attempt: int) -> str:
    """Return the folder that becomes the staged one; a training that is killed leaves it."""
    return f"{staging_path(model)}/.{version}-{attempt}.partial"


def staging_path(model: str) -> str:
    """Return the folder of a model's unpublished artifacts, relative to the claim's root."""
    return f"staging/{model}"


def artifacts_path(model: str) -> str:
    """Return the folder of a model's published artifacts, relative to the claim's root."""
    return f"artifacts/{model}"


def artifact_path(model: str, digest: str) -> str:
    """Return the folder of one published artifact; `digest` is `sha256:` and 64 hex digits."""
    return f"{artifacts_path(model)}/{digest.removeprefix('sha256:')[:ARTIFACT_DIGITS]}"


def lake_path(model: str) -> str:
    """Return the folder of a model's tables, relative to the claim's root."""
    return f"lake/{model}"
