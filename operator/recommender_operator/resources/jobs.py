"""Jobs of the pipeline: check, train, publish, remove, snapshot (`docs/contracts.md`)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from recommender_operator.api.spec import Resources
from recommender_operator.observed import JobKind, ModelObject, VersionObject
from recommender_operator.resources import job_commands, labels, names, security
from recommender_operator.resources.labels import Manifest
from recommender_operator.resources.options import Options

CONTAINER = "main"
#: Exit code of a Job whose input is at fault: repeating is of no use.
INPUT_AT_FAULT = 2
#: What may be done for a model that is no step of a version.
OF_A_MODEL = (JobKind.REMOVE, JobKind.SNAPSHOT)
#: A snapshot or a removal that has ended can be looked at for so long: no version owns it.
STAYS_SECONDS = 3600
#: What a Job takes that only reads, moves or removes files.
SMALL = Resources(cpu="100m", memory="1Gi")


def job(
    model: ModelObject,
    version: VersionObject | None,
    kind: JobKind,
    attempt: int,
    inputs: Mapping[str, str],
    options: Options,
) -> Manifest:
    """Return the Job of one step.

    Without a version it clears up after a deleted model or takes a snapshot, and is owned by the
    model, as every Job of the kind remove is: it must outlive the version whose files it removes.

    Raises:
        KeyError: an input that the kind needs is missing.
    """
    name = version.name if version is not None else model.name
    marks = labels.of_job(model.name, name, kind, attempt)
    job_name = names.job_name(name, kind, attempt)
    if kind is JobKind.REMOVE:
        uid = version.uid if version is not None else model.uid
        marks[labels.INCARNATION] = names.incarnation(uid)
        job_name = names.removal_name(name, attempt, uid)
    training = version.spec.training if version is not None else model.spec.training
    wanted = training.resources if kind is JobKind.TRAIN else SMALL
    command = job_commands.command(model, version, kind, inputs, attempt)
    passing = kind in (JobKind.SNAPSHOT, JobKind.REMOVE)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name,
            "namespace": model.namespace,
            "labels": marks,
            "ownerReferences": _owners(model, version, kind),
        },
        "spec": {
            "backoffLimit": training.backoff_limit,
            "activeDeadlineSeconds": training.deadline_seconds,
            "podFailurePolicy": _failure_policy(),
            **({"ttlSecondsAfterFinished": STAYS_SECONDS} if passing else {}),
            "template": {
                "metadata": {"labels": marks},
                "spec": _pod(model, version, kind, command, wanted, options),
            },
        },
    }


def _owners(model: ModelObject, version: VersionObject | None, kind: JobKind) -> list[Manifest]:
    if version is None or kind is JobKind.REMOVE:
        return labels.owned_by_model(model)
    return labels.owned_by_version(version)


def _failure_policy() -> Manifest:
    at_fault = {
        "action": "FailJob",
        "onExitCodes": {
            "containerName": CONTAINER,
            "operator": "In",
            "values": [INPUT_AT_FAULT],
        },
    }
    # A pod that was evicted or preempted did nothing wrong, and uses up no attempt.
    disrupted = {
        "action": "Ignore",
        "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
    }
    return {"rules": [at_fault, disrupted]}


def _pod(
    model: ModelObject,
    version: VersionObject | None,
    kind: JobKind,
    command: list[str],
    wanted: Resources,
    options: Options,
) -> Manifest:
    mounts, volumes = _storage(model, version, kind)
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        **security.pull_secrets(options),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": security.USER,
            "runAsGroup": security.USER,
            "fsGroup": security.USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(command, wanted, mounts, options)],
        "volumes": volumes,
    }


def _storage(
    model: ModelObject, version: VersionObject | None, kind: JobKind
) -> tuple[list[Manifest], list[Manifest]]:
    """Return the mounts and the volumes; only what reads the source sees it."""
    claim = {"claimName": model.spec.storage.claim_name}
    mounts: list[Manifest] = [
        {"name": "store", "mountPath": "/store"},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
    ]
    volumes: list[Manifest] = [
        {"name": "store", "persistentVolumeClaim": claim},
        security.empty_dir("tmp", "4Gi"),
    ]
    data = version.spec.data if version is not None else model.spec.data
    if kind is JobKind.SNAPSHOT or (kind is JobKind.CHECK and not data.pinned):
        mounts.append({"name": "data", "mountPath": "/data", "readOnly": True})
        raw = {"claimName": data.source.claim_name, "readOnly": True}
        volumes.append({"name": "data", "persistentVolumeClaim": raw})
    return mounts, volumes


def _container(
    command: list[str], wanted: Resources, mounts: list[Manifest], options: Options
) -> Manifest:
    threads = str(threads_for(wanted))
    return {
        "name": CONTAINER,
        "image": options.training_image,
        "imagePullPolicy": options.image_pull_policy,
        "command": command,
        "env": [
            {"name": "OMP_NUM_THREADS", "value": threads},
            {"name": "MKL_NUM_THREADS", "value": threads},
            {"name": "POLARS_MAX_THREADS", "value": threads},
            {"name": "HOME", "value": "/tmp"},  # noqa: S108
        ],
        "resources": security.resources(wanted),
        "securityContext": security.container_security(),
        "terminationMessagePath": job_commands.REPORT,
        "terminationMessagePolicy": "File",
        "volumeMounts": mounts,
    }


def threads_for(wanted: Resources) -> int:
    """Return how many threads a container may use well: its CPU limit or request, rounded up."""
    text = wanted.cpu_limit or wanted.cpu
    number = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(m?)", text)
    if number is None:
        return 1
    cores = float(number[1]) / (1000 if number[2] else 1)
    return max(1, math.ceil(cores))
