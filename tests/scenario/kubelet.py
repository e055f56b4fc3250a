"""The kubelet of the local cluster: killed, and started again, while its containers go on."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

from prometheus_client.parser import text_string_to_metric_families

from tests.cluster import binaries, node, processes, settings
from tests.cluster.api import Cluster
from tests.cluster.groups import KUBERNETES

PROBES = f"/api/v1/nodes/{settings.NAME}/proxy/metrics/probes"


@contextlib.contextmanager
def killed() -> Iterator[None]:
    """Kill the kubelet, and start it again at the end.

    Raises:
        ProcessLookupError: no process of this machine is the kubelet of the local cluster.
    """
    layout = settings.cluster_layout()
    found = [one for one in processes.running(layout.state) if one.executable == "kubelet"]
    if not found:
        raise ProcessLookupError(f"no kubelet runs with the state in {layout.state}")
    for process in found:
        processes.send(process.pid, signal.SIGKILL)
    try:
        yield
    finally:
        with processes.locked(layout):
            built = binaries.ensure((KUBERNETES,))
            processes.run_part(layout, node.kubelet(layout, built))


def found_ready(cluster: Cluster, namespace: str) -> set[str]:
    """Return the pods of a namespace that the kubelet found ready since its start."""
    return ready_pods(cluster.kubectl("get", "--raw", PROBES), namespace)


def ready_pods(page: str, namespace: str) -> set[str]:
    """Return the pods of a namespace with a readiness probe that succeeded, from a page."""
    return {
        sample.labels["pod"]
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == "prober_probe_total"
        and sample.labels["namespace"] == namespace
        and (sample.labels["probe_type"], sample.labels["result"]) == ("Readiness", "successful")
    }
