"""What the NetworkPolicies of the product let through, where a plugin enforces them."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster import backends, policies, settings
from tests.cluster.api import Cluster
from tests.cluster.errors import ClusterError
from tests.scenario import collecting, install, reach
from tests.scenario.kube import GROUP
from tests.scenario.reach import Target
from tests.scenario.setup import Platform
from tests.scenario.world import World

pytestmark = pytest.mark.e2e
in_gateway_mode = pytest.mark.parametrize("world", ["Gateway"], indirect=True)
in_knative_mode = pytest.mark.parametrize("world", ["Knative"], indirect=True)

SYSTEM = install.SYSTEM_NAMESPACE
JOB = "stranger-job"
DNS, API = ("kube-dns.kube-system.svc", 53), ("kubernetes.default.svc", 443)
#: Ports of the pods that each policy closes to some of the pods below, and DNS as well.
TRITON = {"triton http": 8000, "triton grpc": 9000, "triton metrics": 8002}
TRANSFORMER = {"transformer http": 8080, "transformer grpc": 8081}
COLLECTOR = {"events": 8080, "admin": 9090, "collector metrics": 9091}
STORE = {"store": 6379}


@pytest.fixture(scope="module", autouse=True)
def enforced() -> None:
    """Skip where the local cluster runs on a kernel without what the plugin needs.

    Any other cluster without a plugin that enforces policies fails.
    """
    reason = policies.unenforced(settings.cluster_layout())
    if reason and isinstance(backends.selected(), backends.Local):
        pytest.skip(f"NetworkPolicies are not enforced: {reason}")


@dataclasses.dataclass
class Connections:
    """Connections from pods to the pods of the champion and of the collector."""

    world: World
    #: Names of targets that are left out.
    without: frozenset[str] = frozenset()

    def targets(self) -> dict[str, Target]:
        """Return addresses by name. Pods come and go, so these hold for a moment."""
        triton, transformer = self.pod("predictor"), self.pod("transformer")
        found = {"dns": DNS, "api": API}
        for address, ports in (
            (triton.status.pod_ip, TRITON),
            (transformer.status.pod_ip, TRANSFORMER),
            (address_of(self.world.cluster, "collector"), COLLECTOR),
            (address_of(self.world.cluster, "store"), STORE),
        ):
            found |= {name: (address, port) for name, port in ports.items()}
        return {name: target for name, target in found.items() if name not in self.without}

    def pod(self, component: str) -> Any:
        """Return the champion's only pod of a component: a promotion may still replace pods."""
        found: list[Any] = []

        def is_alone() -> bool:
            found[:] = self.world.kube.serving_pods(str(self.world.champion), component=component)
            return len(found) == 1

        self.world.until(f"one pod of the {component}", is_alone, 120)
        return found[0]

    def reach(self, expected: set[str], namespace: str, pod: str, container: str = "") -> None:
        """Wait until a pod reaches these targets and no others.

        Other tests replace pods, and the plugin learns of a new one after it has started.
        """
        seen: set[str] = set()

        def as_expected() -> bool:
            nonlocal seen
            with contextlib.suppress(ClusterError):  # the pod is being replaced
                seen = reach.from_pod(
                    self.world.cluster, namespace, pod, self.targets(), container
                )
            return seen == expected

        try:
            self.world.until(f"the policies of {pod}", as_expected, 60)
        except TimeoutError:
            missing, extra = sorted(expected - seen), sorted(seen - expected)
            pytest.fail(f"{pod} does not reach {missing}, and reaches {extra}")


@pytest.fixture
def connections(champion: World) -> Connections:
    return Connections(champion)


def address_of(cluster: Cluster, part: str) -> str:
    return cluster.kubectl(
        "-n", SYSTEM, "get", "pods", "-l", collecting.labels(part),
        "--field-selector", "status.phase=Running", "-o", "jsonpath={.items[0].status.podIP}",
    )  # fmt: skip


@pytest.fixture
def job(champion: World, platform: Platform) -> Iterator[str]:
    """A pod with the labels of the champion's Jobs, which end too soon for connections."""
    labels = {f"{GROUP}/model": champion.name, f"{GROUP}/job-kind": "remove"}
    labels["app.kubernetes.io/managed-by"] = "recommender-operator"
    namespace, cluster = champion.kube.namespace, champion.cluster
    pod = reach.stranger(namespace, JOB, platform.images["training"], labels)
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(pod))
    cluster.kubectl(
        "-n", namespace, "wait", "--for=condition=Ready", f"pod/{JOB}", "--timeout=120s"
    )
    yield JOB
    cluster.kubectl("-n", namespace, "delete", "pod", JOB, "--wait=false")


@in_gateway_mode
def test_given_pods_of_others_when_they_connect_then_only_open_ports_accept(
    champion: World, connections: Connections
) -> None:
    # The node reaches every pod: all of them listen, so a policy closes what is closed below.
    closed, targets = {*TRITON, "admin", *STORE}, connections.targets()
    assert reach.from_here(targets, closed) == closed
    connections.reach({*targets} - closed, champion.kube.namespace, install.LOADER)
    # By default the admin port admits the pods of its own namespace.
    connections.reach({*targets} - closed | {"admin"}, SYSTEM, install.LOADER)


@in_gateway_mode
def test_given_parts_of_the_product_when_they_connect_then_they_reach_what_they_need_alone(
    champion: World, connections: Connections
) -> None:
    namespace = champion.kube.namespace
    # A pod always reaches its own ports.
    for component, expected in (
        ("transformer", {"dns", "triton grpc", *TRANSFORMER}),
        ("predictor", {*TRITON}),
    ):
        pod = connections.pod(component)
        connections.reach(expected, namespace, pod.metadata.name, "kserve-container")
    operator = "deployment/recommender-operator"
    connections.reach({"api", "dns", "transformer http", "admin"}, SYSTEM, operator)
    # The plugin of the local cluster lets pods of the same policy reach one another.
    connections.without = frozenset(COLLECTOR)
    for part in (collecting.COLLECTOR, collecting.WRITER):
        connections.reach({"dns", "store"}, SYSTEM, f"deployment/{part}")


@in_gateway_mode
def test_given_a_pod_of_a_job_when_it_connects_then_it_reaches_dns_alone(
    champion: World, connections: Connections, job: str
) -> None:
    connections.reach({"dns"}, champion.kube.namespace, job)


@in_knative_mode
def test_given_a_model_in_knative_mode_when_pods_connect_then_its_triton_refuses_others(
    champion: World, connections: Connections
) -> None:
    namespace = champion.kube.namespace
    targets, own = connections.targets(), {*TRITON, *TRANSFORMER}
    closed = {*own} - {"transformer http"}
    assert reach.from_here(targets, own) == own
    connections.reach({*targets} - closed - {"admin", *STORE}, namespace, install.LOADER)
    pod = connections.pod("transformer")
    connections.reach({"dns", *own}, namespace, pod.metadata.name, "transformer-container")
