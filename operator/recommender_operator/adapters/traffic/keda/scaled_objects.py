"""Autoscaling of a version's components by KEDA: a ScaledObject in place of an autoscaler.

KEDA creates and owns a HorizontalPodAutoscaler for each (ADR 0074). It has the ScaledObject's name
and not KEDA's default one, which may exceed the 63 characters that KEDA allows.
"""

from __future__ import annotations

import hashlib
import json

from recommender_operator.api.spec import ServingSpec
from recommender_operator.api.spec_autoscaling import AutoscalingSpec, Engine
from recommender_operator.resources import autoscaling, labels
from recommender_operator.resources.labels import Component, Manifest
from recommender_operator.resources.options import Options

API_VERSION = "keda.sh/v1alpha1"
KIND = "ScaledObject"
#: Maximum length of the name, which is the value of a label.
MAX_NAME = 63
NAME_DIGITS = 8
#: Reason of the condition Ready where some triggers do not work, and others do.
PARTIAL = "PartialTriggerError"


def wanted(serving: ServingSpec) -> bool:
    """Return whether a model asks for KEDA."""
    return serving.autoscaling is not None and serving.autoscaling.engine is Engine.KEDA


def name(version: str, component: Component) -> str:
    """Return the name of a component's ScaledObject and of KEDA's autoscaler.

    It is not the name of the Deployment, which KServe uses for its own. A digest replaces the end
    of a long one.
    """
    full = f"{version}-{component}-keda"
    if len(full) <= MAX_NAME:
        return full
    digest = hashlib.sha256(full.encode()).hexdigest()[:NAME_DIGITS]
    return f"{full[: MAX_NAME - NAME_DIGITS - 1].rstrip('-')}-{digest}"


def scaled_object(
    model: str,
    version: str,
    component: Component,
    serving: ServingSpec,
    service: Manifest,
    options: Options,
) -> Manifest:
    """Return the ScaledObject of a component, owned by the stored InferenceService."""
    metadata = service["metadata"]
    spec = _spec(version, component, serving, metadata["namespace"], options)
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": name(version, component),
            "namespace": metadata["namespace"],
            "labels": labels.of_version(model, version),
            "annotations": {labels.SCALING_DIGEST: _digest(spec)},
            "ownerReferences": labels.owned_by_service(service),
        },
        "spec": spec,
    }


def is_current(stored: Manifest, made: Manifest) -> bool:
    """Return whether a stored ScaledObject has the settings of one that was made now."""
    notes = stored["metadata"].get("annotations") or {}
    return bool(
        notes.get(labels.SCALING_DIGEST) == made["metadata"]["annotations"][labels.SCALING_DIGEST]
    )


def condition(stored: Manifest, kind: str) -> Manifest:
    """Return a condition that KEDA reports; empty if there is none."""
    found = (stored.get("status") or {}).get("conditions") or []
    return next((each for each in found if each.get("type") == kind), {})


def not_ready(stored: Manifest) -> str:
    """Return why KEDA does not scale by a ScaledObject as it says; empty if it does.

    Unknown is the state of a new one, and of one of whose triggers only some work.
    """
    found = condition(stored, "Ready")
    status, reason = found.get("status"), found.get("reason")
    if status != "False" and (status, reason) != ("Unknown", PARTIAL):
        return ""
    return str(found.get("message") or found.get("reason") or "it is not ready")


def _digest(spec: Manifest) -> str:
    text = json.dumps(spec, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[: autoscaling.DIGEST_DIGITS]


def _spec(
    version: str, component: Component, serving: ServingSpec, namespace: str, options: Options
) -> Manifest:
    least, scaling = autoscaling.minimum(serving, component), serving.autoscaling
    if scaling is None:
        raise ValueError("a ScaledObject needs serving.autoscaling")
    window = scaling.scale_down_stabilization_seconds
    return {
        "scaleTargetRef": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": f"{version}-{component}",
        },
        "minReplicaCount": least,
        "maxReplicaCount": max(least, scaling.max_replicas),
        "advanced": {
            "horizontalPodAutoscalerConfig": {
                "name": name(version, component),
                "behavior": {"scaleDown": {"stabilizationWindowSeconds": window}},
            },
        },
        "triggers": [
            _cpu(scaling),
            *_requests(version, component, scaling, namespace, options),
            *_peaks(scaling),
        ],
    }


def _cpu(scaling: AutoscalingSpec) -> Manifest:
    percent = str(scaling.target_cpu_utilization_percentage)
    return {"type": "cpu", "metricType": "Utilization", "metadata": {"value": percent}}


def _requests(
    version: str,
    component: Component,
    scaling: AutoscalingSpec,
    namespace: str,
    options: Options,
) -> list[Manifest]:
    """Return the trigger of requests in flight; KEDA asks the server of the installation alone."""
    target = scaling.target_requests_in_flight
    server = options.keda_prometheus_url
    if component is not Component.TRANSFORMER or target is None or not server:
        return []
    series = f'{autoscaling.IN_FLIGHT}{{namespace="{namespace}",version="{version}"}}'
    query = {
        "serverAddress": server,
        "query": f"sum({series})",
        "threshold": str(target),
        # Lost metrics are no requests to KEDA otherwise, and pods would be removed under load.
        "ignoreNullValues": "false",
    }
    return [{"type": "prometheus", "metricType": "AverageValue", "metadata": query}]


def _peaks(scaling: AutoscalingSpec) -> list[Manifest]:
    return [
        {
            "type": "cron",
            "metadata": {
                "timezone": peak.time_zone,
                "start": peak.start,
                "end": peak.end,
                "desiredReplicas": str(peak.replicas),
            },
        }
        for peak in scaling.peaks
    ]
