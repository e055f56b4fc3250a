"""Common fields of the operator's pods: resources and the restricted Pod Security Standard."""

from __future__ import annotations

from recommender_operator.api.spec import Resources
from recommender_operator.api.spec_resources import TrainingResources
from recommender_operator.resources.labels import Manifest
from recommender_operator.resources.options import Options

#: User and group of the training and serving images.
USER = 65532
#: Resource name of NVIDIA's device plugin.
GPU = "nvidia.com/gpu"


def container_security(*, user: int | None = USER, read_only: bool = True) -> Manifest:
    """Return the security context of a container.

    It contains the whole restricted standard, because Knative rejects most fields of a pod's
    security context.
    """
    context: Manifest = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if user is not None:
        context["runAsUser"] = user
        context["runAsGroup"] = user
    if read_only:
        context["readOnlyRootFilesystem"] = True
    return context


def resources(wanted: Resources) -> Manifest:
    """Return requests and limits: the memory limit equals the request, the CPU limit is optional.

    A GPU is only in the limits, as Kubernetes requires for extended resources.
    """
    limits = {"memory": wanted.memory}
    if wanted.cpu_limit is not None:
        limits["cpu"] = wanted.cpu_limit
    if isinstance(wanted, TrainingResources) and wanted.gpus:
        limits[GPU] = str(wanted.gpus)
    return {"requests": {"cpu": wanted.cpu, "memory": wanted.memory}, "limits": limits}


def empty_dir(name: str, size_limit: str) -> Manifest:
    """Return a scratch volume with a size limit."""
    return {"name": name, "emptyDir": {"sizeLimit": size_limit}}


def pull_secrets(options: Options) -> Manifest:
    """Return the pod's field imagePullSecrets, if there are any."""
    if not options.image_pull_secrets:
        return {}
    return {"imagePullSecrets": [{"name": name} for name in options.image_pull_secrets]}
