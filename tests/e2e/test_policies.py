"""What the NetworkPolicies of the product let through, where a plugin enforces them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.cluster import backends, policies, settings
from tests.cluster.api import Cluster
from tests.scenario import collecting, install, reach
from tests.scenario.kube import GROUP
from tests.scenario.reach import Target
from tests.scenario.setup import Platform
from tests.scenario.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.parametrize("world", ["Gateway"], indirect=True)]

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


@pytest.fixture
def targets(champion: World) -> dict[str, Target]:
    """Return addresses of pods by name: of the champion and of the collector."""
    version = str(champion.champion)
    (triton,) = champion.kube.serving_pods(version, component="predictor")
    (transformer,) = champion.kube.serving_pods(version)
    found = {"dns": DNS, "api": API}
    for address, ports in (
        (triton.status.pod_ip, TRITON),
        (transformer.status.pod_ip, TRANSFORMER),
        (address_of(champion.cluster, "collector"), COLLECTOR),
        (address_of(champion.cluster, "store"), STORE),
    ):
        found |= {name: (address, port) for name, port in ports.items()}
    return found


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


def test_given_pods_of_others_when_they_connect_then_only_open_ports_accept(
    champion: World, targets: dict[str, Target]
) -> None:
    # The node reaches every pod: all of them listen, so a policy closes what is closed below.
    closed = {*TRITON, "admin", *STORE}
    assert reach.from_here(targets, closed) == closed
    reached = reach.from_pod(champion.cluster, champion.kube.namespace, install.LOADER, targets)
    assert reached == {*targets} - closed
    # By default the admin port admits the pods of its own namespace.
    reached = reach.from_pod(champion.cluster, SYSTEM, install.LOADER, targets)
    assert reached == {*targets} - closed | {"admin"}


def test_given_parts_of_the_product_when_they_connect_then_they_reach_what_they_need_alone(
    champion: World, targets: dict[str, Target]
) -> None:
    cluster, version = champion.cluster, str(champion.champion)

    def reached(component: str) -> set[str]:
        (pod,) = champion.kube.serving_pods(version, component=component)
        namespace, name = champion.kube.namespace, pod.metadata.name
        return reach.from_pod(cluster, namespace, name, targets, "kserve-container")

    # A pod always reaches its own ports.
    assert reached("transformer") == {"dns", "triton grpc", *TRANSFORMER}
    assert reached("predictor") == {*TRITON}
    operator = reach.from_pod(cluster, SYSTEM, "deployment/recommender-operator", targets)
    assert operator == {"api", "dns", "transformer http", "admin"}
    # The plugin of the local cluster lets pods of the same policy reach one another.
    targets = {name: target for name, target in targets.items() if name not in COLLECTOR}
    for part in (collecting.COLLECTOR, collecting.WRITER):
        assert reach.from_pod(cluster, SYSTEM, f"deployment/{part}", targets) == {"dns", "store"}


def test_given_a_pod_of_a_job_when_it_connects_then_it_reaches_dns_alone(
    champion: World, targets: dict[str, Target], job: str
) -> None:
    def reached() -> set[str]:
        return reach.from_pod(champion.cluster, champion.kube.namespace, job, targets)

    # A plugin learns of a new pod a moment after it has started.
    champion.until("the policy of a new pod", lambda: reached() == {"dns"}, 60)
