"""Jobs of the pipeline: check, train, publish, remove (`docs/contracts.md`)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping

from recommender_operator.api.spec import DataSource, DataSpec, Resources
from recommender_operator.observed import JobKind, ModelObject, VersionObject
from recommender_operator.resources import labels, names, security
from recommender_operator.resources.labels import Manifest
from recommender_operator.resources.options import Options

REPORT = "/dev/termination-log"
CONTAINER = "main"
#: Exit code of a Job whose input is at fault: repeating is of no use.
INPUT_AT_FAULT = 2
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

    Without a version it clears up after a deleted model, and is owned by the model, as every Job
    of the kind remove is: it must outlive the version whose files it removes.

    Raises:
        KeyError: an input that the kind needs is missing.
    """
    name = version.name if version is not None else model.name
    marks = labels.of_job(model.name, name, kind, attempt)
    training = version.spec.training if version is not None else model.spec.training
    wanted = training.resources if kind is JobKind.TRAIN else SMALL
    command = _command(model, version, kind, inputs, attempt)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": names.job_name(name, kind, attempt),
            "namespace": model.namespace,
            "labels": marks,
            "ownerReferences": _owners(model, version, kind),
        },
        "spec": {
            "backoffLimit": training.backoff_limit,
            "activeDeadlineSeconds": training.deadline_seconds,
            "podFailurePolicy": _failure_policy(),
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
    """Return the mounts and the volumes; only a check sees the raw data."""
    claim = {"claimName": model.spec.storage.claim_name}
    mounts: list[Manifest] = [
        {"name": "store", "mountPath": "/store"},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
    ]
    volumes: list[Manifest] = [
        {"name": "store", "persistentVolumeClaim": claim},
        security.empty_dir("tmp", "4Gi"),
    ]
    if kind is JobKind.CHECK:
        data = version.spec.data if version is not None else model.spec.data
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
        "terminationMessagePath": REPORT,
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


def _command(
    model: ModelObject,
    version: VersionObject | None,
    kind: JobKind,
    inputs: Mapping[str, str],
    attempt: int,
) -> list[str]:
    head = ["recommender-training", kind.value]
    report = ["--report", REPORT]
    if kind is JobKind.REMOVE:
        paths = [path for path in inputs["paths"].split(",") if path]
        return [*head, "--root", "/store", *report, *paths]
    if version is None:
        raise KeyError(f"the kind {kind.value} needs a version")
    if kind is JobKind.CHECK:
        return [*head, *_check(model.name, version, inputs.get("against", "")), *report]
    if kind is JobKind.TRAIN:
        checkpoints = f"/store/{names.checkpoints_path(model.name, version.name)}"
        trained = _train(model.name, version, inputs, attempt)
        return [*head, *trained, *report, "--checkpoints", checkpoints]
    return [
        *head,
        "--staged", f"/store/{inputs['staged_path']}",
        "--digest", inputs["digest"],
        "--store", f"/store/{names.artifacts_path(model.name)}",
        *report,
    ]  # fmt: skip


def _window(version: VersionObject) -> list[str]:
    days = version.spec.data.window.days
    return ["--window-days", str(days)] if days is not None else []


def _check(model: str, version: VersionObject, against: str) -> list[str]:
    data = version.spec.data
    return [
        "--source", f"/data/{data.source.path}",
        "--format", data.source.format.value,
        *_mapping(data.source),
        "--lake", f"/store/{names.lake_path(model)}",
        *_window(version),
        "--min-rows", str(data.min_rows),
        "--max-quarantined-share", repr(data.max_quarantined_share),
        *_data_checks(data),
        *(["--against", against] if against else []),
    ]  # fmt: skip


def _data_checks(data: DataSpec) -> list[str]:
    """Return what of the section `checks` is not at its default: the command has the same ones."""
    told = data.checks.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return ["--checks", json.dumps(told, sort_keys=True, separators=(",", ":"))] if told else []


def _mapping(source: DataSource) -> list[str]:
    """Return the mapping as one argument; `$$` keeps the kubelet from expanding a `$(NAME)`."""
    if source.mapping is None:
        return []
    text = json.dumps(
        source.mapping.dump(), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return ["--mapping", text.replace("$", "$$")]


def _train(
    model: str, version: VersionObject, inputs: Mapping[str, str], attempt: int
) -> list[str]:
    told = version.spec.training.dump()
    del told["workers"]  # a worker learns of its group from its environment
    config = json.dumps(told, sort_keys=True, separators=(",", ":"))
    return [
        "--lake", f"/store/{names.lake_path(model)}",
        "--data-version", inputs["data_version"],
        *_window(version),
        "--config", config,
        "--output", f"/store/{names.staged_path(model, version.name, attempt)}",
        *_champion(inputs),
    ]  # fmt: skip


def _champion(inputs: Mapping[str, str]) -> list[str]:
    """Return what the version is compared with on the rows of its test window, if anything is."""
    if "champion_path" not in inputs:
        return []
    return [
        "--champion-artifact", f"/store/{inputs['champion_path']}",
        "--champion-digest", inputs["champion_digest"],
    ]  # fmt: skip
