"""Containers of served pods: Triton, the transformer, and the one that checks the artifact."""

from __future__ import annotations

from recommender_operator.api.spec import ServingSpec
from recommender_operator.api.version import Artifact
from recommender_operator.observed import ModelObject, VersionObject
from recommender_operator.resources import (
    collector_keys,
    container_resources,
    secret_files,
    security,
    transformer_env,
)
from recommender_operator.resources.labels import Manifest
from recommender_operator.resources.options import Options

HTTP_PORT = 8080
GRPC_PORT = 8081
TRITON_HTTP_PORT = 8000
TRITON_GRPC_PORT = 9000
#: Probe period in seconds, and failed probes before a pod becomes unready: 30 s if it refuses, and
#: 150 s if it is silent, because each probe then waits for its timeout; the liveness probe fails
#: before that, after a minute. A node with too little CPU answers late, and slow answers are
#: better than none: a Gateway, which sees each answer, notices silence sooner and takes less away
#: (docs/gateways.md). After its start a kubelet considers every pod unready until the first probe,
#: so the period is short.
READY_PERIOD, READY_FAILURES = 1, 30
#: Periods of the startup probe (1 s each) in which a container must load its models.
STARTUP_PERIODS = 300
#: KServe's name for the volume of a `pvc://` storageUri; it uses an existing volume of this name.
#: A pod with two volumes of the same claim would never start (kubernetes#28502).
ARTIFACT_VOLUME = "kserve-pvc-source"


class NotPublishedError(Exception):
    """A version without an artifact cannot be served."""


def artifact_of(version: VersionObject) -> Artifact:
    """Return the published artifact of a version.

    Raises:
        NotPublishedError: it has none.
    """
    artifact = version.status.artifact
    if artifact is None:
        raise NotPublishedError(f"{version.name} has no artifact: it was not published")
    return artifact


def triton(model: ModelObject, version: VersionObject, options: Options) -> Manifest:
    """Return Triton's container, as the `model` of a predictor.

    Raises:
        NotPublishedError: the version has no artifact.
    """
    claim, artifact = model.spec.storage.persistent_volume_claim.claim_name, artifact_of(version)
    default = container_resources.of_triton(version.status.metrics)
    return {
        "modelFormat": {"name": "pytorch"},
        "runtime": options.triton_runtime,
        "protocolVersion": "v2",
        "storageUri": f"pvc://{claim}/{artifact.path}/repository",
        "resources": container_resources.of_container(model.spec.serving.resources, default),
        # The runtime defines user and root file system: Triton's images differ.
        "securityContext": security.container_security(user=None, read_only=False),
    }


def _of_transformer(serving: ServingSpec) -> Manifest:
    wanted = serving.transformer_resources
    return container_resources.of_container(wanted, container_resources.TRANSFORMER)


def _artifact_mount(path: str) -> Manifest:
    mount = {"name": ARTIFACT_VOLUME, "mountPath": "/artifact"}
    return {**mount, "subPath": path, "readOnly": True}


def verifier(artifact: Artifact, serving: ServingSpec, options: Options) -> Manifest:
    """Return the init container that checks each file of an artifact."""
    return {
        "name": "verify-artifact",
        "image": options.serving_image,
        "imagePullPolicy": options.image_pull_policy,
        "command": ["recommender-serving", "verify", "/artifact", "--digest", artifact.digest],
        "resources": _of_transformer(serving),
        "securityContext": security.container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            _artifact_mount(artifact.path),
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
        ],
    }


def transformer(
    model: ModelObject, version: VersionObject, options: Options, *, name: str, predictor: str
) -> Manifest:
    """Return the transformer's container without ports and probes.

    Raises:
        NotPublishedError: the version has no artifact.
    """
    serving, artifact = model.spec.serving, artifact_of(version)
    return {
        "name": name,
        "image": options.serving_image,
        "imagePullPolicy": options.image_pull_policy,
        "command": ["recommender-serving", "serve"],
        "args": [
            "--artifact", "/artifact",
            # Verify the artifact at each start, including restarts in the same pod.
            "--digest", artifact.digest,
            "--model_name", "recommender",
            "--predictor_host", predictor,
            "--http_port", str(HTTP_PORT),
            "--grpc-port", str(GRPC_PORT),
        ],
        "env": transformer_env.variables(model, version, options),
        "resources": _of_transformer(serving),
        "securityContext": security.container_security(),
        "volumeMounts": [
            _artifact_mount(artifact.path),
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
            *secret_files.mounts(model, options),
            *collector_keys.mounts(model, options),
        ],
    }  # fmt: skip


def probe(path: str, port: int, period: int, failures: int) -> Manifest:
    """Return a probe of an HTTP path, with its period in seconds."""
    return {
        "httpGet": {"path": path, "port": port, "scheme": "HTTP"},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


def probes(ready: str, live: str, port: int) -> Manifest:
    """Return three probes; the startup probe limits the time for loading the models."""
    return {
        "startupProbe": probe(ready, port, 1, STARTUP_PERIODS),
        "readinessProbe": probe(ready, port, READY_PERIOD, READY_FAILURES),
        "livenessProbe": probe(live, port, 10, 6),
    }
