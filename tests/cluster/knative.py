"""Knative Serving as pods, from the manifests of its module."""

from __future__ import annotations

from collections.abc import Iterable

from tests.cluster import imagestore, objects, settings
from tests.cluster.binaries import Binaries
from tests.cluster.groups import KNATIVE
from tests.cluster.objects import Manifest

NAMESPACE = "knative-serving"
_KO = "ko://knative.dev/serving/cmd/"
_EXAMPLE = "knative.dev/example-checksum"

FEATURES = (
    "multi-container-probing",
    "kubernetes.podspec-affinity",
    "kubernetes.podspec-fieldref",
    "kubernetes.podspec-init-containers",
    "kubernetes.podspec-nodeselector",
    "kubernetes.podspec-persistent-volume-claim",
    "kubernetes.podspec-persistent-volume-write",
    "kubernetes.podspec-priorityclassname",
    "kubernetes.podspec-schedulername",
    "kubernetes.podspec-securitycontext",
    "kubernetes.podspec-tolerations",
    "kubernetes.podspec-topologyspreadconstraints",
)
CONFIGURATION = {
    "config-deployment": {
        "queue-sidecar-image": imagestore.KNATIVE["queue"].name,
        # There is no registry that resolves tags.
        "registries-skipping-tag-resolving": "index.docker.io,docker.io,localhost",
        # Several revisions may start side by side on two cores.
        "progress-deadline": "180s",
        "queue-sidecar-cpu-request": "10m",
        "queue-sidecar-memory-request": "16Mi",
    },
    "config-network": {"ingress-class": "traefik.ingress.networking.knative.dev"},
    "config-domain": {settings.INGRESS_DOMAIN: ""},
    "config-features": dict.fromkeys(FEATURES, "enabled"),
}


def rewrite(documents: Iterable[Manifest]) -> list[Manifest]:
    """Local images, small requests, and our configuration."""

    def change(manifest: Manifest) -> Manifest | None:
        if objects.is_workload(manifest):
            for container in objects.containers(manifest):
                component = container["image"].removeprefix(_KO)
                container["image"] = imagestore.KNATIVE[component].name
                container["imagePullPolicy"] = "Never"
                container["resources"]["requests"] = {"cpu": "10m", "memory": "32Mi"}
        if manifest["kind"] == "ConfigMap":
            name = manifest["metadata"]["name"]
            data = {k: v for k, v in manifest.get("data", {}).items() if k != "_example"}
            manifest["data"] = {**data, **CONFIGURATION.get(name, {})}
            manifest["metadata"].get("annotations", {}).pop(_EXAMPLE, None)
        return manifest

    return objects.edit(documents, change)


def system(binaries: Binaries) -> list[Manifest]:
    """Everything except the CRDs; webhook configurations must come last."""
    documents = rewrite(objects.read(binaries.manifests(KNATIVE, "system")))
    return sorted(documents, key=lambda document: document["kind"].endswith("Configuration"))
