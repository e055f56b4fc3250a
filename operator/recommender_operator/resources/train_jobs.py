"""A training with several pods: a TrainJob of Kubeflow Trainer v2 and its TrainingRuntime.

Each training has its own runtime, because a TrainJob cannot set the pods' security context, the
deadline and the number of restarts. The pod template is that of a single Job (`jobs.py`), with
the same restrictions.
"""

from __future__ import annotations

from collections.abc import Mapping

from recommender_operator.observed import JobKind, ModelObject, VersionObject
from recommender_operator.resources import jobs, labels, names
from recommender_operator.resources.labels import Manifest
from recommender_operator.resources.options import Options

GROUP = "trainer.kubeflow.org"
API_VERSION = f"{GROUP}/v1alpha1"
#: Name that Trainer requires for the replicated Job and its container.
NODE = "node"
#: Label of a pod with the name of its JobSet, which is that of the TrainJob.
JOB_SET = "jobset.sigs.k8s.io/jobset-name"
#: Label of a pod with its rank in the group.
RANK = "batch.kubernetes.io/job-completion-index"
#: Termination grace period; workers have nothing to finish, because checkpoints are atomic.
GRACE_SECONDS = 5
#: The environment of torch.distributed, from that of Trainer. torchrun is not needed for one
#: process per pod, and replaces every exit code by 1. The kubelet expands `$(NAME)`.
RANKS = (
    "env",
    "RANK=$(PET_NODE_RANK)",
    "LOCAL_RANK=0",
    "WORLD_SIZE=$(PET_NNODES)",
    "LOCAL_WORLD_SIZE=1",
    "MASTER_ADDR=$(PET_MASTER_ADDR)",
    "MASTER_PORT=$(PET_MASTER_PORT)",
)


def is_group(version: VersionObject, kind: JobKind) -> bool:
    """Return whether a version's step of this kind runs in several pods."""
    return kind is JobKind.TRAIN and version.spec.training.workers > 1


def train_job(model: ModelObject, version: VersionObject, attempt: int) -> Manifest:
    """Return the TrainJob of an attempt, which only refers to its runtime."""
    return {
        "apiVersion": API_VERSION,
        "kind": "TrainJob",
        "metadata": _metadata(model, version, attempt),
        "spec": {
            "runtimeRef": {
                "apiGroup": GROUP,
                "kind": "TrainingRuntime",
                "name": names.group_name(version.name, attempt),
            },
            # Repeated here: without it Trainer sets no PET_ variables.
            "trainer": {"numNodes": version.spec.training.workers, "numProcPerNode": 1},
        },
    }


def training_runtime(
    model: ModelObject,
    version: VersionObject,
    attempt: int,
    inputs: Mapping[str, str],
    options: Options,
    *,
    fs_group: bool = False,
) -> Manifest:
    """Return the TrainingRuntime of an attempt; `fs_group` as in `jobs.job`.

    Raises:
        KeyError: a required input is missing.
    """
    job = jobs.job(model, version, JobKind.TRAIN, attempt, inputs, options, fs_group=fs_group)
    single = job["spec"]
    training = version.spec.training
    job = {
        # The group restarts as a whole (_restarts), because the workers wait for one another.
        "backoffLimit": 0,
        "activeDeadlineSeconds": training.deadline_seconds,
        "podFailurePolicy": _failure_policy(),
        "template": _worker(single["template"]),
    }
    node = {
        "name": NODE,
        "replicas": 1,
        "template": {
            "metadata": {"labels": {f"{GROUP}/trainjob-ancestor-step": "trainer"}},
            "spec": job,
        },
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "TrainingRuntime",
        "metadata": _metadata(model, version, attempt),
        "spec": {
            "mlPolicy": {"numNodes": training.workers, "torch": {"numProcPerNode": 1}},
            "template": {
                "spec": {
                    "failurePolicy": _restarts(training.backoff_limit),
                    "replicatedJobs": [node],
                }
            },
        },
    }


def _metadata(model: ModelObject, version: VersionObject, attempt: int) -> Manifest:
    return {
        "name": names.group_name(version.name, attempt),
        "namespace": model.namespace,
        "labels": labels.of_job(model.name, version.name, JobKind.TRAIN, attempt),
        "ownerReferences": labels.owned_by_version(version),
    }


def _worker(template: Manifest) -> Manifest:
    """Return the pod template of a single Job, with the environment of a worker."""
    pod = template["spec"]
    (main,) = pod["containers"]
    command = [*RANKS, *main["command"]]
    container = {**main, "name": NODE, "command": command}
    spec = {**pod, "terminationGracePeriodSeconds": GRACE_SECONDS, "containers": [container]}
    return {**template, "spec": spec}


def _failure_policy() -> Manifest:
    """Return rules that fail the Job; JobSet reads their messages (_restarts)."""
    invalid_input = {"containerName": NODE, "operator": "In", "values": [jobs.INVALID_INPUT]}
    disrupted = {"type": "DisruptionTarget", "status": "True"}
    return {
        "rules": [
            {"action": "FailJob", "onExitCodes": invalid_input},
            {"action": "FailJob", "onPodConditions": [disrupted]},
        ]
    }


def _restarts(limit: int) -> Manifest:
    """Return a failure policy that restarts all workers together, after the old pods are gone.

    Invalid input and the deadline fail the group; an eviction or preemption does not count as a
    restart. The Job controller's messages contain the exit code and the condition.
    """
    by_policy = {"onJobFailureReasons": ["PodFailurePolicy"]}
    exit_code = f"exit code {jobs.INVALID_INPUT} "
    return {
        "maxRestarts": limit,
        "restartStrategy": "BlockingRecreate",
        "rules": [
            {
                "name": "inputatfault",
                "action": "FailJobSet",
                **by_policy,
                "onJobFailureMessagePatterns": [exit_code],
            },
            {
                "name": "disrupted",
                "action": "RestartJobSetAndIgnoreMaxRestarts",
                **by_policy,
                "onJobFailureMessagePatterns": ["DisruptionTarget"],
            },
            {
                "name": "deadline",
                "action": "FailJobSet",
                "onJobFailureReasons": ["DeadlineExceeded"],
            },
        ],
    }
