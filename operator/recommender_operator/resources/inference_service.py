"""InferenceServices: the transformer answers requests, and Triton runs the models.

In Standard mode they are KServe's two components, with pods of their own: while Triton restarts,
the transformer answers from its fallbacks. In Knative mode they share a pod, because KServe splits
the requests to each component on its own, which would mix versions (kserve#1669); see
`docs/adr/0034-separate-transformer-and-triton-pods.md`.

KServe 0.20 (from its source) merges `predictor.model` into the runtime's `kserve-container`, and
appends `--model_name`, `--predictor_host` and `--http_port` to the arguments of a transformer that
lacks them. In Standard mode the Service of a component has the ports of its container: 80 for the
first, the others with the same number, and appProtocol h2c if the name contains `h2c` or `grpc`.
In Knative mode only one container may have a port and probes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from recommender_operator.api.spec import RecommenderModelSpec, ServingSpec
from recommender_operator.observed import ModelObject, VersionObject
from recommender_operator.resources import (
    autoscaling,
    collector_keys,
    disruption_budgets,
    experiment_contracts,
    labels,
    pod_template,
    secret_files,
    security,
)
from recommender_operator.resources.labels import Component, Manifest
from recommender_operator.resources.options import Options
from recommender_operator.resources.serving_containers import (
    ARTIFACT_VOLUME,
    GRPC_PORT,
    HTTP_PORT,
    TRITON_GRPC_PORT,
    TRITON_HTTP_PORT,
    artifact_of,
    probes,
    transformer,
    triton,
    verifier,
)

API_VERSION = "serving.kserve.io/v1beta1"
DEPLOYMENT_MODE = "serving.kserve.io/deploymentMode"
VISIBILITY = "networking.kserve.io/visibility"
#: Port of a component's Service for its container's first port.
SERVICE_PORT = 80
#: Seconds that Triton runs after its pod is terminated, while it is removed from the endpoints. In
#: Knative mode the transformer serves for 5 of these seconds (docs/knative.md); if Triton ended
#: before, the last answers would be fallbacks, like those of a broken model.
TRITON_PRE_STOP_SECONDS = 8
#: Seconds after which a transformer without Triton becomes ready, to answer from its fallbacks.
MODEL_WAIT_SECONDS = 20
#: Size limit of the scratch volume.
SCRATCH = "512Mi"
#: Number of this layout: a release that changes it deploys running versions again.
LAYOUT = 3
#: Number of the contract of copies, like that of experiments. A candidate of an earlier release
#: would count them as requests of users. The second contract has mixed lists too.
SHADOWS = "2"


def standard(
    model: ModelObject, version: VersionObject, options: Options, *, name: str = ""
) -> Manifest:
    """Return the InferenceService of one version in Standard mode, controlled by the version.

    `name` is that of another deployment of the version (`baseline_deployment_names.py`), whose
    pods count and report as the version.

    Raises:
        NotPublishedError: the version has no artifact.
    """
    name = name or version.name
    return {
        "apiVersion": API_VERSION,
        "kind": "InferenceService",
        "metadata": _standard_metadata(model, version, name),
        "spec": {
            "predictor": _standard_predictor(model, version, options, name),
            "transformer": _standard_transformer(model, version, options, name),
        },
    }


def _standard_metadata(model: ModelObject, version: VersionObject, name: str) -> Manifest:
    return {
        "name": name,
        "namespace": model.namespace,
        "labels": {
            **labels.of_version(model.name, name),
            # KServe must not create a route; the operator does.
            VISIBILITY: "cluster-local",
        },
        "annotations": {
            DEPLOYMENT_MODE: "Standard",
            autoscaling.CLASS: autoscaling.class_of(model.spec.serving),
            labels.SERVING_DIGEST: serving_digest(model.spec.serving),
            labels.EXPERIMENTS: experiment_contracts.NEWEST,
            labels.SHADOWS: SHADOWS,
        },
        "ownerReferences": labels.of_service(model, version),
    }


def _standard_predictor(
    model: ModelObject, version: VersionObject, options: Options, name: str
) -> Manifest:
    model_container = triton(model, version, options)
    model_container.update(probes("/v2/health/ready", "/v2/health/live", TRITON_HTTP_PORT))
    model_container["lifecycle"] = {"preStop": {"sleep": {"seconds": TRITON_PRE_STOP_SECONDS}}}
    model_container["ports"] = [
        {"name": "h2c", "containerPort": TRITON_GRPC_PORT, "protocol": "TCP"}
    ]
    return {
        **_component(model, name, Component.PREDICTOR, options),
        "model": model_container,
        "initContainers": [verifier(artifact_of(version), model.spec.serving, options)],
    }


def _standard_transformer(
    model: ModelObject, version: VersionObject, options: Options, name: str
) -> Manifest:
    container = transformer(
        model,
        version,
        options,
        name="kserve-container",
        predictor=f"{name}-predictor.{model.namespace}:{SERVICE_PORT}",
    )
    container["args"] += ["--model-wait-seconds", str(MODEL_WAIT_SECONDS)]
    container.update(probes("/v2/health/ready", "/v2/health/live", HTTP_PORT))
    container["ports"] = [
        {"name": "http1", "containerPort": HTTP_PORT, "protocol": "TCP"},
        {"name": "h2c", "containerPort": GRPC_PORT, "protocol": "TCP"},
    ]
    pods = secret_files.mounted(
        _component(model, name, Component.TRANSFORMER, options), model, options
    )
    pods["volumes"] += collector_keys.volumes(model, options)
    return {**pods, "containers": [container]}


def _component(model: ModelObject, name: str, component: Component, options: Options) -> Manifest:
    """Return the fields that both components of a deployment have in Standard mode."""
    marks = labels.of_component(model.name, name, component)
    replicas = autoscaling.minimum(model.spec.serving, component)
    return {
        **pods(model, replicas, marks, options),
        "securityContext": {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": disruption_budgets.spread(marks),
        "deploymentStrategy": disruption_budgets.strategy(
            replicas, scaled=model.spec.serving.autoscaling is not None
        ),
    }


def is_current(annotations: Mapping[str, str] | None, spec: RecommenderModelSpec) -> bool:
    """Return whether a service in Gateway mode has the settings of the model."""
    known = annotations or {}
    experiments = known.get(labels.EXPERIMENTS)
    if (
        spec.rollout.experiment is not None
        and experiments not in experiment_contracts.contracts_of(spec)
    ):
        return False
    shadows = known.get(labels.SHADOWS)
    if spec.rollout.shadow is not None and shadows not in ("1", SHADOWS):
        return False
    if spec.rollout.interleaving is not None and shadows != SHADOWS:
        return False
    return known.get(labels.SERVING_DIGEST) == serving_digest(spec.serving)


def serving_digest(serving: ServingSpec, *, scaling: Manifest | None = None) -> str:
    """Return a short digest of the settings whose change restarts a served version.

    Autoscalers have their own settings: only whether there is one counts, unless the service
    itself has settings of `scaling`.

    Images are not included: an upgrade of the operator restarts no served version, unless it
    changes the layout of the pods.
    """
    content = serving.model_dump(
        mode="json",
        by_alias=True,
        exclude_defaults=True,
        include={
            "replicas",
            "transformer_replicas",
            "timeout_milliseconds",
            "resources",
            "transformer_resources",
            "callers",
            "hide",
            "diversity",
            "exploration",
            "exposure",
            "holdout",
            "impressions",
            "cache",
            "pod_template",
            "trending",
        },
    )
    if serving.autoscaling is not None:
        content["autoscaling"] = scaling or True
    text = json.dumps({**content, "layout": LAYOUT}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def pods(model: ModelObject, replicas: int, marks: dict[str, str], options: Options) -> Manifest:
    """Return the fields of the pods of a component, with these labels."""
    placed = model.spec.serving.pod_template
    return {
        "minReplicas": replicas,
        "maxReplicas": replicas,
        "labels": pod_template.pod_labels(placed, marks),
        **pod_template.pod_annotations(placed),
        **pod_template.pod(placed),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        **security.pull_secrets(options),
        "volumes": [
            {
                "name": ARTIFACT_VOLUME,
                "persistentVolumeClaim": {
                    "claimName": model.spec.storage.persistent_volume_claim.claim_name,
                    "readOnly": True,
                },
            },
            security.empty_dir("tmp", SCRATCH),
        ],
    }
