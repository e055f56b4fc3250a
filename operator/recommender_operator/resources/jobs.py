"""Jobs of the pipeline: check, train, recalibrate, publish, remove, snapshot (contracts.md)."""

from __future__ import annotations

from collections.abc import Mapping

from recommender_operator.api.spec import TrainingSpec
from recommender_operator.api.spec_pod_template import PodTemplate
from recommender_operator.api.spec_resources import Resources
from recommender_operator.observed import JobKind, ModelObject, VersionObject
from recommender_operator.resources import (
    container_resources,
    job_commands,
    labels,
    names,
    pod_template,
    security,
)
from recommender_operator.resources.folder_preparation import PREPARE, prepare
from recommender_operator.resources.labels import Manifest
from recommender_operator.resources.options import Options
from recommender_operator.resources.transformer_env import reads_trends
from recommender_operator.resources.volumes import of_job, prepared

CONTAINER = "main"
#: Exit code for invalid input: a retry does not help.
INVALID_INPUT = 2
#: Kinds that belong to a model instead of a version.
OF_A_MODEL = (JobKind.REMOVE, JobKind.SNAPSHOT)
#: Annotation of a model, for rehearsals in a test installation: a fault as JSON (docs/export.md).
FAULT = "inject-fault"
#: Time that finished removals are kept, in seconds. One that is missing is repeated, which does no
#: harm; the operator itself deletes the other Jobs (`lifecycle/finished_jobs.py`).
TTL_SECONDS = 3600
#: Makes the kubelet change the group of a volume's files once.
_FS_GROUP = {"fsGroup": security.USER, "fsGroupChangePolicy": "OnRootMismatch"}


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
    """Return a Job of the pipeline.

    With `fs_group` the kubelet changes the group of the store's files. Only the claim's owner can
    allow that, because a model can name any claim.

    Without a version the Job cleans up after a deleted model or takes a snapshot. The model owns
    it, and every Job of the kind remove, which must outlive the version whose files it removes.

    Raises:
        KeyError: a required input is missing.
        ValueError: an input is a path outside the model's folders.
    """
    name = version.name if version is not None else model.name
    job_labels = labels.of_job(model.name, name, kind, attempt)
    job_name = names.job_name(name, kind, attempt)
    if kind is JobKind.REMOVE:
        uid = version.uid if version is not None else model.uid
        job_labels[labels.INCARNATION] = names.incarnation(uid)
        job_name = names.removal_name(name, attempt, uid)
    training = version.spec.training if version is not None else model.spec.training
    placed = _placed(model, kind)
    resources = _resources(training, kind)
    fault = model.annotations.get(FAULT, "") if options.fault_injection else ""
    trends = reads_trends(model, options)
    command = job_commands.command(model, version, kind, inputs, attempt, fault, trends=trends)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name,
            "namespace": model.namespace,
            "labels": job_labels,
            "ownerReferences": _owners(model, version, kind),
        },
        "spec": {
            "backoffLimit": training.backoff_limit,
            "activeDeadlineSeconds": training.deadline_seconds,
            "podFailurePolicy": _failure_policy(prepares=bool(prepared(model.name, kind, inputs))),
            **({"ttlSecondsAfterFinished": TTL_SECONDS} if kind is JobKind.REMOVE else {}),
            "template": {
                "metadata": {
                    "labels": pod_template.pod_labels(placed, job_labels),
                    **pod_template.pod_annotations(placed),
                },
                "spec": _pod(
                    model, version, kind, inputs, command, resources, options, fs_group=fs_group
                ),
            },
        },
    }


def _resources(training: TrainingSpec, kind: JobKind) -> Manifest:
    """Return the resources of a container; a recalibration holds a model, and computes little."""
    small = container_resources.of_container(Resources(), container_resources.SMALL)
    if kind not in (JobKind.TRAIN, JobKind.RECALIBRATE):
        return small
    trains = container_resources.of_container(training.resources, container_resources.TRAINING)
    if kind is JobKind.TRAIN:
        return trains
    return {
        "requests": {**small["requests"], "memory": trains["requests"]["memory"]},
        "limits": {"memory": trains["limits"]["memory"]},
    }


def _placed(model: ModelObject, kind: JobKind) -> PodTemplate | None:
    wanted = model.spec.training.pod_template
    return pod_template.of_removal(wanted) if kind is JobKind.REMOVE else wanted


def _owners(model: ModelObject, version: VersionObject | None, kind: JobKind) -> list[Manifest]:
    if version is None or kind is JobKind.REMOVE:
        return labels.owned_by_model(model)
    return labels.owned_by_version(version)


def _failure_policy(*, prepares: bool) -> Manifest:
    invalid_input = [
        {
            "action": "FailJob",
            "onExitCodes": {
                "containerName": container,
                "operator": "In",
                "values": [INVALID_INPUT],
            },
        }
        for container in ([CONTAINER, PREPARE] if prepares else [CONTAINER])
    ]
    # An eviction or preemption does not count towards the backoffLimit.
    disrupted = {
        "action": "Ignore",
        "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
    }
    return {"rules": [*invalid_input, disrupted]}


def _pod(
    model: ModelObject,
    version: VersionObject | None,
    kind: JobKind,
    inputs: Mapping[str, str],
    command: list[str],
    resources: Manifest,
    options: Options,
    *,
    fs_group: bool,
) -> Manifest:
    mounts, volumes = of_job(model, version, kind, inputs, options)
    main = _container(command, resources, mounts, options)
    made = prepared(model.name, kind, inputs)
    owner = "" if kind is JobKind.REMOVE else names.owner(model)
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        **pod_template.pod(_placed(model, kind)),
        **security.pull_secrets(options),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": security.USER,
            "runAsGroup": security.USER,
            **(_FS_GROUP if fs_group else {}),
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **({"initContainers": [prepare(main, made, owner)]} if made else {}),
        "containers": [main],
        "volumes": volumes,
    }


def _container(
    command: list[str], resources: Manifest, mounts: list[Manifest], options: Options
) -> Manifest:
    threads = str(container_resources.threads_for(resources))
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
        "resources": resources,
        "securityContext": security.container_security(),
        "terminationMessagePath": job_commands.REPORT,
        "terminationMessagePolicy": "File",
        "volumeMounts": mounts,
    }
