"""PodDisruptionBudgets and spreading: a version answers while nodes are drained or lost."""

from __future__ import annotations

from recommender_operator.resources import labels
from recommender_operator.resources.labels import Component, Manifest

#: Preferred, not required: a cluster with one node or zone runs all pods there.
TOPOLOGIES = ("kubernetes.io/hostname", "topology.kubernetes.io/zone")


def spread(marks: dict[str, str]) -> list[Manifest]:
    """Return the constraints that spread the pods with these labels over nodes and zones."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": marks},
        }
        for key in TOPOLOGIES
    ]


def strategy(replicas: int, *, scaled: bool = False) -> Manifest:
    """Return how a Deployment replaces its pods; `replicas` is their minimum if it is scaled.

    KServe reports a component ready if its Deployment is available. With several pods one may be
    missing, so that a cluster without room for all of them serves the version nevertheless; the
    only pod is replaced after its successor is ready. A Deployment that an autoscaler scales may
    have one pod, even if the minimum has just risen; and it is ready by its pods.
    """
    spare = replicas > 1 and not scaled
    return {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1 if spare else 0},
    }


def budget(model: str, version: str, component: Component, service: Manifest) -> Manifest:
    """Return the PodDisruptionBudget of a component: one pod at a time may be evicted.

    A pod that is not ready may always be evicted: it answers no requests, and must not block a
    drain. `service` is the InferenceService as stored, which owns the budget.
    """
    return of_pods(
        f"{version}-{component}",
        labels.of_version(model, version),
        {"matchLabels": labels.of_component(model, version, component)},
        service,
    )


def of_pods(name: str, marks: dict[str, str], selector: Manifest, service: Manifest) -> Manifest:
    """Return the PodDisruptionBudget of the selected pods, owned by the stored service."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {
            "name": name,
            "namespace": service["metadata"]["namespace"],
            "labels": marks,
            "ownerReferences": labels.owned_by_service(service),
        },
        "spec": {
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": selector,
        },
    }
