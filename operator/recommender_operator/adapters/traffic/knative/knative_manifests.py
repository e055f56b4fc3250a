"""Manifests of a model in Knative mode: one service, whose revisions share policy and budget."""

from __future__ import annotations

from recommender_operator.api.spec import ServingSpec
from recommender_operator.observed import ModelObject, VersionObject
from recommender_operator.resources import (
    collector_keys,
    disruption_budgets,
    inference_service,
    labels,
    network_policies,
    requested_memory,
    secret_files,
)
from recommender_operator.resources.labels import Component, Manifest
from recommender_operator.resources.options import Options
from recommender_operator.resources.serving_containers import (
    HTTP_PORT,
    READY_FAILURES,
    READY_PERIOD,
    TRITON_GRPC_PORT,
    artifact_of,
    probe,
    transformer,
    triton,
    verifier,
)

#: Annotation of a revision with its minimum number of pods.
MIN_SCALE = "autoscaling.knative.dev/min-scale"
#: Ports of Knative's queue-proxy: requests (HTTP/1, HTTP/2, TLS), and the metrics of the
#: autoscaler and of requests (from its `pkg/networking/constants.go`).
_QUEUE_PORTS = (8012, 8013, 8112, 9090, 9091)


def service(
    model: ModelObject, version: VersionObject, canary_percent: int | None, options: Options
) -> Manifest:
    """Return the only InferenceService of a model in Knative mode, with this version as latest.

    `canary_percent` is the version's percent of requests; None promotes it.

    Raises:
        NotPublishedError: the version has no artifact.
    """
    container = transformer(
        model,
        version,
        options,
        name="transformer-container",
        predictor=f"localhost:{TRITON_GRPC_PORT}",
    )
    container["ports"] = [{"containerPort": HTTP_PORT, "protocol": "TCP"}]
    container["readinessProbe"] = probe(
        "/v2/health/ready", HTTP_PORT, READY_PERIOD, READY_FAILURES
    )
    container["livenessProbe"] = {
        **probe("/v2/health/live", HTTP_PORT, 10, 6),
        "initialDelaySeconds": 30,
    }
    artifact = artifact_of(version)
    marks = labels.of_version(model.name, version.name)
    serving = model.spec.serving
    pods = inference_service.pods(model, serving.replicas, marks, options)
    predictor = {
        **secret_files.mounted(pods, model, options),
        **_scaling(serving),
        "model": triton(model, version, options),
        "initContainers": [verifier(artifact, model.spec.serving, options)],
        "containers": [container],
    }
    predictor["volumes"] += collector_keys.volumes(model, options)
    if notes := _annotations(serving):
        predictor["annotations"] = {**predictor.get("annotations", {}), **notes}
    if canary_percent is not None:
        predictor["canaryTrafficPercent"] = canary_percent
    return {
        "apiVersion": inference_service.API_VERSION,
        "kind": "InferenceService",
        "metadata": {
            "name": model.name,
            "namespace": model.namespace,
            "labels": labels.of_model(model.name),
            "annotations": {
                inference_service.DEPLOYMENT_MODE: "Knative",
                labels.VERSION: version.name,
                labels.SERVING_DIGEST: serving_digest(serving),
            },
            "ownerReferences": labels.owned_by_model(model),
        },
        "spec": {"predictor": predictor},
    }


def serving_digest(serving: ServingSpec) -> str:
    """Return a short digest of the settings whose change makes a new revision."""
    return inference_service.serving_digest(serving, scaling=settings(serving))


def settings(serving: ServingSpec) -> Manifest | None:
    """Return the settings of autoscaling that a service in Knative mode depends on."""
    wanted = serving.autoscaling
    if wanted is None:
        return None
    # Fields that Knative does not have would otherwise replace its pods at an upgrade.
    return wanted.model_dump(
        mode="json", by_alias=True, exclude_none=True, exclude={"engine", "peaks"}
    )


def policy(model: ModelObject, service: Manifest, options: Options) -> Manifest:
    """Return the NetworkPolicy of the pods of all revisions of a model in Knative mode.

    Triton shares their network, so only the ports of the transformer and of Knative's proxy are
    open. `service` is the InferenceService as stored, which owns it.
    """
    ports = [network_policies.tcp(port) for port in (HTTP_PORT, *_QUEUE_PORTS)]
    rules: list[Manifest] = [{"ports": ports}]
    if options.metrics_from:
        rules.append(network_policies.scraped(options))
    return network_policies.policy(
        network_policies.name(model.name),
        model.namespace,
        labels.of_model(model.name),
        labels.owned_by_service(service),
        {
            "podSelector": labels.revisions(model.name),
            "policyTypes": ["Ingress", "Egress"],
            "ingress": rules,
            "egress": [network_policies.DNS, *network_policies.beyond(model, options)],
        },
        options,
    )


def budget(model: str, service: Manifest) -> Manifest:
    """Return the PodDisruptionBudget of a model in Knative mode, whose versions share a service.

    It counts the pods of all its revisions together: one budget for each would outlive its
    revision, because the service stays.
    """
    name = f"{model}-{Component.PREDICTOR}"
    marks, revisions = labels.of_model(model), labels.revisions(model)
    return disruption_budgets.of_pods(name, marks, revisions, service)


def requested_memory_of(revision: Manifest) -> int:
    """Return the bytes that a revision of Knative requests with its minimum number of pods."""
    notes = revision["metadata"].get("annotations") or {}
    asked = requested_memory.requested(revision.get("spec", {}).get("containers") or ())
    return int(asked * int(notes.get(MIN_SCALE, 1)))


def _scaling(serving: ServingSpec) -> Manifest:
    """Return the fields of the only component in Knative mode; its own autoscaler scales it."""
    wanted = serving.autoscaling
    if wanted is None:
        return {}
    fields: Manifest = {"maxReplicas": max(serving.replicas, wanted.max_replicas)}
    if wanted.target_requests_in_flight is not None:
        fields["scaleMetric"] = "concurrency"
        fields["scaleTarget"] = wanted.target_requests_in_flight
    return fields


def _annotations(serving: ServingSpec) -> dict[str, str]:
    """Return the annotations of the pods in Knative mode."""
    wanted = serving.autoscaling
    if wanted is None:
        return {}
    window = wanted.scale_down_stabilization_seconds
    return {"autoscaling.knative.dev/scale-down-delay": f"{window}s"}
