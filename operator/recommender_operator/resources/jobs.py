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
from recommender_operator.resources.volumes import PREPARE, of_job, prepare, prepared

CONTAINER = "main"
#: Exit code of a Job whose input is at fault: repeating is of no use.
INPUT_AT_FAULT = 2
#: What may be done for a model that is no step of a version.
OF_A_MODEL = (JobKind.REMOVE, JobKind.SNAPSHOT)
#: A snapshot or a removal that has ended can be looked at for so long: no version owns it.
STAYS_SECONDS = 3600
#: Makes the kubelet give a volume to the group of the Jobs, once.
_REGROUPED = {"fsGroup": security.USER, "fsGroupChangePolicy": "OnRootMismatch"}
#: What a Job takes that only reads, moves or removes files.
SMALL = Resources(cpu="100m", memory="1Gi")


def job(
    model: ModelObject,
    version: VersionObject | None,
    kind: JobKind,
    attempt: int,
    inputs: Mapping[str, str],
    options: Options,
    *,
    fs_group: bool = False,
) -> Manifest:
    """Return the Job of one step.

    With `fs_group` the kubelet gives the volume of the store to the group of the Job. It would do
    so with any volume that a model names, so only the claim's owner can ask for it.

    Without a version it clears up after a deleted model or takes a snapshot, and is owned by the
    model, as every Job of the kind remove is: it must outlive the version whose files it removes.

    Raises:
        KeyError: an input that the kind needs is missing.
        ValueError: an input names a path outside of the model's folders.
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
            "podFailurePolicy": _failure_policy(prepares=bool(prepared(model.name, kind, inputs))),
            **({"ttlSecondsAfterFinished": STAYS_SECONDS} if passing else {}),
            "template": {
                "metadata": {"labels": marks},
                "spec": _pod(
                    model, version, kind, inputs, command, wanted, options, fs_group=fs_group
                ),
            },
        },
    }


def _owners(model: ModelObject, version: VersionObject | None, kind: JobKind) -> list[Manifest]:
    if version is None or kind is JobKind.REMOVE:
        return labels.owned_by_model(model)
    return labels.owned_by_version(version)


def _failure_policy(*, prepares: bool) -> Manifest:
    at_fault = [
        {
            "action": "FailJob",
            "onExitCodes": {
                "containerName": container,
                "operator": "In",
                "values": [INPUT_AT_FAULT],
            },
        }
        for container in ([CONTAINER, PREPARE] if prepares else [CONTAINER])
    ]
    # A pod that was evicted or preempted did nothing wrong, and uses up no attempt.
    disrupted = {
        "action": "Ignore",
        "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
    }
    return {"rules": [*at_fault, disrupted]}


def _pod(
    model: ModelObject,
    version: VersionObject | None,
    kind: JobKind,
    inputs: Mapping[str, str],
    command: list[str],
    wanted: Resources,
    options: Options,
    *,
    fs_group: bool,
) -> Manifest:
    mounts, volumes = of_job(model, version, kind, inputs)
    main = _container(command, wanted, mounts, options)
    made = prepared(model.name, kind, inputs)
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        **security.pull_secrets(options),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": security.USER,
            "runAsGroup": security.USER,
            **(_REGROUPED if fs_group else {}),
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **({"initContainers": [prepare(main, made)]} if made else {}),
        "containers": [main],
        "volumes": volumes,
    }


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
