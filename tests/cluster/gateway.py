"""Traefik, a host process, as the data plane of the Gateway and of Knative."""

from __future__ import annotations

from tests.cluster import settings
from tests.cluster.binaries import Binaries
from tests.cluster.controlplane import http_ready
from tests.cluster.objects import fill
from tests.cluster.pki import Authority
from tests.cluster.processes import Part
from tests.cluster.settings import Layout

NAMESPACE = "recommender-gateway"
#: A request that a pod takes along when it dies goes to another pod; a recommendation may be asked
#: for twice. Traefik retries after a lost connection only, and may choose the dead pod again, of
#: two pods about every second time: ten attempts lost a request once in a while.
RETRY = """\
http:
  middlewares:
    retry:
      retry:
        attempts: 20
        initialInterval: 50ms
        # A request that was sent and lost: without a status it is not repeated.
        status: ["502"]
        retryNonIdempotentMethod: true
"""
PUBLIC_SERVICE = "recommender-gateway"
PRIVATE_SERVICE = "recommender-gateway-private"


def system() -> str:
    """GatewayClass, Gateway, and the Services that point to the host process."""
    return fill(
        (settings.MANIFESTS / "gateway.yaml").read_text(),
        {
            "gateway_port": settings.GATEWAY_PORT,
            "private_port": settings.PRIVATE_PORT,
            "node_ip": settings.NODE_IP,
        },
    )


def traefik(layout: Layout, binaries: Binaries, knative: bool) -> Part:
    """Traefik with the Gateway provider and, on request, the Knative one."""
    middlewares = layout.state / "traefik.yaml"
    middlewares.write_text(RETRY)
    kubeconfig = Authority(layout.pki).kubeconfig(
        layout.state / "traefik.kubeconfig", layout.api_url, "recommender:gateway"
    )
    arguments = [
        str(binaries.path("traefik")),
        f"--entrypoints.web.address=:{settings.GATEWAY_PORT}",
        f"--entrypoints.private.address={settings.NODE_IP}:{settings.PRIVATE_PORT}",
        f"--entrypoints.admin.address=127.0.0.1:{settings.TRAEFIK_PORT}",
        "--entrypoints.web.transport.lifecycle.gracetimeout=2",
        "--entrypoints.web.http.middlewares=retry@file",
        f"--providers.file.filename={middlewares}",
        "--ping.entrypoint=admin",
        "--metrics.prometheus.entrypoint=admin",
        "--providers.kubernetesgateway=true",
        f"--providers.kubernetesgateway.statusaddress.ip={settings.NODE_IP}",
        # Shorter than Traefik's 2 s, in which users of a version that lost its pods get errors.
        "--providers.providersthrottleduration=500ms",
        "--global.checknewversion=false",
        "--global.sendanonymoususage=false",
        "--log.level=INFO",
    ]
    if knative:
        arguments += [
            "--experimental.knative=true",
            "--providers.knative=true",
            "--providers.knative.publicentrypoints=web",
            "--providers.knative.privateentrypoints=private",
            f"--providers.knative.publicservice.name={PUBLIC_SERVICE}",
            f"--providers.knative.publicservice.namespace={NAMESPACE}",
            f"--providers.knative.privateservice.name={PRIVATE_SERVICE}",
            f"--providers.knative.privateservice.namespace={NAMESPACE}",
            "--providers.knative.throttleduration=1s",
        ]
    return Part(
        "traefik",
        arguments,
        http_ready(f"http://127.0.0.1:{settings.TRAEFIK_PORT}/ping"),
        {"KUBECONFIG": str(kubeconfig)},
    )
