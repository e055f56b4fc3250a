"""Common fields of the operator's pods: the restricted Pod Security Standard, volumes, secrets."""

from __future__ import annotations

from recommender_operator.resources.labels import Manifest
from recommender_operator.resources.options import Options

#: User and group of the training and serving images.
USER = 65532


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


def empty_dir(name: str, size_limit: str) -> Manifest:
    """Return a scratch volume with a size limit."""
    return {"name": name, "emptyDir": {"sizeLimit": size_limit}}


def pull_secrets(options: Options) -> Manifest:
    """Return the pod's field imagePullSecrets, if there are any."""
    if not options.image_pull_secrets:
        return {}
    return {"imagePullSecrets": [{"name": name} for name in options.image_pull_secrets]}
