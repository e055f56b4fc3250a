"""Parts of a pod that every pod of the operator shares: the restricted Pod Security Standard."""

from __future__ import annotations

from recommender_operator.api.spec import Resources
from recommender_operator.api.spec_resources import TrainingResources
from recommender_operator.resources.labels import Manifest
from recommender_operator.resources.options import Options

#: User of the training and serving images.
USER = 65532
#: What NVIDIA's device plugin gives to pods.
GPU = "nvidia.com/gpu"


def container_security(*, user: int | None = USER, read_only: bool = True) -> Manifest:
    """Return the security context of a container.

    It carries all of the restricted standard, because Knative refuses most of a pod's own context.
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
    """Return requests and limits; memory is limited to its request, CPU only if asked for.

    A GPU is in the limits alone, as Kubernetes wants it of an extended resource.
    """
    limits = {"memory": wanted.memory}
    if wanted.cpu_limit is not None:
        limits["cpu"] = wanted.cpu_limit
    if isinstance(wanted, TrainingResources) and wanted.gpus:
        limits[GPU] = str(wanted.gpus)
    return {"requests": {"cpu": wanted.cpu, "memory": wanted.memory}, "limits": limits}


def empty_dir(name: str, size_limit: str) -> Manifest:
    """Return a scratch volume of bounded size."""
    return {"name": name, "emptyDir": {"sizeLimit": size_limit}}


def pull_secrets(options: Options) -> Manifest:
    """Return the pod's field with the secrets for its images, if there are any."""
    if not options.image_pull_secrets:
        return {}
    return {"imagePullSecrets": [{"name": name} for name in options.image_pull_secrets]}
