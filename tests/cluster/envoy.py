"""Envoy Gateway beside the whole cluster, as pods: its controller, and the Envoy of a Gateway.

It is installed with its own chart, from images of the binaries that we build and fetch. Traefik
stays the Gateway of everything that does not ask for this one.
"""

from __future__ import annotations

from tests.cluster import binaries, gateway, imagestore, objects, preflight, processes, settings
from tests.cluster.binaries import Binaries
from tests.cluster.groups import ENVOY, ENVOY_NAMESPACE
from tests.cluster.objects import Kubectl, Manifest
from tests.cluster.progress import step

NAMESPACE = ENVOY_NAMESPACE
"""Of the controller and of Envoy."""
GATEWAY = (gateway.NAMESPACE, "recommender-envoy")
"""Namespace and name of the Gateway that HTTPRoutes attach to."""
RESOURCES = (
    "backendtrafficpolicies.gateway.envoyproxy.io",
    "clienttrafficpolicies.gateway.envoyproxy.io",
    "envoyproxies.gateway.envoyproxy.io",
    "securitypolicies.gateway.envoyproxy.io",
)


def join() -> str:
    """Start Envoy Gateway beside the whole cluster, which runs; return the Gateway's base URL."""
    layout = settings.cluster_layout()
    with processes.locked(layout):
        preflight.check(binaries.is_cold((ENVOY,)), with_node=False)
        built = binaries.ensure((ENVOY,))
        kubectl = Kubectl(built.path("kubectl"), layout.kubeconfig)
        imagestore.import_images(layout, built, imagestore.ENVOY)
        _apply(kubectl, built)
        _wait(kubectl)
    return url(kubectl)


def leave() -> None:
    """Remove Envoy Gateway from the whole cluster, which keeps its CRDs."""
    layout = settings.cluster_layout()
    with processes.locked(layout):
        built = binaries.ensure((ENVOY,), compiled=())
        kubectl = Kubectl(built.path("kubectl"), layout.kubeconfig)
        # While its controller runs, which removes Envoy and the finalizer of the class.
        kubectl("delete", "--ignore-not-found", "-f", "-", stdin=the_gateway())
        with step("Envoy removed"):
            kubectl(
                "wait", "--for=delete", "-n", NAMESPACE, f"deployment/{GATEWAY[1]}",
                "--timeout=90s",
            )  # fmt: skip
        kubectl("delete", "--ignore-not-found", "-f", "-", stdin=objects.dump(system(built)))


def url(kubectl: Kubectl) -> str:
    """The base URL of the Gateway, which pods and this machine reach."""
    (namespace, name) = GATEWAY
    address = "jsonpath={.status.addresses[0].value}"
    return f"http://{kubectl('get', 'gateway', '-n', namespace, name, '-o', address)}"


def system(built: Binaries) -> list[Manifest]:
    """What the chart of Envoy Gateway installs, in its namespace."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    return [namespace, *objects.read(built.manifests(ENVOY, "system"))]


def the_gateway() -> str:
    """The class, the Gateway, and how its Envoy runs."""
    (_, image) = imagestore.ENVOY
    (namespace, name) = GATEWAY
    return objects.fill(
        (settings.MANIFESTS / "envoy.yaml").read_text(),
        {"namespace": namespace, "gateway": name, "image": image.name},
    )


def _apply(kubectl: Kubectl, built: Binaries) -> None:
    with step("Envoy Gateway applied"):
        kubectl.apply_files(built.manifests(ENVOY, "crds"))
        kubectl.wait_served(RESOURCES)
        kubectl.apply(objects.dump(system(built)))
        kubectl.apply(the_gateway())


def _wait(kubectl: Kubectl) -> None:
    with step("Envoy Gateway ready"):
        kubectl("rollout", "status", "-n", NAMESPACE, "deployment/envoy-gateway", "--timeout=120s")
        (namespace, name) = GATEWAY
        kubectl(
            "wait", "-n", namespace, "--for=condition=Programmed", f"gateway/{name}",
            "--timeout=120s",
        )  # fmt: skip
