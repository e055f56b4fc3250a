"""KServe's controller as a host process, its webhooks at 127.0.0.1."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from typing import Any

from tests.cluster import objects, settings
from tests.cluster.binaries import Binaries
from tests.cluster.controlplane import http_ready
from tests.cluster.groups import KSERVE
from tests.cluster.objects import Manifest
from tests.cluster.pki import Authority
from tests.cluster.processes import Part
from tests.cluster.settings import Layout

USER = "recommender:kserve"


def rewrite(documents: Iterable[Manifest], webhook: str, authority: bytes) -> list[Manifest]:
    """KServe's own manifests, changed where they assume that it runs in the cluster."""

    def change(manifest: Manifest) -> Manifest | None:
        match manifest["kind"]:
            case "ConfigMap":
                manifest["data"] = configuration(manifest["data"])
            case "ClusterStorageContainer":
                # Only the list of URI schemes is needed: pvc:// starts no init container.
                manifest["spec"]["container"]["image"] = "docker.io/kserve/storage-initializer"
            case "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration":
                objects.call_at(manifest, webhook, authority)
        return manifest

    return objects.edit(documents, change)


def configuration(data: dict[str, str]) -> dict[str, str]:
    """The ConfigMap's data with the values that differ here."""
    changes: dict[str, dict[str, Any]] = {
        "deploy": {"defaultDeploymentMode": "Standard"},
        "ingress": {
            "enableGatewayApi": True,
            "kserveIngressGateway": "recommender-gateway/recommender-gateway",
            "ingressDomain": settings.INGRESS_DOMAIN,
            "disableIstioVirtualHost": True,
        },
        # The shipped requests, one CPU for each container, fill a small machine at once.
        "inferenceService": {
            "resource": {
                "cpuLimit": "2",
                "memoryLimit": "2Gi",
                "cpuRequest": "50m",
                "memoryRequest": "128Mi",
            }
        },
    }
    changed = {key: value for key, value in data.items() if key != "_example"}
    for key, values in changes.items():
        changed[key] = json.dumps({**json.loads(changed[key]), **values}, indent=1)
    return changed


def system(layout: Layout, binaries: Binaries) -> str:
    """Everything to apply before the controller starts."""
    webhook = f"https://127.0.0.1:{settings.KSERVE_WEBHOOK_PORT}"
    authority = Authority(layout.pki).certificate.read_bytes()
    documents = objects.read(binaries.manifests(KSERVE, "system"))
    role = next(d["metadata"]["name"] for d in documents if d["kind"] == "ClusterRole")
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kserve"}}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": USER},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": role,
        },
        "subjects": [{"kind": "User", "name": USER, "apiGroup": "rbac.authorization.k8s.io"}],
    }
    return objects.dump([namespace, binding, *rewrite(documents, webhook, authority)])


def manager(layout: Layout, binaries: Binaries, knative: bool) -> Part:
    """The controller. It looks for Knative's CRDs once, at its start: `knative` is part of
    its key, so that it restarts when Knative is installed."""
    authority = Authority(layout.pki)
    kubeconfig = authority.kubeconfig(layout.state / "kserve.kubeconfig", layout.api_url, USER)
    certificate, key = authority.issue("kserve-webhook", "kserve", hosts=("127.0.0.1",))
    # controller-runtime has no flag for this folder.
    temporary = layout.state / "kserve"
    serving = temporary / "k8s-webhook-server" / "serving-certs"
    serving.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(certificate, serving / "tls.crt")
    shutil.copyfile(key, serving / "tls.key")
    return Part(
        "kserve",
        [
            str(binaries.path("kserve-manager")),
            f"--kubeconfig={kubeconfig}",
            "--leader-elect=false",
            f"--webhook-port={settings.KSERVE_WEBHOOK_PORT}",
            f"--metrics-addr=127.0.0.1:{settings.KSERVE_METRICS_PORT}",
            f"--health-probe-addr=127.0.0.1:{settings.KSERVE_HEALTH_PORT}",
        ],
        http_ready(f"http://127.0.0.1:{settings.KSERVE_HEALTH_PORT}/readyz"),
        {"POD_NAMESPACE": "kserve", "TMPDIR": str(temporary), "WITH_KNATIVE": str(knative)},
    )
