"""A training of several pods: a TrainJob of Kubeflow Trainer v2 and the runtime it refers to.

Both are made for one training. A TrainJob alone can set neither a pod's security context nor the
limits of time and of restarts, and a runtime for all trainings could not have a version's values.
The pod is that of the Job which trains alone (`jobs.py`), so it is restricted in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping

from recommender_operator.observed import JobKind, ModelObject, VersionObject
from recommender_operator.resources import jobs, labels, names
from recommender_operator.resources.labels import Manifest
from recommender_operator.resources.options import Options

GROUP = "trainer.kubeflow.org"
API_VERSION = f"{GROUP}/v1alpha1"
#: Name of the replicated Job and of its container, by which Trainer finds both.
NODE = "node"
#: Label of a pod: the JobSet it belongs to, which has the name of the TrainJob.
JOB_SET = "jobset.sigs.k8s.io/jobset-name"
#: Label of a pod: its rank in the group.
RANK = "batch.kubernetes.io/job-completion-index"
#: A worker whose group restarts has nothing to finish: its checkpoint is written whole or not.
GRACE_SECONDS = 5
#: What torch reads, out of what Trainer sets. One process a pod needs no torchrun, which would
#: turn each exit code into 1, also that of an input at fault. The kubelet expands `$(NAME)`.
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
    """Return whether a step of a version is done by several pods."""
    return kind is JobKind.TRAIN and version.spec.training.workers > 1


def train_job(model: ModelObject, version: VersionObject, attempt: int) -> Manifest:
    """Return the TrainJob of one attempt; everything else is in its runtime."""
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
            # Given here too: without a trainer Trainer sets no PET_ variables.
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
    """Return the runtime of one attempt; `fs_group` as of a Job.

    Raises:
        KeyError: an input of the training is missing.
    """
    job = jobs.job(model, version, JobKind.TRAIN, attempt, inputs, options, fs_group=fs_group)
    single = job["spec"]
    training = version.spec.training
    job = {
        # The group restarts as a whole, for its workers wait for one another: see _restarts.
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
    """Return the pod of the Job that trains alone, told its rank."""
    pod = template["spec"]
    (main,) = pod["containers"]
    command = [*RANKS, *main["command"]]
    container = {**main, "name": NODE, "command": command}
    spec = {**pod, "terminationGracePeriodSeconds": GRACE_SECONDS, "containers": [container]}
    return {**template, "spec": spec}


def _failure_policy() -> Manifest:
    """Both rules end the Job; what becomes of the group is told by the message they leave."""
    at_fault = {"containerName": NODE, "operator": "In", "values": [jobs.INPUT_AT_FAULT]}
    disrupted = {"type": "DisruptionTarget", "status": "True"}
    return {
        "rules": [
            {"action": "FailJob", "onExitCodes": at_fault},
            {"action": "FailJob", "onPodConditions": [disrupted]},
        ]
    }


def _restarts(limit: int) -> Manifest:
    """Restart all workers together, from their checkpoint, once the last pod of before is gone.

    An input at fault and the deadline end the group; an eviction or a preemption uses up no
    restart. The Job controller's messages name the exit code and the condition.
    """
    by_policy = {"onJobFailureReasons": ["PodFailurePolicy"]}
    exit_code = f"exit code {jobs.INPUT_AT_FAULT} "
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
