"""InferenceServices: Triton and the transformer in one pod.

KServe 0.20 (from its source) merges `predictor.model` into the runtime's `kserve-container` and
adds the container `transformer-container`. In Standard mode the Service `<name>-predictor` has the
transformer's ports: 80 for the first, the others with the same number, and appProtocol h2c if the
name contains `h2c` or `grpc`. In Knative mode only one container may have a port and probes.
"""

from __future__ import annotations

import hashlib
import json

from recommender_operator.api.spec import ServingSpec
from recommender_operator.api.version import Artifact
from recommender_operator.observed import ModelObject, VersionObject
from recommender_operator.resources import labels, security
from recommender_operator.resources.labels import Manifest
from recommender_operator.resources.options import Options

API_VERSION = "serving.kserve.io/v1beta1"
DEPLOYMENT_MODE = "serving.kserve.io/deploymentMode"
AUTOSCALER_CLASS = "serving.kserve.io/autoscalerClass"
VISIBILITY = "networking.kserve.io/visibility"
HTTP_PORT = 8080
GRPC_PORT = 8081
TRITON_HTTP_PORT = 8000
#: Probe period in seconds, and failed probes before a pod becomes unready (30 s in total). A node
#: with too little CPU answers late, and a pod without its model answers from the popularity list:
#: without its only pod a model gives no answers instead of slow ones.
READY_PERIOD, READY_FAILURES = 5, 6
#: Seconds that Triton runs after its pod is terminated. The transformer serves for 5 more seconds
#: while it is removed from the endpoints (docs/serving.md); if Triton ended before, the last
#: answers would be fallbacks, like those of a broken model.
TRITON_PRE_STOP_SECONDS = 8
#: Periods of the startup probe (2 s each) in which a container must load its models.
STARTUP_PERIODS = 150
#: KServe's name for the volume of a `pvc://` storageUri; it uses an existing volume of this name.
#: A pod with two volumes of the same claim would never start (kubernetes#28502).
ARTIFACT_VOLUME = "kserve-pvc-source"
#: Size limit of the scratch volume.
SCRATCH = "512Mi"


class NotPublishedError(Exception):
    """A version without an artifact cannot be served."""


def standard(model: ModelObject, version: VersionObject, options: Options) -> Manifest:
    """Return the InferenceService of one version in Standard mode, owned by the version.

    Raises:
        NotPublishedError: the version has no artifact.
    """
    predictor = _predictor(model, version, options)
    predictor["securityContext"] = {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    # Start a new pod first, so that a change of settings never reduces the number of pods.
    predictor["deploymentStrategy"] = {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
    }
    predictor["model"].update(_probes("/v2/health/ready", "/v2/health/live", TRITON_HTTP_PORT))
    predictor["model"]["lifecycle"] = {"preStop": {"sleep": {"seconds": TRITON_PRE_STOP_SECONDS}}}
    transformer = predictor["containers"][0]
    transformer.update(_probes("/v2/health/ready", "/v2/health/live", HTTP_PORT))
    transformer["ports"] = [
        {"name": "http1", "containerPort": HTTP_PORT, "protocol": "TCP"},
        {"name": "h2c", "containerPort": GRPC_PORT, "protocol": "TCP"},
    ]
    return {
        "apiVersion": API_VERSION,
        "kind": "InferenceService",
        "metadata": _standard_metadata(model, version),
        "spec": {"predictor": predictor},
    }


def _standard_metadata(model: ModelObject, version: VersionObject) -> Manifest:
    return {
        "name": version.name,
        "namespace": model.namespace,
        "labels": {
            **labels.of_version(model.name, version.name),
            # KServe must not create a route; the operator does.
            VISIBILITY: "cluster-local",
        },
        "annotations": {
            DEPLOYMENT_MODE: "Standard",
            # No HPA; with this class KServe sets the Deployment's replicas to minReplicas.
            AUTOSCALER_CLASS: "none",
            labels.SERVING_DIGEST: serving_digest(model.spec.serving),
        },
        "ownerReferences": labels.owned_by_version(version),
    }


def knative(
    model: ModelObject, version: VersionObject, canary_percent: int | None, options: Options
) -> Manifest:
    """Return the only InferenceService of a model in Knative mode, with this version as latest.

    `canary_percent` is the version's percent of requests; None promotes it.

    Raises:
        NotPublishedError: the version has no artifact.
    """
    predictor = _predictor(model, version, options)
    transformer = predictor["containers"][0]
    transformer["ports"] = [{"containerPort": HTTP_PORT, "protocol": "TCP"}]
    transformer["readinessProbe"] = _probe(
        "/v2/health/ready", HTTP_PORT, READY_PERIOD, READY_FAILURES
    )
    transformer["livenessProbe"] = {
        **_probe("/v2/health/live", HTTP_PORT, 10, 6),
        "initialDelaySeconds": 30,
    }
    if canary_percent is not None:
        predictor["canaryTrafficPercent"] = canary_percent
    return {
        "apiVersion": API_VERSION,
        "kind": "InferenceService",
        "metadata": {
            "name": model.name,
            "namespace": model.namespace,
            "labels": labels.of_model(model.name),
            "annotations": {
                DEPLOYMENT_MODE: "Knative",
                labels.VERSION: version.name,
                labels.SERVING_DIGEST: serving_digest(model.spec.serving),
            },
            "ownerReferences": labels.owned_by_model(model),
        },
        "spec": {"predictor": predictor},
    }


def serving_digest(serving: ServingSpec) -> str:
    """Return a short digest of the settings whose change restarts a served version.

    Images are not included: an upgrade of the operator restarts no served version.
    """
    content = serving.model_dump(
        mode="json",
        by_alias=True,
        exclude_defaults=True,
        include={"replicas", "timeout_milliseconds", "resources", "transformer_resources"},
    )
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _predictor(model: ModelObject, version: VersionObject, options: Options) -> Manifest:
    artifact = version.status.artifact
    if artifact is None:
        raise NotPublishedError(f"{version.name} has no artifact: it was not published")
    serving = model.spec.serving
    claim = model.spec.storage.claim_name
    return {
        "minReplicas": serving.replicas,
        "maxReplicas": serving.replicas,
        "labels": labels.of_version(model.name, version.name),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        **security.pull_secrets(options),
        "model": {
            "modelFormat": {"name": "pytorch"},
            "runtime": options.triton_runtime,
            "protocolVersion": "v2",
            "storageUri": f"pvc://{claim}/{artifact.path}/repository",
            "resources": security.resources(serving.resources),
            # The runtime defines user and root file system: Triton's images differ.
            "securityContext": security.container_security(user=None, read_only=False),
        },
        "initContainers": [_verifier(artifact.path, artifact.digest, serving, options)],
        "containers": [_transformer(model, version.name, artifact, options)],
        "volumes": [
            {
                "name": ARTIFACT_VOLUME,
                "persistentVolumeClaim": {"claimName": claim, "readOnly": True},
            },
            security.empty_dir("tmp", SCRATCH),
        ],
    }


def _artifact_mount(path: str) -> Manifest:
    mount = {"name": ARTIFACT_VOLUME, "mountPath": "/artifact"}
    return {**mount, "subPath": path, "readOnly": True}


def _verifier(path: str, digest: str, serving: ServingSpec, options: Options) -> Manifest:
    return {
        "name": "verify-artifact",
        "image": options.serving_image,
        "imagePullPolicy": options.image_pull_policy,
        "command": ["recommender-serving", "verify", "/artifact", "--digest", digest],
        "resources": security.resources(serving.transformer_resources),
        "securityContext": security.container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [_artifact_mount(path), {"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108
    }


def _transformer(
    model: ModelObject, version: str, artifact: Artifact, options: Options
) -> Manifest:
    serving = model.spec.serving
    return {
        "name": "transformer-container",
        "image": options.serving_image,
        "imagePullPolicy": options.image_pull_policy,
        "command": [
            "recommender-serving", "serve",
            "--artifact", "/artifact",
            # Verify the artifact at each start, including restarts in the same pod.
            "--digest", artifact.digest,
            "--triton", "localhost:9000",
            "--http-port", str(HTTP_PORT),
            "--grpc-port", str(GRPC_PORT),
        ],
        "env": [
            {"name": "RECOMMENDER_MODEL", "value": model.name},
            {"name": "RECOMMENDER_VERSION", "value": version},
            {"name": "RECOMMENDER_TIMEOUT_MS", "value": str(serving.timeout_milliseconds)},
        ],
        "resources": security.resources(serving.transformer_resources),
        "securityContext": security.container_security(),
        "volumeMounts": [
            _artifact_mount(artifact.path),
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
        ],
    }  # fmt: skip


def _probe(path: str, port: int, period: int, failures: int) -> Manifest:
    return {
        "httpGet": {"path": path, "port": port, "scheme": "HTTP"},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


def _probes(ready: str, live: str, port: int) -> Manifest:
    """Return three probes; the startup probe limits the time for loading the models."""
    return {
        "startupProbe": _probe(ready, port, 2, STARTUP_PERIODS),
        "readinessProbe": _probe(ready, port, READY_PERIOD, READY_FAILURES),
        "livenessProbe": _probe(live, port, 10, 6),
    }
