"""Horizontal autoscaling of a version's components in Gateway mode.

The HorizontalPodAutoscalers are the operator's own (ADR 0043). KServe 0.20 creates one by itself
with the class `hpa`, but without a stabilization window and for CPU and memory alone. With the
class `external` it neither creates one nor writes the replicas of a Deployment, but deletes one
with the name of the Deployment that an InferenceService owns, so these have other names.
"""

from __future__ import annotations

import hashlib
import json

from recommender_operator.api.spec import ServingSpec
from recommender_operator.resources import labels
from recommender_operator.resources.labels import Component, Manifest

#: Annotation with KServe's class, and the class with which it does not write the number of pods.
CLASS, EXTERNAL = "serving.kserve.io/autoscalerClass", "external"
#: Metric of a transformer pod, from an adapter of the custom metrics API.
IN_FLIGHT = "transformer_requests_in_flight"
#: Hex digits of the digest of the settings.
DIGEST_DIGITS = 16


def class_of(serving: ServingSpec) -> str:
    """Return KServe's class of autoscalers: none of its own in any case.

    With `none` it sets the replicas of a Deployment to minReplicas; with `external` it leaves them
    to the operator's autoscaler.
    """
    return "none" if serving.autoscaling is None else EXTERNAL


def leave_replicas(service: Manifest) -> None:
    """Let KServe leave the number of pods to what scales them, also without autoscaling."""
    service["metadata"]["annotations"][CLASS] = EXTERNAL


def leaves_replicas(service: Manifest) -> bool:
    """Return whether KServe leaves the number of pods of a stored service alone."""
    return bool((service["metadata"].get("annotations") or {}).get(CLASS) == EXTERNAL)


def minimum(serving: ServingSpec, component: Component) -> int:
    """Return the minimum number of pods of a component: without autoscaling, the number."""
    if component is Component.TRANSFORMER:
        return serving.transformer_replicas or serving.replicas
    return serving.replicas


def name(version: str, component: Component) -> str:
    """Return the name of a component's autoscaler."""
    return f"{version}-{component}-scaler"


def autoscaler(
    model: str, version: str, component: Component, serving: ServingSpec, service: Manifest
) -> Manifest:
    """Return the HorizontalPodAutoscaler of a component, owned by the stored InferenceService.

    Without autoscaling it keeps the number of pods: one that exists ends with its version.
    """
    metadata = service["metadata"]
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {
            "name": name(version, component),
            "namespace": metadata["namespace"],
            "labels": labels.of_version(model, version),
            "annotations": {labels.SCALING_DIGEST: digest(serving)},
            "ownerReferences": labels.owned_by_service(service),
        },
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": f"{version}-{component}",
            },
            **_bounds(serving, component),
        },
    }


def digest(serving: ServingSpec) -> str:
    """Return a short digest of the settings of both components."""
    content = {component.value: _bounds(serving, component) for component in Component}
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_DIGITS]


def is_current(stored: Manifest, serving: ServingSpec) -> bool:
    """Return whether a stored autoscaler has these settings."""
    found = (stored["metadata"].get("annotations") or {}).get(labels.SCALING_DIGEST)
    return bool(found == digest(serving))


def _bounds(serving: ServingSpec, component: Component) -> Manifest:
    wanted, least = serving.autoscaling, minimum(serving, component)
    bounds: Manifest = {
        "minReplicas": least,
        "maxReplicas": least if wanted is None else max(least, wanted.max_replicas),
    }
    if wanted is None:
        return bounds
    window = wanted.scale_down_stabilization_seconds
    return {
        **bounds,
        "metrics": _metrics(serving, component),
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": window}},
    }


def _metrics(serving: ServingSpec, component: Component) -> list[Manifest]:
    wanted = serving.autoscaling
    if wanted is None:
        return []
    percent = wanted.target_cpu_utilization_percentage
    target = {"type": "Utilization", "averageUtilization": percent}
    metrics: list[Manifest] = [
        {"type": "Resource", "resource": {"name": "cpu", "target": target}},
    ]
    if component is Component.TRANSFORMER and wanted.target_requests_in_flight is not None:
        average = {"type": "AverageValue", "averageValue": str(wanted.target_requests_in_flight)}
        metrics.append(
            {"type": "Pods", "pods": {"metric": {"name": IN_FLIGHT}, "target": average}}
        )
    return metrics
