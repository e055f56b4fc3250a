"""Names of the objects and folders that the operator creates.

A name is a function of its inputs, so creating an object twice is a no-op, and a restarted
operator finds the objects that it created.
"""

from __future__ import annotations

import hashlib
import json

from recommender_contract.features import PER_ROW
from recommender_contract.resource.mapping import Format
from recommender_operator.api.spec import DataSpec, RecommenderModelSpec, TrainingSpec
from recommender_operator.observed import JobKind, ModelObject

HASH_DIGITS = 8
#: Hex digits in the name of a CounterBaseline.
BASELINE_DIGITS = 16
#: Hex digits in the name of an artifact's folder.
ARTIFACT_DIGITS = 16
#: Maximum length of a TrainJob's name; `<name>-node-0-15-<5>` must fit a DNS label (63).
MAX_GROUP_NAME = 47
#: Maximum length of a Job's name, which is the value of a label of its pods.
MAX_JOB_NAME = 63
#: Hex digits of the digest that ends a shortened name.
GROUP_DIGITS = 10
#: Hex digits of an incarnation; `<model>-<8>-remove-<6>` must fit a DNS label (63).
INCARNATION_DIGITS = 6
#: The format of a source that named none, before it was required.
_FORMER_DEFAULT = Format.MOVIELENS_100K


def spec_hash(data: DataSpec, training: TrainingSpec, token: str = "") -> str:
    """Return the hex digest (64 digits) of a version's inputs: data, training, retrain token.

    The schedule of snapshots does not create a version; data.version and data.asOf do.
    Nor does where its pods run (training.podTemplate).

    Values at their defaults are excluded, so that a release of the operator that adds an optional
    field does not rename, and thereby retrain, all versions. For the same reason a format that was
    the default before it was required is left out. So is a `maxPerRow` that says what its absence
    says.
    """
    source = data.model_dump(
        mode="json", by_alias=True, exclude_defaults=True, exclude={"snapshots"}
    )
    if data.source.format is _FORMER_DEFAULT:
        del source["source"]["format"]
    for table in source["source"].get("mapping", {}).values():
        for feature in table.get("features", ()) if isinstance(table, dict) else ():
            if feature.get("maxPerRow") == PER_ROW:
                del feature["maxPerRow"]
    content = {
        "data": source,
        "training": training.model_dump(
            mode="json", by_alias=True, exclude_defaults=True, exclude={"pod_template"}
        ),
        "token": token,
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def version_name(model: str, digest: str) -> str:
    """Return `<model>-<first 8 hex digits of the spec hash>`."""
    return f"{model}-{digest[:HASH_DIGITS]}"


def desired_version(model: str, spec: RecommenderModelSpec, token: str = "") -> str:
    """Return the name of the version that a spec, and the current retraining, describe."""
    return version_name(model, spec_hash(spec.data, spec.training, token))


def job_name(version: str, kind: JobKind, attempt: int) -> str:
    """Return `<version>-<kind>-<attempt>`, shortened if it is longer than a label may be."""
    return _shortened(f"{version}-{kind.value}-{attempt}", MAX_JOB_NAME)


def _shortened(name: str, longest: int) -> str:
    """Return the name, with a digest of it in the place of what is too long."""
    if len(name) <= longest:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:GROUP_DIGITS]
    return f"{name[: longest - GROUP_DIGITS - 1].rstrip('-')}-{digest}"


def incarnation(uid: str) -> str:
    """Return a digest that distinguishes an object from earlier ones of the same name."""
    return hashlib.sha256(uid.encode()).hexdigest()[:INCARNATION_DIGITS]


def removal_name(name: str, attempt: int, uid: str) -> str:
    """Return the name of the Job that removes the files of a version or a model.

    A version that is created again has the same name and attempts as the earlier one, but needs
    its own removal.
    """
    return f"{name}-{JobKind.REMOVE.value}-{incarnation(f'{uid}/{attempt}')}"


def owner(model: ModelObject) -> str:
    """Return the mark of a model's folders: `<creation time>/<uid>`; empty without a time.

    Of two marks, the one with the later time is of the newer model.
    """
    if model.created_at is None:
        return ""
    return f"{model.created_at.strftime('%Y-%m-%dT%H:%M:%SZ')}/{model.uid}"


def group_name(version: str, attempt: int) -> str:
    """Return the name of the TrainJob: the name of a single Job, shortened for the pods' names.

    JobSet names a pod `<name>-node-0-<worker>` with a random suffix.
    """
    return _shortened(job_name(version, JobKind.TRAIN, attempt), MAX_GROUP_NAME)


def checkpoints_path(model: str, version: str) -> str:
    """Return the folder of checkpoints, relative to the claim's root."""
    return f"{staging_path(model)}/.checkpoints/{version}"


def staged_path(model: str, version: str, attempt: int) -> str:
    """Return the folder of a staged artifact, relative to the claim's root."""
    return f"{staging_path(model)}/{version}-{attempt}"


def unfinished_path(model: str, version: str, attempt: int) -> str:
    """Return the folder of an unfinished artifact, which a killed training leaves behind."""
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
